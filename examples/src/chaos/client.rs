//! A client that does not give up: three people who live one order after another, whatever is broken.

use super::{insist::Insist, money::races::Races, rounds::Pace};
use crate::{
    life::order_body,
    oracle::{
        finding::Class,
        story::{Plan, Said, Story},
    },
    people::{DISH, Party, Person},
    seed::Seed,
    sse::{Live, Seen},
};
use serde_json::json;
use shared::OrderId;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// The pause before a stream that broke is opened again.
const AGAIN: Duration = Duration::from_millis(20);

/// A live stream that is taken up again after each fault, and checks that nothing is missing and nothing comes twice.
pub struct Screen {
    live: Live,
    last: HashMap<OrderId, u64>,
    /// True when it shows every change, so that a gap in the numbers is one.
    whole: bool,
    /// What was wrong.
    pub wrong: Vec<(Class, String)>,
}

impl Screen {
    /// Opens it.
    ///
    /// # Errors
    /// It does not begin.
    pub async fn open(person: &Person, path: &str, whole: bool) -> Result<Self, String> {
        let mut live = Live::new(person.host(), path, &person.login);
        live.open().await.map_err(|e| e.to_string())?;
        Ok(Self { live, last: HashMap::new(), whole, wrong: vec![] })
    }

    async fn wait(&mut self, order: OrderId, wanted: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            match self.live.next().await {
                Ok(seen) => {
                    self.check(&seen);
                    if seen.order == order && wanted(&seen) {
                        return seen;
                    }
                }
                Err(_) => {
                    while self.live.open().await.is_err() {
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        }
    }

    fn check(&mut self, seen: &Seen) {
        let last = self.last.insert(seen.order, seen.version).unwrap_or(0);
        let class = match seen.version {
            version if version <= last => Class::Duplicated,
            version if self.whole && version != last + 1 => Class::Lost,
            _ => return,
        };
        self.wrong.push((class, format!("on a screen, {:?} {}: change {} came after change {last}", seen.of, seen.order, seen.version)));
    }
}

/// A client with its three people.
pub struct Client {
    party: Party,
    orders: Screen,
    tickets: Screen,
    jobs: Screen,
    insist: Insist,
    pace: Pace,
    seed: Seed,
    number: usize,
    /// Where it notes its races, if it does nothing else.
    races: Option<Arc<Races>>,
}

impl Client {
    /// With everything open.
    ///
    /// # Errors
    /// A stream does not begin.
    pub async fn new(party: Party, insist: Insist, pace: Pace, seed: Seed, number: usize) -> Result<Self, String> {
        let orders = Screen::open(&party.customer, "/orders/events?as=customer", true).await?;
        let tickets = Screen::open(&party.owner, "/foodCookings/events", true).await?;
        let jobs = Screen::open(&party.rider, "/deliveries/events", false).await?;
        Ok(Self { party, orders, tickets, jobs, insist, pace, seed, number, races: None })
    }

    /// One that does nothing but race, if there are races.
    pub fn racing(self, races: Option<Arc<Races>>) -> Self {
        Self { races, ..self }
    }

    /// Orders until it is told to stop, and then finishes what it began. What it says is in the log; what it gives back is
    /// its people.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn run(mut self, stop: watch::Receiver<bool>) -> Result<(Party, Vec<Story>), String> {
        let mut stories = vec![];
        while !*stop.borrow() {
            self.renew().await;
            let plan = if self.races.is_some() { Plan::Race } else { Plan::draw(&mut self.seed) };
            let key = format!("{:x}-{}-{}", self.seed.0, self.number, stories.len());
            let customer = self.party.customer.account;
            let mut story = Story { plan, key, customer, order: None, tries: 0, said: vec![] };
            let lived = timeout(self.pace.life, self.life(&mut story)).await;
            let wrong = match lived {
                Ok(Ok(())) => None,
                Ok(Err(why)) => Some((Class::Unexpected, format!("{why}: {story:?}"))),
                Err(_) => Some((Class::Unfinished, format!("not done in time: {story:?}"))),
            };
            if let Some((class, what)) = wrong {
                self.insist.log.saw(class, what).await?;
            }
            stories.push(story);
            tokio::time::sleep(self.pace.rest).await;
        }
        for screen in [self.orders, self.tickets, self.jobs] {
            for (class, what) in screen.wrong {
                self.insist.log.saw(class, what).await?;
            }
        }
        Ok((self.party, stories))
    }

    /// A login that cannot be renewed now is renewed before the next order.
    async fn renew(&mut self) {
        if self.party.renew().await.unwrap_or(false) {
            self.orders.live.log_in(&self.party.customer.login);
            self.tickets.live.log_in(&self.party.owner.login);
            self.jobs.live.log_in(&self.party.rider.login);
        }
    }

    async fn life(&mut self, story: &mut Story) -> Result<(), String> {
        let order = self.place(story).await?;
        match story.plan {
            Plan::Declined => return Ok(()),
            Plan::Dropped => return self.customer(story, "cancel", b"{}").await,
            Plan::SlowCard => return self.customer(story, "cancel", b"{}").await,
            _ => {}
        }
        self.tickets.wait(order, |seen| seen.event == "opened").await;
        match story.plan {
            Plan::Unanswered => return Ok(()),
            Plan::Rejected => return self.owner(story, "reject", r#"{"reason":"재료 소진"}"#.as_bytes()).await,
            Plan::CancelBefore => return self.cancel(story, order).await,
            Plan::Dearer | Plan::Cheaper | Plan::OnceCard => self.change(story, order).await?,
            _ => {}
        }
        self.owner(story, "accept", br#"{"cook_minutes":10}"#).await?;
        match story.plan {
            Plan::CancelAfter => return self.cancel(story, order).await,
            Plan::Race => {
                if self.race(story, order).await? {
                    return Ok(());
                }
            }
            _ => self.owner(story, "start", b"").await?,
        }
        self.owner(story, "finish", b"").await?;
        // The second change of a delivery is its offer or its readiness, whichever came later.
        self.jobs.wait(order, |seen| seen.version == 2).await;
        self.rider(story, "pick").await?;
        self.rider(story, "deliver").await?;
        if story.plan == Plan::Unconfirmed {
            return Ok(());
        }
        self.orders.wait(order, |seen| seen.event == "delivered").await;
        self.customer(story, "confirm", b"").await
    }

    async fn place(&mut self, story: &mut Story) -> Result<OrderId, String> {
        let body = order_body(&self.party, story.plan.dishes().0, story.plan.means());
        self.insist.place(&mut self.party.customer, story, &body).await
    }

    async fn cancel(&mut self, story: &mut Story, order: OrderId) -> Result<(), String> {
        self.customer(story, "cancel", b"{}").await?;
        self.orders.wait(order, |seen| seen.event == "cancelled").await;
        Ok(())
    }

    async fn change(&mut self, story: &mut Story, order: OrderId) -> Result<(), String> {
        let items = json!({ "items": [{ "item": DISH, "quantity": story.plan.dishes().1 }] });
        self.customer(story, "change", items.to_string().as_bytes()).await?;
        let wanted = if story.plan == Plan::OnceCard { "change_refused" } else { "changed" };
        let seen = self.orders.wait(order, |seen| seen.event.starts_with("change") && seen.event != "change_requested").await;
        if seen.event == wanted { Ok(()) } else { Err(format!("{wanted} was expected, {} came", seen.event)) }
    }

    /// Cancel and start at once. True when the order was cancelled.
    async fn race(&mut self, story: &mut Story, order: OrderId) -> Result<bool, String> {
        let is_cancelled = self.cancel_and_start(story, order).await?;
        self.races.iter().for_each(|races| races.over(order, is_cancelled));
        Ok(is_cancelled)
    }

    async fn cancel_and_start(&mut self, story: &mut Story, order: OrderId) -> Result<bool, String> {
        let waits = self.races.as_ref().map(|races| races.wait(&mut self.seed));
        let (customer_waits, owner_waits) = waits.unwrap_or_default();
        let (Party { customer, owner, .. }, asked) = (&mut self.party, &*story);
        let (cancelled, started) = tokio::join!(
            async {
                sleep(customer_waits).await;
                self.insist.verb(customer, asked, "orders", "cancel", b"{}").await
            },
            async {
                sleep(owner_waits).await;
                self.insist.verb(owner, asked, "foodCookings", "start", b"").await
            }
        );
        let (cancelled, started) = (cancelled?, started?);
        let (asked, cooks) = (cancelled.acknowledged(), started.acknowledged());
        story.said.extend([cancelled, started]);
        match (asked, cooks) {
            (true, _) => {
                let over = |seen: &Seen| matches!(seen.event.as_str(), "cancelled" | "cancel_refused");
                let seen = self.orders.wait(order, over).await;
                let gone = seen.event == "cancelled";
                if gone == cooks { Err(format!("both or none of cancel and start won: {}", seen.event)) } else { Ok(gone) }
            }
            (false, true) => Ok(false),
            (false, false) => Err("neither cancel nor start was taken".into()),
        }
    }

    async fn customer(&mut self, story: &mut Story, verb: &str, body: &[u8]) -> Result<(), String> {
        let said = self.insist.verb(&mut self.party.customer, story, "orders", verb, body).await?;
        taken(story, said)
    }

    async fn owner(&mut self, story: &mut Story, verb: &str, body: &[u8]) -> Result<(), String> {
        let said = self.insist.verb(&mut self.party.owner, story, "foodCookings", verb, body).await?;
        taken(story, said)
    }

    async fn rider(&mut self, story: &mut Story, verb: &str) -> Result<(), String> {
        let said = self.insist.verb(&mut self.party.rider, story, "deliveries", verb, b"").await?;
        taken(story, said)
    }
}

/// Nobody here asks for what may be refused, except where two ask at once.
fn taken(story: &mut Story, said: Said) -> Result<(), String> {
    let (good, text) = (said.acknowledged(), format!("{} was refused with {} {}", said.verb, said.status, said.code));
    story.said.push(said);
    if good { Ok(()) } else { Err(text) }
}

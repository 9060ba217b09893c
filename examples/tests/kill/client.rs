//! A client that does not give up: what breaks is asked again, under the same key, once the server is back.

use crate::story::{Plan, Said, Story};
use examples::{
    http::Answer,
    life::order_body,
    people::{DISH, Party, Person},
    seed::Seed,
    sse::{Live, Seen},
};
use hyper::{Method, body::Bytes};
use serde_json::{Value, json};
use shared::OrderId;
use std::{collections::HashMap, time::Duration};
use tokio::{sync::watch, time::timeout};

/// The pause before the same is asked again of a server that should be there: it may be busy, or just going down.
const AGAIN: Duration = Duration::from_millis(5);
/// How long one order may take its client, all kills included.
const LIFE_DEADLINE: Duration = Duration::from_secs(60);

/// A live stream that is taken up again after each kill, and checks that nothing is missing and nothing comes twice.
pub struct Screen {
    live: Live,
    last: HashMap<OrderId, u64>,
    /// True when it shows every change, so that a gap in the numbers is one.
    whole: bool,
    /// What was wrong.
    pub wrong: Vec<String>,
}

impl Screen {
    /// Opens it.
    pub async fn open(person: &Person, path: &str, whole: bool) -> Result<Self, String> {
        let mut live = Live::new(person.host(), path, &person.login);
        live.open().await.map_err(|e| e.to_string())?;
        Ok(Self { live, last: HashMap::new(), whole, wrong: vec![] })
    }

    async fn wait(&mut self, up: &mut watch::Receiver<bool>, order: OrderId, wanted: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            match self.live.next().await {
                Ok(seen) => {
                    let last = self.last.insert(seen.order, seen.version).unwrap_or(0);
                    if seen.version <= last || (self.whole && seen.version != last + 1) {
                        self.wrong.push(format!("{:?} {}: change {} came after change {last}", seen.of, seen.order, seen.version));
                    }
                    if seen.order == order && wanted(&seen) {
                        return seen;
                    }
                }
                Err(_) => {
                    while !is_up(up).await || self.live.open().await.is_err() {
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        }
    }
}

/// Waits until the server is there. Its end is the end of the test.
async fn is_up(up: &mut watch::Receiver<bool>) -> bool {
    up.wait_for(|up| *up).await.is_ok()
}

/// A client with its three people.
pub struct Client {
    party: Party,
    orders: Screen,
    tickets: Screen,
    jobs: Screen,
    up: watch::Receiver<bool>,
    seed: Seed,
    number: usize,
}

impl Client {
    /// With everything open.
    pub async fn new(party: Party, up: watch::Receiver<bool>, seed: Seed, number: usize) -> Result<Self, String> {
        let orders = Screen::open(&party.customer, "/orders/events?as=customer", true).await?;
        let tickets = Screen::open(&party.owner, "/foodCookings/events", true).await?;
        let jobs = Screen::open(&party.rider, "/deliveries/events", false).await?;
        Ok(Self { party, orders, tickets, jobs, up, seed, number })
    }

    /// Orders until it is told to stop, and then finishes what it began.
    pub async fn run(mut self, stop: watch::Receiver<bool>) -> (Party, Vec<Story>, Vec<String>) {
        let (mut stories, mut wrong) = (vec![], vec![]);
        while !*stop.borrow() {
            let (plan, key) = (Plan::draw(&mut self.seed), format!("{:x}-{}-{}", self.seed.0, self.number, stories.len()));
            let customer = self.party.customer.account;
            let mut story = Story { plan, key, customer, order: None, tries: 0, said: vec![] };
            let lived = timeout(LIFE_DEADLINE, self.life(&mut story)).await;
            match lived {
                Ok(Ok(())) => {}
                Ok(Err(why)) => wrong.push(format!("{why}: {story:?}")),
                Err(_) => wrong.push(format!("not done in time: {story:?}")),
            }
            stories.push(story);
        }
        for screen in [self.orders, self.tickets, self.jobs] {
            wrong.extend(screen.wrong);
        }
        (self.party, stories, wrong)
    }

    async fn life(&mut self, story: &mut Story) -> Result<(), String> {
        let order = self.place(story).await?;
        match story.plan {
            Plan::Declined => return Ok(()),
            Plan::SlowCard => return self.customer(story, "cancel", b"{}").await,
            _ => {}
        }
        self.tickets.wait(&mut self.up, order, |seen| seen.event == "opened").await;
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
        self.jobs.wait(&mut self.up, order, |seen| seen.version == 2).await;
        self.rider(story, "pick").await?;
        self.rider(story, "deliver").await?;
        if story.plan == Plan::Unconfirmed {
            return Ok(());
        }
        self.orders.wait(&mut self.up, order, |seen| seen.event == "delivered").await;
        self.customer(story, "confirm", b"").await
    }

    async fn place(&mut self, story: &mut Story) -> Result<OrderId, String> {
        let body = order_body(&self.party, story.plan.dishes().0, story.plan.means());
        let (answer, tries) = insist(&mut self.party.customer, &mut self.up, Method::POST, "/orders", Some(&story.key), &body).await;
        story.tries = tries;
        story.order = answer.made().and_then(OrderId::parse);
        story.order.ok_or_else(|| format!("an order was answered with {} {}", answer.status, String::from_utf8_lossy(&answer.body)))
    }

    async fn cancel(&mut self, story: &mut Story, order: OrderId) -> Result<(), String> {
        self.customer(story, "cancel", b"{}").await?;
        self.orders.wait(&mut self.up, order, |seen| seen.event == "cancelled").await;
        Ok(())
    }

    async fn change(&mut self, story: &mut Story, order: OrderId) -> Result<(), String> {
        let items = json!({ "items": [{ "item": DISH, "quantity": story.plan.dishes().1 }] });
        self.customer(story, "change", items.to_string().as_bytes()).await?;
        let wanted = if story.plan == Plan::OnceCard { "change_refused" } else { "changed" };
        let seen = self.orders.wait(&mut self.up, order, |seen| seen.event.starts_with("change") && seen.event != "change_requested").await;
        if seen.event == wanted { Ok(()) } else { Err(format!("{wanted} was expected, {} came", seen.event)) }
    }

    /// Cancel and start at once. True when the order was cancelled.
    async fn race(&mut self, story: &mut Story, order: OrderId) -> Result<bool, String> {
        let (mut mine, mut theirs) = (self.up.clone(), self.up.clone());
        let Party { customer, owner, .. } = &mut self.party;
        let (cancel, start) = (format!("/orders/{order}/cancel"), format!("/foodCookings/{order}/start"));
        let (none, empty) = (Bytes::new(), Bytes::from_static(b"{}"));
        let (cancel, start) = tokio::join!(
            insist(customer, &mut mine, Method::PUT, &cancel, None, &empty),
            insist(owner, &mut theirs, Method::PUT, &start, None, &none)
        );
        let (cancelled, started) = (said("cancel", &cancel), said("start", &start));
        let (asked, cooks) = (cancelled.acknowledged(), started.acknowledged());
        story.said.extend([cancelled, started]);
        match (asked, cooks) {
            (true, _) => {
                let over = |seen: &Seen| matches!(seen.event.as_str(), "cancelled" | "cancel_refused");
                let seen = self.orders.wait(&mut self.up, order, over).await;
                let gone = seen.event == "cancelled";
                if gone == cooks { Err(format!("both or none of cancel and start won: {}", seen.event)) } else { Ok(gone) }
            }
            (false, true) => Ok(false),
            (false, false) => Err("neither cancel nor start was taken".into()),
        }
    }

    async fn customer(&mut self, story: &mut Story, verb: &'static str, body: &[u8]) -> Result<(), String> {
        ask(&mut self.party.customer, &mut self.up, story, "orders", verb, body).await
    }

    async fn owner(&mut self, story: &mut Story, verb: &'static str, body: &[u8]) -> Result<(), String> {
        ask(&mut self.party.owner, &mut self.up, story, "foodCookings", verb, body).await
    }

    async fn rider(&mut self, story: &mut Story, verb: &'static str) -> Result<(), String> {
        ask(&mut self.party.rider, &mut self.up, story, "deliveries", verb, b"").await
    }
}

async fn ask(
    person: &mut Person,
    up: &mut watch::Receiver<bool>,
    story: &mut Story,
    route: &str,
    verb: &'static str,
    body: &[u8],
) -> Result<(), String> {
    let order = story.order.ok_or("no order")?;
    let answer = insist(person, up, Method::PUT, &format!("/{route}/{order}/{verb}"), None, &Bytes::copy_from_slice(body)).await;
    let said = said(verb, &answer);
    let good = said.acknowledged();
    story.said.push(said);
    if good { Ok(()) } else { Err(format!("{verb} was refused: {}", String::from_utf8_lossy(&answer.0.body))) }
}

fn said(verb: &'static str, (answer, tries): &(Answer, u32)) -> Said {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or_default().to_owned();
    Said { verb, status: answer.status, code: if answer.is_good() { String::new() } else { code }, tries: *tries }
}

/// Asks until there is an answer, and says how often it took. "Come again" is none.
async fn insist(
    person: &mut Person,
    up: &mut watch::Receiver<bool>,
    method: Method,
    path: &str,
    key: Option<&str>,
    body: &Bytes,
) -> (Answer, u32) {
    let mut tries = 0;
    loop {
        is_up(up).await;
        tries += 1;
        match person.ask(method.clone(), path.to_owned(), key, body.clone()).await {
            Ok(answer) if !is_busy(&answer) => return (answer, tries),
            _ => tokio::time::sleep(AGAIN).await,
        }
    }
}

fn is_busy(answer: &Answer) -> bool {
    const IN_FLIGHT: &[u8] = b"in_flight";
    matches!(answer.status, 429 | 503) || (answer.status == 409 && answer.body.windows(IN_FLIGHT.len()).any(|part| part == IN_FLIGHT))
}

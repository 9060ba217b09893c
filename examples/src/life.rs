//! One whole life of an order, from the cart to the door, as a customer, an owner and a rider live it over HTTP. Each
//! waits on an own live stream for what the others have done, as their screens would.

use crate::{
    http::Broken,
    measure::Samples,
    people::{DISH, Party, Trouble, contact, good},
    sse::{Live, Seen},
};
use hyper::{Method, body::Bytes};
use serde_json::json;
use shared::OrderId;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long any next step may take to be seen. A step takes milliseconds; this is for a machine that is overloaded.
const STEP_DEADLINE: Duration = Duration::from_secs(30);
/// How often a stream that ended is taken up again before a life is given up.
const REOPEN: usize = 5;

/// What was measured while living.
#[derive(Default)]
pub struct Times {
    /// `POST /orders` to its answer.
    pub place: Samples,
    /// The verbs, each from the request to its answer.
    pub accept: Samples,
    /// See above.
    pub start: Samples,
    /// See above.
    pub finish: Samples,
    /// See above.
    pub pick: Samples,
    /// See above.
    pub deliver: Samples,
    /// See above.
    pub confirm: Samples,
    /// From the cart to the screen that says completed.
    pub life: Samples,
    /// From the stamp of what was decided to its arrival on the screen of somebody who waits for it.
    pub screen: Samples,
    /// Orders whose payment had not answered when the order was answered.
    pub unpaid: u64,
}

impl Times {
    /// Takes in what another client measured.
    pub fn merge(&mut self, other: Times) {
        self.place.merge(other.place);
        self.accept.merge(other.accept);
        self.start.merge(other.start);
        self.finish.merge(other.finish);
        self.pick.merge(other.pick);
        self.deliver.merge(other.deliver);
        self.confirm.merge(other.confirm);
        self.life.merge(other.life);
        self.screen.merge(other.screen);
        self.unpaid += other.unpaid;
    }
}

/// The streams that a party watches.
pub struct Screens {
    /// The customer's orders.
    pub orders: Live,
    /// The owner's tickets.
    pub tickets: Live,
    /// The rider's jobs.
    pub jobs: Live,
}

impl Screens {
    /// Opens all three.
    ///
    /// # Errors
    /// One of them did not begin.
    pub async fn open(party: &Party) -> Result<Self, Broken> {
        let host = party.customer.host();
        let mut screens = Self {
            orders: Live::new(host, "/orders/events?as=customer", &party.customer.login),
            tickets: Live::new(host, "/foodCookings/events", &party.owner.login),
            jobs: Live::new(host, "/deliveries/events", &party.rider.login),
        };
        screens.orders.open().await?;
        screens.tickets.open().await?;
        screens.jobs.open().await?;
        Ok(screens)
    }

    /// Goes on under new logins.
    pub fn log_in(&mut self, party: &Party) {
        self.orders.log_in(&party.customer.login);
        self.tickets.log_in(&party.owner.login);
        self.jobs.log_in(&party.rider.login);
    }
}

/// Waits until a screen shows what is wanted, and takes a stream that ended up again.
async fn wait(screen: &mut Live, times: &mut Times, mut wanted: impl FnMut(&Seen) -> bool) -> Result<Seen, Trouble> {
    let mut broken = 0;
    let seen = async {
        loop {
            match screen.next().await {
                Ok(seen) if wanted(&seen) => return Ok(seen),
                Ok(_) => {}
                Err(why) if broken == REOPEN => return Err(Trouble::Broken(why)),
                Err(_) => {
                    broken += 1;
                    screen.open().await?;
                }
            }
        }
    };
    let seen = timeout(STEP_DEADLINE, seen).await.map_err(|_| Trouble::Refused(0, "a step was not seen in time".into()))??;
    times.screen.add(seen.took);
    Ok(seen)
}

/// The body of an order for so many dishes.
pub fn order_body(party: &Party, quantity: u32, means: &str) -> Bytes {
    let order = json!({
        "store": party.store,
        "items": [{ "item": DISH, "quantity": quantity }],
        "contact": contact(party.at),
        "means": means,
    });
    order.to_string().into()
}

/// Lives one life. `body` is what [`order_body`] made, and `key` names this order.
///
/// # Errors
/// Any answer that is not a success, or a step that is not seen in time.
pub async fn live(party: &mut Party, screens: &mut Screens, body: &Bytes, key: &str, times: &mut Times) -> Result<(), Trouble> {
    let began = Instant::now();
    let answer = party.customer.ask(Method::POST, "/orders".into(), Some(key), body.clone()).await?;
    times.place.add(began.elapsed());
    let answer = good(answer)?;
    let order = answer.made().and_then(OrderId::parse).ok_or_else(|| Trouble::Refused(answer.status, "no Location".into()))?;
    // The whole answer is not read: the first status in it is the order's.
    times.unpaid += u64::from(!first_status(&answer.body).starts_with(b"placed"));

    wait(&mut screens.tickets, times, |seen| seen.order == order && seen.event == "opened").await?;
    for (verb, body) in [("accept", &br#"{"cook_minutes":10}"#[..]), ("start", b""), ("finish", b"")] {
        let asked = Instant::now();
        party.owner.put(format!("/foodCookings/{order}/{verb}"), Bytes::from_static(body)).await?;
        let samples = match verb {
            "accept" => &mut times.accept,
            "start" => &mut times.start,
            _ => &mut times.finish,
        };
        samples.add(asked.elapsed());
    }

    ready(&mut screens.jobs, order, times).await?;
    for (verb, last) in [("pick", false), ("deliver", true)] {
        let asked = Instant::now();
        party.rider.put(format!("/deliveries/{order}/{verb}"), Bytes::new()).await?;
        if last { &mut times.deliver } else { &mut times.pick }.add(asked.elapsed());
    }

    wait(&mut screens.orders, times, |seen| seen.order == order && seen.event == "delivered").await?;
    let asked = Instant::now();
    party.customer.put(format!("/orders/{order}/confirm"), Bytes::new()).await?;
    times.confirm.add(asked.elapsed());
    wait(&mut screens.orders, times, |seen| seen.order == order && seen.event == "completed").await?;
    times.life.add(began.elapsed());
    Ok(())
}

/// Waits until the food can be picked: the job is on the list, and cooked. Whichever comes first, the second change of a
/// delivery is the other of the two.
async fn ready(jobs: &mut Live, order: OrderId, times: &mut Times) -> Result<(), Trouble> {
    wait(jobs, times, |seen| seen.order == order && seen.version == 2 && matches!(seen.event.as_str(), "offered" | "ready")).await?;
    Ok(())
}

fn first_status(body: &[u8]) -> &[u8] {
    const NAME: &[u8] = br#""status":""#;
    body.windows(NAME.len()).position(|part| part == NAME).map_or(b"", |at| &body[at + NAME.len()..])
}

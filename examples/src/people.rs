//! Those who use the system: persons with an account and a login, and the three of them that an order takes.

use crate::http::{Answer, Ask, Broken, Client, Host};
use hyper::{Method, body::Bytes, header::HeaderValue};
use serde_json::json;
use shared::{AccountId, Millis, Point, Role, StoreId, api::Tokens};
use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A login that ends sooner than this is renewed before the next order begins.
const RENEW_BEFORE_MS: Millis = 60_000;
/// Orders that one kitchen takes at once; a client has one, so a number that is never reached.
const CAPACITY: u32 = 1_000;
/// The dish on every menu, its price, and what bringing it costs.
pub const DISH: &str = "후라이드";
/// In won.
pub const PRICE: i64 = 18_000;
/// In won.
pub const DELIVERY_FEE: i64 = 3_000;
/// Everybody's password: these are no people.
const PASSWORD: &str = "correct horse battery";

/// When customers see what an owner has done, at the latest; and how often they look.
const SEEN_BY: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(10);

/// Something did not go as asked.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// No answer.
    Broken(Broken),
    /// Another answer than wanted: its status, and the first part of its body.
    Refused(u16, String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Broken(broken) => write!(f, "no answer: {broken}"),
            Trouble::Refused(status, body) => write!(f, "{status}: {body}"),
        }
    }
}

impl From<Broken> for Trouble {
    fn from(broken: Broken) -> Self {
        Trouble::Broken(broken)
    }
}

/// Only a success is good.
///
/// # Errors
/// Any other status.
pub fn good(answer: Answer) -> Result<Answer, Trouble> {
    /// Enough of a problem to see its code.
    const SHOWN: usize = 200;
    if answer.is_good() {
        return Ok(answer);
    }
    let body = String::from_utf8_lossy(&answer.body).chars().take(SHOWN).collect();
    Err(Trouble::Refused(answer.status, body))
}

/// A person with an account, logged in.
pub struct Person {
    client: Client,
    /// Which account.
    pub account: AccountId,
    /// The `Authorization` header.
    pub login: HeaderValue,
    refresh: String,
    expires_ms: Millis,
}

impl Person {
    /// Joins and logs in.
    ///
    /// # Errors
    /// A name that is taken, or a server that does not answer.
    pub async fn join(host: &Host, name: &str, role: Role) -> Result<Self, Trouble> {
        let mut client = Client::new(host);
        good(post(&mut client, "/accounts", &json!({ "name": name, "password": PASSWORD, "roles": [role] })).await?)?;
        let tokens = tokens(&good(post(&mut client, "/tokens", &json!({ "name": name, "password": PASSWORD })).await?)?)?;
        let login = bearer(&tokens)?;
        Ok(Self { client, account: tokens.account, login, refresh: tokens.refresh, expires_ms: tokens.expires_ms })
    }

    /// Renews the login when it is about to end. True when it was renewed.
    ///
    /// # Errors
    /// The server does not answer, or does not know the login any more.
    pub async fn renew(&mut self) -> Result<bool, Trouble> {
        if self.expires_ms - now_ms() > RENEW_BEFORE_MS {
            return Ok(false);
        }
        let tokens = tokens(&good(post(&mut self.client, "/tokens", &json!({ "refresh": self.refresh })).await?)?)?;
        self.login = bearer(&tokens)?;
        (self.refresh, self.expires_ms) = (tokens.refresh, tokens.expires_ms);
        Ok(true)
    }

    /// Asks once, as this person.
    ///
    /// # Errors
    /// No answer came.
    pub async fn ask(&mut self, method: Method, path: String, key: Option<&str>, body: Bytes) -> Result<Answer, Broken> {
        self.client.ask(Ask { method, path, login: Some(&self.login), key, body }).await
    }

    /// Where this person connects.
    pub fn host(&self) -> &Host {
        self.client.host()
    }

    /// `PUT` without a body, or with one.
    ///
    /// # Errors
    /// No answer, or not a success.
    pub async fn put(&mut self, path: String, body: impl Into<Bytes>) -> Result<Answer, Trouble> {
        good(self.ask(Method::PUT, path, None, body.into()).await?)
    }
}

fn now_ms() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

async fn post(client: &mut Client, path: &str, body: &serde_json::Value) -> Result<Answer, Broken> {
    client.ask(Ask { method: Method::POST, path: path.into(), login: None, key: None, body: body.to_string().into() }).await
}

fn tokens(answer: &Answer) -> Result<Tokens, Trouble> {
    serde_json::from_slice(&answer.body).map_err(|e| Trouble::Refused(answer.status, e.to_string()))
}

fn bearer(tokens: &Tokens) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", tokens.access)).map_err(|e| Trouble::Refused(0, e.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A customer, a store with its owner, and a rider on shift: all that an order takes.
pub struct Party {
    /// Orders.
    pub customer: Person,
    /// Cooks.
    pub owner: Person,
    /// Carries.
    pub rider: Person,
    /// The owner's store, open.
    pub store: StoreId,
    /// Where they all are.
    pub at: Point,
}

impl Party {
    /// Brings three people together at a place, and opens a store there.
    ///
    /// # Errors
    /// The server does not answer, or refuses any of it.
    pub async fn gather(host: &Host, name: &str, at: Point) -> Result<Self, Trouble> {
        let mut customer = Person::join(host, &format!("{name}-c"), Role::Customer).await?;
        let mut owner = Person::join(host, &format!("{name}-o"), Role::Owner).await?;
        let mut rider = Person::join(host, &format!("{name}-r"), Role::Rider).await?;
        let person = json!({ "name": name, "contact": contact(at) }).to_string();
        good(customer.ask(Method::POST, "/customers".into(), Some("me"), person.into()).await?)?;
        let store = json!({ "name": name, "address": "강남대로 1", "at": at }).to_string();
        let made = good(owner.ask(Method::POST, "/stores".into(), Some("mine"), store.into()).await?)?;
        let store = made.made().and_then(StoreId::parse).ok_or_else(|| Trouble::Refused(made.status, "no Location".into()))?;
        let dish = json!({ "dish": { "name": DISH, "price": PRICE } });
        let terms = json!({ "minimum": 0, "delivery_fee": DELIVERY_FEE });
        for (verb, body) in
            [("set_dish", dish), ("set_terms", terms), ("set_capacity", json!({ "capacity": CAPACITY })), ("open", json!({}))]
        {
            owner.put(format!("/stores/{store}/{verb}"), body.to_string()).await?;
        }
        good(rider.ask(Method::POST, "/riders".into(), Some("me"), json!({ "name": name }).to_string().into()).await?)?;
        let id = shared::RiderId(rider.account.0);
        rider.put(format!("/riders/{id}/start"), json!({ "at": at }).to_string()).await?;
        opened(&mut customer, store).await?;
        Ok(Self { customer, owner, rider, store, at })
    }

    /// Renews all three logins when they are about to end. True when any was.
    ///
    /// # Errors
    /// See [`Person::renew`].
    pub async fn renew(&mut self) -> Result<bool, Trouble> {
        Ok(self.customer.renew().await? | self.owner.renew().await? | self.rider.renew().await?)
    }
}

/// Waits until customers see the store open: their copy of it hears of the owner's a moment later.
async fn opened(customer: &mut Person, store: StoreId) -> Result<(), Trouble> {
    let began = Instant::now();
    while began.elapsed() < SEEN_BY {
        let answer = customer.ask(Method::GET, format!("/storefronts/{store}"), None, Bytes::new()).await?;
        let shown: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if shown["open_now"] == true {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Trouble::Refused(0, "customers do not see the open store".into()))
}

/// Where food goes. Neighbours have phones of their own: a company that sends texts tells people apart by nothing else.
pub fn contact(at: Point) -> serde_json::Value {
    let tenths = |degrees: f64| (degrees * 10.0).round().abs() as u64;
    let last = (tenths(at.lng) * 31 + tenths(at.lat)) % 1_000;
    json!({ "phone": format!("010-1234-5{last:03}"), "address": "테헤란로 152, 301호", "at": at })
}

//! The routes that make something: `POST` on a collection, safe to repeat under an `Idempotency-Key`.
//!
//! The key is recorded in the transaction that makes the thing, by the one writer of its context: of two requests under
//! one key exactly one has an effect, however the first try ended, and the other is answered with what the first made.

use super::{
    App,
    caller::Caller,
    hal, pay,
    problem::Trouble,
    resources::{identity_trouble, storefront, tokened},
    verbs::json,
};
use crate::{engine::Order, journal::Answer};
use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    http::{StatusCode, header},
    response::Response,
};
use domain::{geo, watch::Topic};
use shared::{
    Command, Contact, CustomerId, Kind, Millis, OrderId, Refusal, RiderId, Role, StoreId,
    api::{NewCustomer, NewOrder, NewReview, NewRider, NewStore},
    customer,
    id::Bits,
    order,
    problem::Code,
    review, rider, store,
};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// Where the time in ids begins: 2020-01-01T00:00:00Z. 41 bits of milliseconds last until 2089.
const EPOCH_MS: Millis = 1_577_836_800_000;

/// Requests that are being worked on, by the hash of caller and key.
#[derive(Default)]
pub struct InFlight(Mutex<HashSet<[u8; 16]>>);

/// One request that is being worked on, until it is dropped.
struct Flight<'a>(&'a InFlight, [u8; 16]);

impl InFlight {
    fn enter(&self, key: [u8; 16]) -> Option<Flight<'_>> {
        let fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        // Only on success: a flight that is made is one that ends, and would take the first one's mark with it.
        fresh.then(|| Flight(self, key))
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// A request under a key: what it is called, and what it said.
struct Named {
    key: [u8; 16],
    fingerprint: [u8; 16],
    bits: Bits,
}

fn named(caller: &Caller, kind: Kind, body: &[u8]) -> Result<Named, Trouble> {
    let account = caller.account()?;
    let random = random();
    // Without a key every request is a new one.
    let key = caller.idempotency_key.clone().unwrap_or_else(|| random.iter().map(|b| format!("{b:02x}")).collect());
    let half = |text: &[u8]| -> [u8; 16] {
        let hash = digest(&SHA256, text);
        std::array::from_fn(|i| hash.as_ref()[i])
    };
    let name = format!("{account}\n{}\n{key}", kind.route());
    Ok(Named { key: half(name.as_bytes()), fingerprint: half(body), bits: fresh(caller.at_ms, random) })
}

/// The record of a verb that was sent under a key, so that a repeat of it finds that it has been: most verbs are harmless
/// to repeat, but a change that was declined meanwhile would be asked for again. `None` without a key.
///
/// # Errors
/// Nobody is logged in.
pub fn record(caller: &Caller, kind: Kind, id: &str, verb: &str, body: &[u8]) -> Result<Option<Answer>, Trouble> {
    if caller.idempotency_key.is_none() {
        return Ok(None);
    }
    let whole = [id.as_bytes(), b"\n", verb.as_bytes(), b"\n", body].concat();
    let Named { key, fingerprint, .. } = named(caller, kind, &whole)?;
    Ok(Some(Answer { key, fingerprint, stream: id.into(), body: None, at_ms: caller.at_ms }))
}

/// When an id was made.
pub fn made_ms(id: Bits) -> Millis {
    let whole = id.0.iter().fold(0u128, |whole, byte| whole << 8 | u128::from(*byte));
    (whole >> 39) as Millis + EPOCH_MS
}

/// A new id: 41 bits of time, then 39 of chance. Rows of the same evening stand together on the disk, which halves the
/// pages that a commit must write; and nobody guesses 39 bits at a known millisecond.
fn fresh(at_ms: Millis, random: [u8; 16]) -> Bits {
    let time = (at_ms - EPOCH_MS).max(0) as u128 & ((1 << 41) - 1);
    let chance = u128::from_be_bytes(random) & ((1 << 39) - 1);
    let mut bits = [0u8; 10];
    bits.copy_from_slice(&(time << 39 | chance).to_be_bytes()[6..]);
    Bits(bits)
}

fn random() -> [u8; 16] {
    let mut bytes = [0u8; 16];
    // Without randomness nothing here is safe; the system has always had some.
    aws_lc_rs::rand::fill(&mut bytes).unwrap_or_else(|_| unreachable!("the system gives no randomness"));
    bytes
}

/// `POST /{resource}`
///
/// # Errors
/// Not logged in, not in a role for it, a body that cannot be read, a key that was used otherwise, or the rule's no.
pub async fn post(app: &App, caller: &Caller, kind: Kind, body: &[u8]) -> Result<Response, Trouble> {
    let role = match kind {
        Kind::Order | Kind::Customer | Kind::Review => Role::Customer,
        Kind::Store => Role::Owner,
        Kind::Rider => Role::Rider,
        _ => return Err(Code::MethodNotAllowed.into()),
    };
    caller.one_of(&[role])?;
    caller.catch_up(app, kind).await;
    app.engine.fresh(kind.context()).await;
    let named = named(caller, kind, body)?;
    let _flight = app.in_flight.enter(named.key).ok_or(Trouble::Later(Code::InFlight, 1))?;
    if let Some(before) = app.engine.answer(kind.context(), named.key)? {
        return again(app, caller, kind, &named, before);
    }
    let order = prepare(app, caller, kind, &named, body)?;
    let stream = order.stream.clone();
    let record = Answer { key: named.key, fingerprint: named.fingerprint, stream: stream.clone(), body: None, at_ms: caller.at_ms };
    let changes =
        (kind == Kind::Order).then(|| OrderId::parse(&stream)).flatten().map(|id| app.engine.watch(&[Topic::One(Kind::Order, id)]));
    let done = app.engine.dispatch(order, Some(record.clone())).await?;
    let (row, kept) = match changes {
        Some(changes) => pay::settled(app, caller, &stream, done.stored.row, changes).await?,
        None => (done.stored.row, None),
    };
    let mut shown = hal::visible(app, caller, kind, &stream, &row)?;
    if kept.is_some() {
        shown.insert_str(1, r#""kept":true,"#);
    }
    // An answer is kept for a day as it was sent. One with a contact in it is not: a repeat is answered from the row, where
    // the contact is sealed.
    if !hal::shows_contact(kind) {
        app.engine.complete(kind.context(), Answer { body: Some(shown.clone().into_bytes()), ..record });
    }
    let mut response = created(caller, kind, &stream, shown);
    if let Some(kept) = kept {
        response.headers_mut().insert(header::RETRY_AFTER, kept.retry_after());
    }
    Ok(tokened(app, kind, response))
}

fn created(caller: &Caller, kind: Kind, key: &str, body: impl Into<axum::body::Body>) -> Response {
    let mut response = hal::answer(caller, StatusCode::CREATED, body);
    if let Ok(location) = format!("{}/{}/{key}", caller.base, kind.route()).parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The same request once more: the same answer, or, when the first one was never given, what is there now.
fn again(app: &App, caller: &Caller, kind: Kind, named: &Named, before: Answer) -> Result<Response, Trouble> {
    if before.fingerprint != named.fingerprint {
        return Err(Code::KeyReused.into());
    }
    let body = match before.body {
        Some(body) => body,
        None => {
            let stored = app.engine.read(kind, &before.stream)?.ok_or(Refusal::NotFound {})?;
            hal::visible(app, caller, kind, &before.stream, &stored.row)?.into_bytes()
        }
    };
    Ok(tokened(app, kind, created(caller, kind, &before.stream, body)))
}

fn prepare(app: &App, caller: &Caller, kind: Kind, named: &Named, body: &[u8]) -> Result<Order, Trouble> {
    let account = caller.account()?;
    let (stream, command): (String, Command) = match kind {
        Kind::Order => return place(app, caller, OrderId(named.bits), &json(body)?),
        Kind::Customer => {
            let NewCustomer { name, contact, lang } = json(body)?;
            let (customer, contact) = (CustomerId(account.0), seal(app, caller, &contact)?);
            (customer.to_string(), customer::Command::Register { customer, name, contact, lang }.into())
        }
        Kind::Store => {
            let NewStore { name, address, at } = json(body)?;
            let store = StoreId(named.bits);
            (store.to_string(), store::Command::Register { store, owner: account, name, address, at }.into())
        }
        Kind::Rider => {
            let NewRider { name } = json(body)?;
            let rider = RiderId(account.0);
            (rider.to_string(), rider::Command::Register { rider, name }.into())
        }
        Kind::Review => {
            let NewReview { order, stars, text } = json(body)?;
            let key = order.to_string();
            // Somebody else's order, and one that does not exist, look the same.
            if let Some(known) = app.engine.read(Kind::Review, &key)? {
                known.row.show(&caller.actor).ok_or(Refusal::NotFound {})?;
            } else if app.engine.read(Kind::MyPage, &key)?.and_then(|page| page.row.show(&caller.actor)).is_none() {
                return Err(Refusal::NotFound {}.into());
            }
            (key, review::Command::Write { stars, text }.into())
        }
        _ => return Err(Code::MethodNotAllowed.into()),
    };
    Ok(Order { stream: stream.into(), command, stamp: caller.stamp(), cause: None })
}

fn seal(app: &App, caller: &Caller, contact: &Contact) -> Result<shared::Sealed, Trouble> {
    app.identity.seal(caller.account()?, contact).map_err(identity_trouble)
}

/// An order, priced from the store's own menu.
fn place(app: &App, caller: &Caller, order: OrderId, wanted: &NewOrder) -> Result<Order, Trouble> {
    let store = storefront(app, wanted.store)?;
    let basket = domain::order::pricing::order(&store, &wanted.items, caller.at_ms)?;
    let about = order::About {
        order,
        customer: CustomerId(caller.account()?.0),
        store: store.store,
        owner: store.owner,
        store_name: store.name.clone(),
        cell: geo::cell(store.at),
    };
    let drop = order::Drop {
        contact: seal(app, caller, &wanted.contact)?,
        area: geo::roughly(wanted.contact.at),
        store_at: store.at,
        note: wanted.rider_note.clone(),
        fee: store.delivery_fee,
    };
    let command = order::Command::Place { about, basket, drop, note: wanted.cook_note.clone(), means: wanted.means, thanks: store.thanks };
    Ok(Order { stream: order.to_string().into(), command: command.into(), stamp: caller.stamp(), cause: None })
}

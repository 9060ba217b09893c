//! The routes that every kind has: one, a list, and a verb.

use super::{
    App,
    caller::{CONSISTENCY, Caller, position},
    create::record,
    hal::{self, Page},
    pay,
    problem::Trouble,
    verbs,
};
use crate::{
    engine::Order,
    journal::{Slice, Stored},
};
use axum::{http::StatusCode, response::Response};
use domain::{Row, Shown, geo};
use shared::{
    AccountId, Command, Kind, OrderId, Point, Refusal, RiderId, Role, Sender, StoreId,
    api::{NewContact, NewItems},
    customer,
    id::LETTERS,
    order,
    problem::Code,
};
use std::collections::HashMap;

/// A list's parameters.
pub type Query = HashMap<String, String>;

/// Rows of one cell of the map, or of all stores, that are looked at. A cell with more is full anyway.
const MAX_CANDIDATES: u64 = 500;
/// Stores farther than this do not deliver.
const MAX_KM: f64 = 30.0;

/// Who may read rows of a kind at all; whose they are is the rules' business.
pub fn readers(kind: Kind) -> &'static [Role] {
    use Role::{Customer, Operator, Owner, Rider};
    match kind {
        Kind::Order => &[Customer, Owner, Rider, Operator],
        Kind::Payment => &[Customer, Operator],
        Kind::Store | Kind::Ticket => &[Owner],
        Kind::Rider | Kind::Delivery | Kind::DeliveryInfo => &[Rider],
        Kind::Customer | Kind::MyPage => &[Customer],
        Kind::LedgerEntry => &[Operator],
        Kind::Notice | Kind::Review | Kind::Storefront | Kind::ShopPage => &[Customer, Owner, Rider, Operator],
        Kind::Preference => &[],
    }
}

/// True when this could be the name of such a row.
fn is_key(kind: Kind, id: &str) -> bool {
    match kind {
        Kind::Order | Kind::Payment | Kind::Ticket | Kind::Delivery | Kind::Review | Kind::MyPage | Kind::DeliveryInfo => {
            OrderId::parse(id).is_some()
        }
        Kind::Store | Kind::Storefront | Kind::ShopPage => StoreId::parse(id).is_some(),
        Kind::Rider => RiderId::parse(id).is_some(),
        Kind::Customer => shared::CustomerId::parse(id).is_some(),
        // An order's id, and what tells its rows apart.
        Kind::LedgerEntry | Kind::Notice => {
            let start = OrderId::PREFIX.len() + LETTERS;
            id.len() <= 200 && id.get(..start).and_then(OrderId::parse).is_some() && id.bytes().all(|b| b.is_ascii_graphic())
        }
        Kind::Preference => false,
    }
}

fn admit(caller: &Caller, kind: Kind) -> Result<(), Trouble> {
    if !hal::is_public(kind) {
        caller.one_of(readers(kind))?;
    }
    Ok(())
}

/// `GET /{resource}/{id}`
///
/// # Errors
/// Not logged in, not in a role for it, or not theirs.
pub async fn get(app: &App, caller: &Caller, kind: Kind, id: &str) -> Result<Response, Trouble> {
    admit(caller, kind)?;
    if !is_key(kind, id) {
        return Err(Refusal::NotFound {}.into());
    }
    caller.catch_up(app, kind).await;
    let stored = match app.engine.read(kind, id)? {
        Some(stored) => stored,
        // Perhaps another replica has made it a moment ago.
        None => {
            app.engine.fresh(kind.context()).await;
            app.engine.read(kind, id)?.ok_or(Refusal::NotFound {})?
        }
    };
    let body = hal::visible(app, caller, kind, id, &stored.row)?;
    Ok(hal::answer(caller, StatusCode::OK, with_rating(&stored.row, body)))
}

/// The average is arithmetic on what is kept, for those who do not want to do it.
fn with_rating(row: &Row, mut body: String) -> String {
    if let Row::ShopPage(page) = row {
        let rating = page.rating().map_or_else(|| "null".into(), |rating| format!("{rating:.1}"));
        body.insert_str(1, &format!(r#""rating":{rating},"#));
    }
    body
}

/// `PUT /{resource}/{id}/{verb}`
///
/// # Errors
/// Not logged in, not in a role for it, not theirs, a body that cannot be read, or the rule's no.
pub async fn put(app: &App, caller: &Caller, kind: Kind, id: &str, verb: &str, body: &[u8]) -> Result<Response, Trouble> {
    let Some(sample) = app.verbs.sample(kind, verb) else { return Err(Code::NotFound.into()) };
    let Sender::Person(role) = sample.sender() else { return Err(Code::NotFound.into()) };
    caller.one_of(&[role])?;
    if !is_key(kind, id) {
        return Err(Refusal::NotFound {}.into());
    }
    caller.catch_up(app, kind).await;
    app.engine.fresh(kind.context()).await;
    let stored = app.engine.read(kind, id)?.ok_or(Refusal::NotFound {})?;
    // Whether it is theirs comes before whether the body can be read: a stranger learns nothing.
    stored.row.show(&caller.actor).ok_or(Refusal::NotFound {})?;
    let record = record(caller, kind, id, verb, body)?;
    if let Some(record) = &record
        && let Some(before) = app.engine.answer(kind.context(), record.key)?
    {
        if before.fingerprint != record.fingerprint {
            return Err(Code::KeyReused.into());
        }
        // It was done then; what came of it is what is there now.
        let body = hal::visible(app, caller, kind, id, &stored.row)?;
        return Ok(tokened(app, kind, hal::answer(caller, StatusCode::OK, body)));
    }
    let command = prepare(app, caller, kind, &stored, verb, body)?;
    let order = Order { stream: id.into(), command, stamp: caller.stamp(), cause: None };
    let done = app.engine.dispatch(order, record).await?;
    if kind == Kind::Payment {
        return pay::now(app, caller, id, done.stored.row).await;
    }
    let body = hal::visible(app, caller, kind, id, &done.stored.row)?;
    Ok(tokened(app, kind, hal::answer(caller, StatusCode::OK, body)))
}

/// Adds the position that this answer's effects have, for the caller's next read.
pub fn tokened(app: &App, kind: Kind, mut response: Response) -> Response {
    if let Ok(value) = position(app, kind.context()).parse() {
        response.headers_mut().insert(CONSISTENCY, value);
    }
    response
}

/// A command from a verb and a body. Two of them are completed by the edge: prices are the server's, and contacts are
/// sealed before anything else sees them.
fn prepare(app: &App, caller: &Caller, kind: Kind, stored: &Stored, verb: &str, body: &[u8]) -> Result<Command, Trouble> {
    match (kind, verb) {
        (Kind::Order, "change") => {
            let wanted: NewItems = verbs::json(body)?;
            let Some(Shown::Order(shown)) = stored.row.show(&caller.actor) else { return Err(Refusal::NotFound {}.into()) };
            let store = storefront(app, shown.store)?;
            let basket = domain::order::pricing::price(&store, &wanted.items)?;
            Ok(order::Command::Change { basket }.into())
        }
        (Kind::Customer, "set_contact") => {
            let wanted: NewContact = verbs::json(body)?;
            let contact = app.identity.seal(caller.account()?, &wanted.contact).map_err(identity_trouble)?;
            Ok(customer::Command::SetContact { contact }.into())
        }
        _ => verbs::command(kind, verb, body),
    }
}

/// The store as the order context knows it.
///
/// # Errors
/// No such store.
pub fn storefront(app: &App, store: StoreId) -> Result<shared::store::Profile, Trouble> {
    match app.engine.read(Kind::Storefront, &store.to_string())?.as_ref().map(|stored| &*stored.row) {
        Some(Row::Storefront(profile)) => Ok(profile.clone()),
        _ => Err(Refusal::NotFound {}.into()),
    }
}

/// What identity could not do.
pub fn identity_trouble(error: crate::identity::IdentityError) -> Trouble {
    let code = error.code();
    match code {
        Code::TooManyRequests => Trouble::Later(code, error.retry_after_s().unwrap_or(1)),
        Code::Unavailable => Trouble::Fault(error.to_string()),
        _ => Trouble::Edge(code, error.detail()),
    }
}

/// `GET /{resource}`
///
/// # Errors
/// Not logged in, not in a role for it, or a parameter that cannot be read.
pub async fn list(app: &App, caller: &Caller, kind: Kind, query: &Query) -> Result<Response, Trouble> {
    admit(caller, kind)?;
    caller.catch_up(app, kind).await;
    let page = Page::read(query.get("page").map(String::as_str), query.get("size").map(String::as_str));
    let (items, total, asked) = match kind {
        Kind::Storefront => nearby(app, caller, kind, query, page)?,
        Kind::DeliveryInfo => jobs(app, caller, page)?,
        _ => {
            let (tag, asked, newest_first) = tag(caller, kind, query)?;
            let (rows, total) = app.engine.list(kind, &tag, Slice { offset: page.offset(), limit: page.size, newest_first })?;
            let shown = |(key, stored): &(std::sync::Arc<str>, Stored)| {
                Some(with_rating(&stored.row, hal::resource(app, caller, kind, key, &stored.row)?))
            };
            let items = rows.iter().filter_map(shown);
            (items.collect(), total, asked)
        }
    };
    Ok(hal::answer(caller, StatusCode::OK, hal::collection(caller, kind, &asked, &items, page, total)))
}

/// Which list is meant, how the query says so, and whether it begins with the newest.
fn tag(caller: &Caller, kind: Kind, query: &Query) -> Result<(String, String, bool), Trouble> {
    let as_role = |role: &str, account: AccountId| (format!("{role}:{account}"), String::new(), true);
    let account = || caller.account();
    Ok(match kind {
        Kind::Order => {
            let role = side(caller, query)?;
            (format!("{}:{}", role.0, account()?), format!("as={}", role.0), true)
        }
        Kind::Payment | Kind::Customer | Kind::MyPage => as_role("customer", account()?),
        Kind::Ticket if query.get("open").is_some_and(|open| open == "true") => (format!("open:{}", account()?), "open=true".into(), false),
        Kind::Store | Kind::Ticket => as_role("owner", account()?),
        Kind::Rider | Kind::Delivery => as_role("rider", account()?),
        Kind::Notice => as_role("inbox", account()?),
        Kind::LedgerEntry => ("all".into(), String::new(), false),
        Kind::Review | Kind::ShopPage => match query.get("store") {
            Some(store) => {
                let store = StoreId::parse(store).ok_or_else(|| parameter("store: an id of a store is wanted"))?;
                (format!("store:{store}"), format!("store={store}"), true)
            }
            None if kind == Kind::ShopPage => as_role("owner", account()?),
            None => as_role("customer", account()?),
        },
        Kind::Storefront | Kind::DeliveryInfo | Kind::Preference => return Err(Code::NotFound.into()),
    })
}

/// As whom an account with several roles looks at orders.
///
/// # Errors
/// A role that the caller does not have.
pub fn side(caller: &Caller, query: &Query) -> Result<(&'static str, Role), Trouble> {
    let asked = match query.get("as").map(String::as_str) {
        Some("customer") => ("customer", Role::Customer),
        Some("owner") => ("owner", Role::Owner),
        Some(_) => return Err(parameter("as: customer or owner is wanted")),
        None if caller.actor.is(Role::Customer) => ("customer", Role::Customer),
        None => ("owner", Role::Owner),
    };
    caller.one_of(&[asked.1])?;
    Ok(asked)
}

fn parameter(detail: &str) -> Trouble {
    Trouble::Edge(Code::InvalidParameter, Some(detail.to_owned()))
}

fn number(query: &Query, name: &str) -> Result<Option<f64>, Trouble> {
    match query.get(name) {
        None => Ok(None),
        Some(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(parameter(&format!("{name}: a number is wanted"))),
        },
    }
}

type Found = (Vec<String>, u64, String);

/// Stores, by place, name, and whether they are open; nearest first where a place is given, else by name.
fn nearby(app: &App, caller: &Caller, kind: Kind, query: &Query, page: Page) -> Result<Found, Trouble> {
    let here = match (number(query, "lat")?, number(query, "lng")?) {
        (Some(lat), Some(lng)) => Some(Point::new(lat, lng).ok_or_else(|| parameter("lat and lng: a point on the earth is wanted"))?),
        (None, None) => None,
        _ => return Err(parameter("lat and lng: both are wanted, or none")),
    };
    let km = number(query, "km")?.unwrap_or(geo::NEAR_KM).clamp(0.1, MAX_KM);
    let tags = here.map_or_else(|| vec!["all".to_owned()], |here| geo::cells_within(here, km).iter().map(ToString::to_string).collect());
    let wanted = query.get("name").map(|name| name.trim().to_lowercase()).unwrap_or_default();
    let only_open = query.get("open").is_some_and(|open| open == "true");
    let mut found = vec![];
    for tag in tags {
        for (_, stored) in app.engine.list(kind, &tag, Slice { offset: 0, limit: MAX_CANDIDATES, newest_first: false })?.0 {
            let Row::Storefront(profile) = &*stored.row else { continue };
            let distance = here.map(|here| geo::distance_km(here, profile.at));
            let fits = distance.is_none_or(|distance| distance <= km) && profile.name.to_lowercase().contains(&wanted);
            if fits && (!only_open || domain::clock::takes_orders(profile, caller.at_ms)) {
                found.push((distance, profile.clone()));
            }
        }
    }
    found.sort_by(|(a, x), (b, y)| {
        a.unwrap_or(0.0).total_cmp(&b.unwrap_or(0.0)).then_with(|| x.name.cmp(&y.name)).then(x.store.cmp(&y.store))
    });
    let total = found.len() as u64;
    let items = found.into_iter().skip(page.offset() as usize).take(page.size as usize).map(|(distance, profile)| {
        let (key, open_now) = (profile.store.to_string(), domain::clock::takes_orders(&profile, caller.at_ms));
        let distance_km = distance.map(rounded);
        hal::written(app, caller, kind, &key, Shown::Storefront(shared::api::StorefrontShown { profile, open_now, distance_km }))
    });
    // What was asked goes into the links, or the next page would be of another search.
    let place = here.map(|here| format!("lat={}&lng={}&km={km}", here.lat, here.lng));
    let name = (!wanted.is_empty()).then(|| format!("name={}", encoded(&wanted)));
    let open = only_open.then(|| "open=true".to_owned());
    let asked: Vec<String> = [place, name, open].into_iter().flatten().collect();
    Ok((items.collect(), total, asked.join("&")))
}

/// A value as a query holds it (RFC 3986, section 2.1).
fn encoded(value: &str) -> String {
    let one = |b: u8| if b.is_ascii_alphanumeric() || b"-._~".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    value.bytes().map(one).collect()
}

fn rounded(km: f64) -> f64 {
    (km * 10.0).round() / 10.0
}

/// Jobs that wait near a rider on shift, nearest first; those for which nobody came, from farther away.
fn jobs(app: &App, caller: &Caller, page: Page) -> Result<Found, Trouble> {
    let here = rider_position(app, caller)?;
    let near = geo::cells_within(here, geo::NEAR_KM).into_iter().map(|cell| (format!("near:{cell}"), geo::NEAR_KM));
    let wide = geo::cells_within(here, geo::WIDE_KM).into_iter().map(|cell| (format!("wide:{cell}"), geo::WIDE_KM));
    let mut found = HashMap::new();
    for (tag, km) in near.chain(wide) {
        for (_, stored) in app.engine.list(Kind::DeliveryInfo, &tag, Slice { offset: 0, limit: MAX_CANDIDATES, newest_first: false })?.0 {
            let Some(Shown::DeliveryInfo(mut job)) = stored.row.show(&caller.actor) else { continue };
            let distance = geo::distance_km(here, job.store_at);
            if distance <= km {
                job.distance_km = Some(rounded(distance));
                found.insert(job.order, (distance, job));
            }
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by(|(a, x), (b, y)| a.total_cmp(b).then(x.order.cmp(&y.order)));
    let total = found.len() as u64;
    let items = found.into_iter().skip(page.offset() as usize).take(page.size as usize).map(|(_, job)| {
        let key = job.order.to_string();
        hal::written(app, caller, Kind::DeliveryInfo, &key, Shown::DeliveryInfo(job))
    });
    Ok((items.collect(), total, String::new()))
}

/// Where a rider on shift is.
///
/// # Errors
/// Not on shift.
pub fn rider_position(app: &App, caller: &Caller) -> Result<Point, Trouble> {
    let rider = RiderId(caller.account()?.0);
    let stored = app.engine.read(Kind::Rider, &rider.to_string())?;
    match stored.and_then(|stored| stored.row.show(&caller.actor)) {
        Some(Shown::Rider(rider)) if rider.on_shift => rider.at.ok_or(Refusal::OffShift {}.into()),
        _ => Err(Refusal::OffShift {}.into()),
    }
}

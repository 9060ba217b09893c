//! HAL: a resource with the links that its reader may follow now, and collections of them in pages.

use super::{App, caller::Caller, pay, problem::Trouble};
use crate::engine::{Order, now_ms};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{Row, Shown, notification};
use shared::{Actor, Kind, Sender, Stamp, api::MaybeSealed, order};
use std::{fmt::Write, sync::Arc};

/// The media type (draft-kelly-json-hal).
pub const MEDIA_TYPE: &str = "application/hal+json";

/// A row as this caller may read it, in JSON with links; `None` when it is none of theirs.
pub fn resource(app: &App, caller: &Caller, kind: Kind, key: &str, row: &Row) -> Option<String> {
    let shown = row.show(&caller.actor)?;
    Some(written(app, caller, kind, key, opened(app, caller, row, shown)))
}

/// A row as the rules have shown it, in JSON with links.
pub fn written(app: &App, caller: &Caller, kind: Kind, key: &str, shown: Shown) -> String {
    let mut json = serde_json::to_string(&shown).unwrap_or_else(|_| "{}".into());
    // A resource is an object: its closing brace makes room for the links.
    json.pop();
    if json.len() > 1 {
        json.push(',');
    }
    let (base, route, name) = (&caller.base, kind.route(), kind.name());
    let _ = write!(json, r#""_links":{{"self":{{"href":"{base}/{route}/{key}"}},"{name}":{{"href":"{base}/{route}/{key}"}}"#);
    for verb in open_verbs(app, caller, kind, key) {
        let _ = write!(json, r#","{verb}":{{"href":"{base}/{route}/{key}/{verb}"}}"#);
    }
    // An order that is not paid leads to where it is.
    if matches!(&shown, Shown::Order(order) if order.status == order::Status::PendingPayment && caller.actor.is_customer(order.customer)) {
        let _ = write!(json, r#","pay":{{"href":"{base}/{}/{key}/pay"}}"#, Kind::Payment.route());
    }
    json.push_str("}}");
    json
}

/// What only the edge can fill in: contacts are unsealed for whom the rules let see them, notices are written in the
/// reader's language, and whether a store is open depends on the clock.
fn opened(app: &App, caller: &Caller, row: &Row, mut shown: Shown) -> Shown {
    let unseal = |contact: Option<MaybeSealed>| match contact {
        // One that cannot be unsealed now is left out: that was logged, and everything else can be told.
        Some(MaybeSealed::Sealed(sealed)) => app.identity.unseal(&sealed).ok().flatten().map(MaybeSealed::Open),
        open => open,
    };
    match (&mut shown, row) {
        (Shown::Delivery(delivery), _) => delivery.contact = unseal(delivery.contact.take()),
        (Shown::Customer(customer), _) => customer.contact = unseal(customer.contact.take()),
        (Shown::Notice(shown), Row::Notice(Some(known))) => shown.text = notification::text::say(&known.notice, caller.lang),
        (Shown::Storefront(store), _) => store.open_now = domain::clock::takes_orders(&store.profile, caller.at_ms),
        _ => {}
    }
    shown
}

/// Whether a contact is unsealed in rows of this kind, for whom it concerns.
pub fn shows_contact(kind: Kind) -> bool {
    matches!(kind, Kind::Delivery | Kind::Customer)
}

/// The verbs that this caller may send now: the decider is asked about each.
fn open_verbs(app: &App, caller: &Caller, kind: Kind, key: &str) -> Vec<String> {
    let mut open: Vec<String> = vec![];
    let stream: Arc<str> = key.into();
    for (name, command) in app.verbs.of(kind) {
        let mine = matches!(command.sender(), Sender::Person(role) if caller.actor.is(role));
        if !mine || open.contains(name) {
            continue;
        }
        let stamp = Stamp { by: caller.actor.clone(), at_ms: now_ms() };
        let order = Order { stream: stream.clone(), command: command.clone(), stamp, cause: None };
        if app.engine.may(&order) || kind == Kind::Payment && pay::is_due(app, &order) {
            open.push(name.clone());
        }
    }
    open
}

/// A page that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Counted from 0.
    pub number: u64,
    /// 1 to [`Page::MAX_SIZE`].
    pub size: u64,
}

impl Page {
    /// Spring Data REST's default.
    const DEFAULT_SIZE: u64 = 20;
    /// A page beyond a hundred rows is a download.
    pub const MAX_SIZE: u64 = 100;

    /// Reads `page` and `size` as Spring Data REST does: what cannot be read is the default, what is too much the limit.
    pub fn read(page: Option<&str>, size: Option<&str>) -> Self {
        // A thousand million rows are more than anybody turns over, and multiply without overflow.
        let number = page.and_then(|p| p.parse::<u64>().ok()).unwrap_or(0).min(10_000_000);
        let size = size.and_then(|s| s.parse::<u64>().ok()).filter(|s| *s > 0).unwrap_or(Self::DEFAULT_SIZE).min(Self::MAX_SIZE);
        Self { number, size }
    }

    /// Rows before this page.
    pub fn offset(self) -> u64 {
        self.number * self.size
    }
}

/// A page of resources. `query` is what the list was asked with, its page aside.
pub fn collection(caller: &Caller, kind: Kind, query: &str, items: &[String], page: Page, total: u64) -> String {
    let (base, route) = (&caller.base, kind.route());
    let pages = total.div_ceil(page.size);
    let glue = if query.is_empty() { "" } else { "&" };
    let link = |number: u64| format!(r#"{{"href":"{base}/{route}?{query}{glue}page={number}&size={}"}}"#, page.size);
    let here = if query.is_empty() { String::new() } else { format!("?{query}") };
    let mut links = format!(r#""self":{{"href":"{base}/{route}{here}"}},"profile":{{"href":"{base}/profile/{route}"}}"#);
    if pages > 1 {
        let _ = write!(links, r#","first":{},"last":{}"#, link(0), link(pages - 1));
        if page.number > 0 {
            let _ = write!(links, r#","prev":{}"#, link((page.number - 1).min(pages - 1)));
        }
        if page.number + 1 < pages {
            let _ = write!(links, r#","next":{}"#, link(page.number + 1));
        }
    }
    format!(
        r#"{{"_embedded":{{"{route}":[{}]}},"_links":{{{links}}},"page":{{"size":{},"totalElements":{total},"totalPages":{pages},"number":{}}}}}"#,
        items.join(","),
        page.size,
        page.number
    )
}

/// A body in the media type that the caller prefers.
pub fn answer(caller: &Caller, status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    let media = if caller.plain_json { "application/json" } else { MEDIA_TYPE };
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(media))], body.into()).into_response()
}

/// A row that is none of the caller's looks like one that is not there.
pub fn visible(app: &App, caller: &Caller, kind: Kind, key: &str, row: &Row) -> Result<String, Trouble> {
    resource(app, caller, kind, key, row).ok_or(Trouble::Rule(shared::Refusal::NotFound {}))
}

/// Everybody's eyes, for what is public.
pub fn is_public(kind: Kind) -> bool {
    matches!(kind, Kind::Storefront | Kind::Review | Kind::ShopPage)
}

/// True for a person with a role at all.
pub fn is_known(actor: &Actor) -> bool {
    matches!(actor, Actor::Person { roles, .. } if !roles.is_empty())
}

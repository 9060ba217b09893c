//! The table of all routes. Adding one here adds it to the router, to the OpenAPI document, and to the access matrix,
//! whose test fails until somebody has said who may use it.

use super::{
    ops::{self, Ops},
    verbs::Verbs,
};
use crate::service::Service;
use axum::http::Method;
use serde_json::{Value, json};
use shared::{Context, Kind, Sender};

/// What a route does.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// One row.
    Get(Kind),
    /// A page of rows.
    List(Kind),
    /// A command.
    Verb(Kind, String),
    /// A new one.
    Create(Kind),
    /// The changes of one order.
    Watch,
    /// The changes of all that are the caller's.
    WatchMany(Kind),
    /// A new account.
    Join,
    /// An account.
    Account,
    /// Tokens.
    Login,
    /// No more tokens.
    Logout,
    /// What operators look at and mend, of one context.
    Ops(Context, Ops),
    /// Where everything is.
    Root,
    /// Where the profiles are.
    Profiles,
    /// What a resource is made of.
    Profile(Kind),
    /// The OpenAPI document.
    OpenApi,
    /// The AsyncAPI document.
    AsyncApi,
    /// Does the process live?
    Live,
    /// Can it work?
    Ready,
}

/// A way in.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{id}` for the row's name.
    pub path: String,
    /// What it does.
    pub op: Op,
}

impl Op {
    /// The service that does it; `None` when every process can.
    pub fn service(&self) -> Option<Service> {
        match self {
            Op::Get(kind) | Op::List(kind) | Op::Verb(kind, _) | Op::Create(kind) | Op::WatchMany(kind) => {
                Some(Service::Context(kind.context()))
            }
            Op::Ops(context, _) => Some(Service::Context(*context)),
            Op::Watch => Some(Service::Context(Context::Order)),
            Op::Join | Op::Account | Op::Login | Op::Logout => Some(Service::Identity),
            Op::Root | Op::Profiles | Op::Profile(_) | Op::OpenApi | Op::AsyncApi | Op::Live | Op::Ready => None,
        }
    }
}

/// Kinds whose rows can be made by people.
const CREATED: [Kind; 5] = [Kind::Order, Kind::Store, Kind::Rider, Kind::Customer, Kind::Review];
/// Kinds whose changes can be watched.
const WATCHED: [Kind; 3] = [Kind::Order, Kind::Ticket, Kind::Delivery];

/// Kinds that have routes at all.
pub fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Preference)
}

/// Every route.
pub fn all() -> Vec<Route> {
    let mut routes = vec![];
    let mut add = |method: Method, path: String, op: Op| routes.push(Route { method, path, op });
    let verbs = Verbs::new();
    for kind in kinds() {
        let route = kind.route();
        add(Method::GET, format!("/{route}"), Op::List(kind));
        add(Method::GET, format!("/{route}/{{id}}"), Op::Get(kind));
        add(Method::GET, format!("/profile/{route}"), Op::Profile(kind));
        let mut seen: Vec<&str> = vec![];
        for (verb, command) in verbs.of(kind) {
            if matches!(command.sender(), Sender::Person(_)) && !seen.contains(&verb.as_str()) {
                seen.push(verb);
                add(Method::PUT, format!("/{route}/{{id}}/{verb}"), Op::Verb(kind, verb.clone()));
            }
        }
    }
    for kind in CREATED {
        add(Method::POST, format!("/{}", kind.route()), Op::Create(kind));
    }
    for kind in WATCHED {
        add(Method::GET, format!("/{}/events", kind.route()), Op::WatchMany(kind));
    }
    add(Method::GET, "/orders/{id}/events".into(), Op::Watch);
    add(Method::POST, "/accounts".into(), Op::Join);
    add(Method::GET, "/accounts/{id}".into(), Op::Account);
    add(Method::POST, "/tokens".into(), Op::Login);
    add(Method::DELETE, "/tokens".into(), Op::Logout);
    for (method, path, op) in ops::routes() {
        add(method, path, op);
    }
    add(Method::GET, "/".into(), Op::Root);
    add(Method::GET, "/profile".into(), Op::Profiles);
    add(Method::GET, "/openapi.json".into(), Op::OpenApi);
    add(Method::GET, "/asyncapi.json".into(), Op::AsyncApi);
    add(Method::GET, "/health/live".into(), Op::Live);
    add(Method::GET, "/health/ready".into(), Op::Ready);
    routes
}

/// `GET /`: where everything is.
pub fn root(base: &str) -> String {
    let mut links = json!({ "self": { "href": format!("{base}/") }, "profile": { "href": format!("{base}/profile") } });
    for kind in kinds() {
        links[kind.route()] = json!({ "href": format!("{base}/{}{{?page,size}}", kind.route()), "templated": true });
    }
    json!({ "_links": links }).to_string()
}

/// `GET /profile`: where the profile of each resource is.
pub fn profiles(base: &str) -> String {
    let mut links = json!({ "self": { "href": format!("{base}/profile") } });
    for kind in kinds() {
        links[kind.route()] = json!({ "href": format!("{base}/profile/{}", kind.route()) });
    }
    json!({ "_links": links }).to_string()
}

/// `GET /profile/{resource}`: its verbs, as ALPS (draft-amundsen-richardson-foster-alps).
pub fn profile(kind: Kind) -> String {
    let verbs = Verbs::new();
    let mut ids: Vec<&str> = verbs.of(kind).iter().map(|(verb, _)| verb.as_str()).collect();
    ids.dedup();
    let descriptors: Vec<Value> = ids.into_iter().map(|id| json!({ "id": id, "type": "idempotent" })).collect();
    json!({ "alps": { "version": "1.0", "descriptor": [{ "id": kind.name(), "descriptor": descriptors }] } }).to_string()
}

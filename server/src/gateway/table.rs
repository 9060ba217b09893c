//! Which path leads to which service: a table, as data.
//!
//! The standard routes follow from the table of all routes, so that a new kind of row is routed without an edit here.
//! What services say only to each other is in no table, and cannot be put in one.

use crate::http::routes;
use axum::{
    Router,
    http::{Uri, uri::Authority},
};
use serde::Deserialize;
use shared::Context;
use std::collections::{BTreeMap, BTreeSet};

/// First segments that lead nowhere from outside, whatever a table says: services use them among themselves.
pub const SERVICE_ONLY: [&str; 4] = ["feed", "internal", "metrics", "vault"];
/// How long a service may take for the head of an answer, unless the table says otherwise. Longer than a read waits for
/// what its caller has seen, and long enough for the only backend to start again.
pub const TIMEOUT_MS: u64 = 15_000;
/// The longest that can be set: nobody waits longer.
const MAX_TIMEOUT_MS: u64 = 120_000;
/// A table is written by hand; one with more lines is a mistake.
const MAX_LINES: usize = 1_000;
/// The name of the service for accounts and tokens.
const IDENTITY: &str = "identity";
/// Where companies that we use tell by themselves what has happened.
const WEBHOOKS: &str = "/webhooks";

/// Where one copy of a service is.
#[derive(Debug, Clone)]
pub enum Backend {
    /// In another process.
    Remote(Authority),
    /// In this one.
    Local(Router),
}

/// A service behind the gateway.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name, which routes refer to.
    pub name: String,
    /// Its copies.
    pub backends: Vec<Backend>,
    /// How long it may take for the head of an answer, all tries together.
    pub timeout_ms: u64,
}

impl Service {
    /// A service in this process.
    pub fn local(name: &str, router: Router) -> Self {
        Self { name: name.into(), backends: vec![Backend::Local(router)], timeout_ms: TIMEOUT_MS }
    }

    /// A service in other processes.
    ///
    /// # Errors
    /// A URL that is more, or less, than `http://host:port`.
    pub fn remote(name: &str, urls: &[String]) -> Result<Self, String> {
        let backends = urls.iter().map(|url| backend(url)).collect::<Result<Vec<_>, _>>()?;
        if backends.is_empty() {
            return Err(format!("the service {name}: at least one URL is wanted in urls"));
        }
        Ok(Self { name: name.into(), backends, timeout_ms: TIMEOUT_MS })
    }
}

fn backend(url: &str) -> Result<Backend, String> {
    let wanted = || format!("{url}: a URL such as http://127.0.0.1:8081 is wanted");
    let uri: Uri = url.parse().map_err(|_| wanted())?;
    let has_port = |authority: &Authority| authority.as_str() == authority.host() || authority.port_u16().is_some();
    let is_plain = |authority: &Authority| !authority.as_str().contains('@') && !authority.host().is_empty() && has_port(authority);
    let authority = uri.authority().filter(|authority| is_plain(authority));
    let whole = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/") && uri.query().is_none();
    authority.filter(|_| whole).cloned().map(Backend::Remote).ok_or_else(wanted)
}

/// A path and all below it, and the service that has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Such as `/orders` or `/ops/order`.
    pub prefix: String,
    /// A service's name.
    pub service: String,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// To the service of this number.
    Service(usize),
    /// To any service: all of them give the same answer.
    Any,
    /// The gateway says itself that it lives.
    Live,
    /// The gateway says itself whether all is ready.
    Ready,
    /// Nowhere.
    Nowhere,
}

/// The services, and the routes to them.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) services: Vec<Service>,
    /// Paths that every service answers alike.
    common: BTreeSet<String>,
    /// Longest prefixes win; every prefix is whole segments.
    routes: BTreeMap<String, usize>,
}

/// What an operator may say of the table, in the settings file: `[[backends]]` with name, urls and timeout_ms, and
/// `[[routes]]` with prefix and service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// Where services are.
    #[serde(default)]
    pub backends: Vec<Line>,
    /// Routes beside the standard ones, or in their place.
    #[serde(default)]
    pub routes: Vec<Route>,
}

/// Where a service is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its copies.
    pub urls: Vec<String>,
    /// How long it may take for the head of an answer.
    pub timeout_ms: Option<u64>,
}

impl Line {
    /// The service of this line.
    ///
    /// # Errors
    /// A URL that is more, or less, than `http://host:port`.
    pub fn service(&self) -> Result<Service, String> {
        let service = Service::remote(&self.name, &self.urls)?;
        Ok(Service { timeout_ms: self.timeout_ms.unwrap_or(TIMEOUT_MS), ..service })
    }
}

impl Table {
    /// The standard routes and these, of which the latter count where both speak.
    ///
    /// # Errors
    /// Two services of one name, a route to a service that there is not, or a service that is missing.
    pub fn new(services: Vec<Service>, own: &[Route]) -> Result<Self, String> {
        if services.len() > MAX_LINES || own.len() > MAX_LINES {
            return Err(format!("a routing table has at most {MAX_LINES} services and routes"));
        }
        let mut numbers = BTreeMap::new();
        for (number, service) in services.iter().enumerate() {
            if service.name.is_empty() || numbers.insert(service.name.clone(), number).is_some() {
                return Err(format!("the service {:?} is there twice, or has no name", service.name));
            }
            if !(1..=MAX_TIMEOUT_MS).contains(&service.timeout_ms) {
                return Err(format!("the service {}: timeout_ms: 1 to {MAX_TIMEOUT_MS} are wanted", service.name));
            }
        }
        let mut routes = BTreeMap::new();
        for route in own {
            let number = numbers.get(&route.service);
            let number =
                number.ok_or_else(|| format!("the route {} leads to {}, and there is no such service", route.prefix, route.service))?;
            if routes.insert(prefix(&route.prefix)?, *number).is_some() {
                return Err(format!("the route {} is there twice", route.prefix));
            }
        }
        for route in standard() {
            if routes.contains_key(&route.prefix) {
                continue;
            }
            let missing = || format!("nothing serves {}: a service named {} is wanted, or a route for it", route.prefix, route.service);
            routes.insert(route.prefix.clone(), *numbers.get(&route.service).ok_or_else(missing)?);
        }
        Ok(Self { services, common: common(), routes })
    }

    /// Reads a whole table from one text.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn read(text: &str) -> Result<Self, String> {
        let Lines { backends, routes } = toml::from_str(text).map_err(|e| format!("the routing table: {}", e.to_string().trim()))?;
        Self::new(backends.iter().map(Line::service).collect::<Result<_, String>>()?, &routes)
    }

    /// Every service in this process, behind one router.
    pub fn local(router: &Router) -> Self {
        let names = Context::ALL.iter().map(|context| context.name()).chain([IDENTITY]);
        let services: Vec<_> = names.map(|name| Service::local(name, router.clone())).collect();
        let number = |name: &str| services.iter().position(|service| service.name == name).unwrap_or_default();
        let routes = standard().into_iter().map(|route| (route.prefix, number(&route.service))).collect();
        Self { services, common: common(), routes }
    }

    /// Where a path, exactly as it was sent, leads. No spelling is undone: a path that some other program could read
    /// differently leads nowhere.
    pub fn find(&self, path: &str) -> Place {
        if !is_plain(path) {
            return Place::Nowhere;
        }
        let first = path[1..].split('/').next().unwrap_or_default();
        if SERVICE_ONLY.iter().any(|name| name.eq_ignore_ascii_case(first)) {
            return Place::Nowhere;
        }
        match path {
            "/health/live" => return Place::Live,
            "/health/ready" => return Place::Ready,
            _ if self.common.contains(path) => return Place::Any,
            _ => {}
        }
        let mut prefix = path.trim_end_matches('/');
        while !prefix.is_empty() {
            if let Some(number) = self.routes.get(prefix) {
                return Place::Service(*number);
            }
            prefix = prefix.rfind('/').map_or("", |end| &prefix[..end]);
        }
        Place::Nowhere
    }
}

/// Paths that every service answers alike: they belong to none.
fn common() -> BTreeSet<String> {
    routes::all().into_iter().filter(|route| route.op.service().is_none()).map(|route| route.path).collect()
}

/// The routes that follow from the table of all routes.
pub fn standard() -> Vec<Route> {
    let mut found = BTreeMap::new();
    for route in routes::all() {
        let first = route.path[1..].split('/').next().unwrap_or_default();
        // What operators ask of a context has the context in its second segment, and is routed by it below.
        if first != "ops"
            && let Some(service) = route.op.service()
        {
            found.insert(format!("/{first}"), service.name().to_owned());
        }
    }
    for context in Context::ALL {
        found.insert(format!("/ops/{}", context.name()), context.name().to_owned());
    }
    found.insert(format!("/ops/{IDENTITY}"), IDENTITY.to_owned());
    // What payment companies tell by themselves.
    found.insert(WEBHOOKS.to_owned(), Context::Payment.name().to_owned());
    found.into_iter().map(|(prefix, service)| Route { prefix, service }).collect()
}

/// A prefix of a table: `/`, then segments of letters, digits, `-`, `_` and `.`, and no `/` at the end.
fn prefix(text: &str) -> Result<String, String> {
    let segments = text.strip_prefix('/').unwrap_or_default().split('/');
    let good = |segment: &str| {
        !segment.is_empty()
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !segment.bytes().all(|b| b == b'.')
    };
    let (mut first, mut all) = (None, true);
    for segment in segments {
        first.get_or_insert(segment);
        all &= good(segment);
    }
    let first = first.unwrap_or_default();
    if !all {
        return Err(format!("the route {text}: a path such as /orders is wanted"));
    }
    if SERVICE_ONLY.iter().any(|name| name.eq_ignore_ascii_case(first)) || first == "health" {
        return Err(format!("the route {text}: /{first} is never routed from outside"));
    }
    Ok(text.to_owned())
}

/// True for a path that every program reads in the same way: no dot segments, no empty ones, no hidden separators.
fn is_plain(path: &str) -> bool {
    if !path.starts_with('/') || path.contains('\\') {
        return false;
    }
    let lower = path.to_ascii_lowercase();
    if ["%2f", "%5c", "%00", "%25"].iter().any(|hidden| lower.contains(hidden)) {
        return false;
    }
    let last = lower.matches('/').count();
    lower.split('/').enumerate().skip(1).all(|(number, segment)| {
        // The last one is empty when the path ends with a slash, which leads to the service's own 404.
        let name = segment.split(';').next().unwrap_or_default().replace("%2e", ".");
        !matches!(name.as_str(), "." | "..") && (!segment.is_empty() || number == last)
    })
}

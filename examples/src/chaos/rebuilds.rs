//! Every view is built anew from history while people order: it comes out as it was, and can be read meanwhile.

use super::{asker::Asker, plant::Plant, run::place, say};
use crate::{http::Host, people::Party};
use hyper::{Method, body::Bytes};
use serde::Deserialize;
use shared::Kind;
use std::time::Duration;
use tokio::time::Instant;

/// How long one rebuild may take: far longer than any does.
const GIVE_UP: Duration = Duration::from_secs(120);
/// Between two looks at it and at its view.
const LOOK: Duration = Duration::from_millis(20);
/// How long an operator's login is used: it lasts a quarter of an hour.
const LOGIN: Duration = Duration::from_secs(300);
/// How long a reader may wait meanwhile: people notice more.
const AT_MOST: Duration = Duration::from_secs(1);

/// What the server says of a rebuild.
#[derive(Deserialize)]
struct Rebuild {
    state: String,
    events: u64,
    rows: u64,
    differed: u64,
    unsettled: u64,
    reason: Option<String>,
}

/// What was seen of all of them.
#[derive(Debug, Default)]
struct Seen {
    rebuilds: u32,
    events: u64,
    rows: u64,
    reads: u32,
    slowest: Duration,
    missed: Vec<String>,
}

/// Those who read views.
struct Readers {
    party: Party,
    operator: Asker,
}

impl Readers {
    /// Reads a view as whoever may. False when that is not answered; nobody reads how others want their notices.
    async fn read(&mut self, view: Kind) -> bool {
        let party = &mut self.party;
        let (reader, path) = match view {
            Kind::Preference => return true,
            Kind::LedgerEntry => {
                let page = self.operator.ask(Method::GET, format!("/{}", view.route()), Bytes::new()).await;
                return page.is_ok_and(|page| page.is_good());
            }
            Kind::DeliveryInfo => (&mut party.rider, format!("/{}", view.route())),
            Kind::Storefront | Kind::ShopPage => (&mut party.customer, format!("/{}/{}", view.route(), party.store)),
            _ => (&mut party.customer, format!("/{}", view.route())),
        };
        reader.ask(Method::GET, path, None, Bytes::new()).await.is_ok_and(|page| page.is_good())
    }
}

/// Builds every view anew, one after another, for so long; and each of them at least once. The readers live at the place
/// of this number, where nobody else does.
///
/// # Errors
/// A service does not answer, or nobody can log in.
pub async fn play(plant: &mut Plant, last: Duration, number: usize) -> Result<Vec<String>, String> {
    let (host, accounts) = (Host::new(&plant.url())?, plant.cluster()?.accounts());
    if plant.cluster()?.of(Kind::MyPage.context().name()).count() > 1 {
        return Err("a rebuild is known to the process that is at it: run this with one replica".into());
    }
    let mut operator = Asker::operator(&host, &accounts).await?;
    let party = Party::gather(&host, "chaos-readers", place(number)).await.map_err(|e| e.to_string())?;
    let mut readers = Readers { party, operator: Asker::operator(&host, &accounts).await? };
    // The document says which rows are views: those that can be rebuilt.
    let document = operator.get("/openapi.json").await?;
    let is_view = |kind: &Kind| document["paths"].get(path(*kind)).is_some();
    let views: Vec<Kind> = Kind::ALL.iter().copied().filter(is_view).collect();
    if views.is_empty() {
        return Err("there is no view that can be rebuilt".into());
    }
    let (began, mut logged_in, mut seen) = (Instant::now(), Instant::now(), Seen::default());
    while seen.rebuilds == 0 || began.elapsed() < last {
        readers.party.renew().await.map_err(|e| e.to_string())?;
        if logged_in.elapsed() > LOGIN {
            (operator, readers.operator) = (Asker::operator(&host, &accounts).await?, Asker::operator(&host, &accounts).await?);
            logged_in = Instant::now();
        }
        for view in views.iter().copied() {
            let built = one(view, &mut operator, &mut readers, &mut seen).await?;
            if built.state != "done" || built.differed > 0 || built.unsettled > 0 || built.rows == 0 {
                let Rebuild { state, rows, differed, unsettled, reason, .. } = &built;
                let why = reason.as_deref().unwrap_or("no reason given");
                let name = view.name();
                seen.missed.push(format!("{name}: {state} ({why}), {rows} rows, {differed} of them wrong, {unsettled} not compared"));
            }
            seen.rebuilds += 1;
            seen.events += built.events;
            seen.rows += built.rows;
        }
    }
    say(&format!(
        "{} rebuilds of {} rows from {} events; meanwhile {} reads, answered after {:?} at most",
        seen.rebuilds, seen.rows, seen.events, seen.reads, seen.slowest
    ));
    if seen.slowest > AT_MOST {
        seen.missed.push(format!("a reader waited for {:?}", seen.slowest));
    }
    Ok(seen.missed)
}

fn path(view: Kind) -> String {
    format!("/ops/{}/rebuild/{}", view.context().name(), view.name())
}

/// Builds one anew, and reads it until that is done.
async fn one(view: Kind, operator: &mut Asker, readers: &mut Readers, seen: &mut Seen) -> Result<Rebuild, String> {
    let path = path(view);
    let answer = operator.ask(Method::PUT, path.clone(), Bytes::new()).await.map_err(|e| e.to_string())?;
    if !answer.is_good() {
        return Err(format!("{path} was answered with {}", answer.status));
    }
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        if !readers.read(view).await {
            seen.missed.push(format!("{} could not be read while it was rebuilt", view.name()));
        }
        seen.reads += 1;
        seen.slowest = seen.slowest.max(asked.elapsed());
        let built: Rebuild = serde_json::from_value(operator.get(&path).await?).map_err(|e| e.to_string())?;
        if built.state != "running" {
            return Ok(built);
        }
        if began.elapsed() > GIVE_UP {
            return Err(format!("{} is not rebuilt after {GIVE_UP:?}", view.name()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

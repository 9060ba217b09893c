//! Ten times the texts that their company takes: ordering is as quick as without, what must be told is told soon after, and
//! what is left out is counted. As many people do such things in two places at the same time, one of them with a company
//! that takes everything, and at moments of their own: whatever else the machine does is done to both. What the flood takes
//! from both of them, such as a processor, is not seen by that, and the calm place has its texts to send; how long placing
//! an order took is said for each. Then connections are cut after a text was accepted: no text goes out twice.

use super::{
    crowd::{Diary, Guest, crowd},
    shop::{Shop, look},
    texts::Texts,
};
use crate::{
    chaos::{options::Options, run::Outcome, say},
    http::{Ask, Client, Host},
    life::order_body,
    oracle::finding::{Class, Finding, Verdict},
    people::Party,
    process::pss_mb,
    seed::Seed,
    solapi::Faults,
};
use hyper::{Method, body::Bytes};
use shared::{
    Context,
    notice::{Notice, Omitted, Outcome as Told, Status, Topic, Way},
};
use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Texts a second that the company takes.
const CAPACITY: u32 = 20;
/// People, and how long one waits between two requests, in the mean: together two hundred requests a second, each of which
/// makes a text.
const PARTIES: usize = 16;
const PAUSE: Duration = Duration::from_millis(80);
/// How often the store says of each order that it takes longer. Of the order itself one text must be told, that it was
/// placed: what must be told stays below the capacity, and everything together is ten times that. In two minutes these are
/// some two thousand orders: of a quarter of them, 99 of 100 was the sixth worst, and that was chance.
const DELAYS: usize = 10;
/// How often a ticket is accepted before it is there.
const EARLY: usize = 50;
/// How much longer placing an order may take, of a hundred, and how many orders fewer may be placed; and what no two runs
/// on one machine agree on.
const SLOWER: u32 = 10;
const NOISE: Duration = Duration::from_millis(2);
/// How much more memory the server may have: what waits is bounded.
const MORE_MB: f64 = 64.0;
/// All that must be told is told so soon after.
const TOLD: Duration = Duration::from_secs(120);
/// What is written down is counted so soon after.
const COUNTED: Duration = Duration::from_secs(5);
/// Progress that found room takes longer than that: a thousand texts at so many a second, and the pauses between.
const PATIENCE: Duration = Duration::from_secs(300);

/// A customer and a store that makes its customers wait.
struct Pair {
    party: Party,
    number: usize,
    /// When the next request is made. The pauses differ: people in lock step would all order in one moment, and whichever
    /// of the two places was a moment behind the other would wait for it each time.
    next: Instant,
    seed: Seed,
    took: Vec<Duration>,
    diary: Diary,
}

impl Pair {
    fn new(number: usize, party: Party, seed: &Seed) -> Self {
        Self { party, number, next: Instant::now(), seed: seed.fork(number as u64), took: vec![], diary: Diary::default() }
    }

    /// First orders are spread over the time that one takes.
    fn begin(&mut self) {
        let whole_us = (DELAYS as u64 + 2) * PAUSE.as_micros() as u64;
        self.next = Instant::now() + Duration::from_micros(self.seed.below(whole_us));
    }

    /// Waits for the next request's time. Whoever is late does not hurry afterwards.
    async fn pause(&mut self) {
        let longest_us = 2 * PAUSE.as_micros() as u64;
        self.next = Instant::now().max(self.next + Duration::from_micros(self.seed.below(longest_us)));
        sleep_until(self.next).await;
    }
}

impl Guest for Pair {
    async fn step(&mut self) -> bool {
        self.pause().await;
        let (body, key) = (order_body(&self.party, 1, "card"), format!("flood-{}-{}", self.number, self.took.len()));
        let began = Instant::now();
        let answer = self.party.customer.ask(Method::POST, "/orders".into(), Some(&key), body).await;
        self.took.push(began.elapsed());
        let Some(order) = self.diary.order(answer) else { return true };
        for _ in 0..EARLY {
            self.pause().await;
            let accept = Bytes::from_static(br#"{"cook_minutes":10}"#);
            let answer = self.party.owner.ask(Method::PUT, format!("/foodCookings/{order}/accept"), None, accept).await;
            if self.diary.any("an acceptance", answer).is_some_and(|answer| answer.is_good()) {
                break;
            }
        }
        for _ in 0..DELAYS {
            self.pause().await;
            let delay = Bytes::from_static(br#"{"minutes":1}"#);
            let answer = self.party.owner.ask(Method::PUT, format!("/foodCookings/{order}/delay"), None, delay).await;
            self.diary.good("a delay", answer);
        }
        true
    }
}

/// A server with its texts, while they order.
struct Evening {
    shop: Shop,
    texts: Texts,
    metrics: Host,
    pairs: Vec<Pair>,
}

/// What was measured.
struct Measured {
    orders: usize,
    p99: Duration,
    most_mb: f64,
}

impl Evening {
    async fn begin(options: &Options, folder: &Path, capacity: u32, seed: &Seed) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        let texts = Texts::start(folder, capacity).await?;
        let metrics = format!("127.0.0.1:{}", crate::servers::process::free_ports(1)?[0]);
        let mut arguments = texts.arguments();
        arguments.extend(["--metrics-listen".to_owned(), metrics.clone()]);
        let shop = Shop::open_with(options, folder, arguments, texts.variables()).await?;
        let pairs = shop.parties(PARTIES).await?.into_iter().enumerate().map(|(number, party)| Pair::new(number, party, seed)).collect();
        Ok(Self { shop, texts, metrics: Host::new(&format!("http://{metrics}"))?, pairs })
    }

    /// They order for so long.
    async fn order(&mut self, how: &str, last: Duration) -> Result<Measured, String> {
        let (began, mut most_mb) = (Instant::now(), 0.0_f64);
        let pid = self.shop.pid().ok_or("the server does not run")?;
        let is_over = async || {
            most_mb = most_mb.max(pss_mb(pid).unwrap_or(0.0));
            Ok(began.elapsed() >= last)
        };
        self.pairs.iter_mut().for_each(Pair::begin);
        self.pairs = crowd(std::mem::take(&mut self.pairs), is_over).await?;
        let mut took: Vec<Duration> = self.pairs.iter().flat_map(|pair| pair.took.iter().copied()).collect();
        took.sort_unstable();
        let of = |percent| took.get(took.len() * percent / 100).copied().ok_or("nobody has ordered");
        let (p50, p95, p99) = (of(50)?, of(95)?, of(99)?);
        let count = took.len();
        say(&format!("{count} orders {how}: {p99:?} for 99 of 100, {p95:?} for 95, {p50:?} for 50; {most_mb:.1} MB at most"));
        Ok(Measured { orders: count, p99, most_mb })
    }

    /// A figure of the server's own.
    async fn figures(&self) -> Result<BTreeMap<String, u64>, String> {
        let ask = Ask { method: Method::GET, path: "/metrics".into(), login: None, key: None, body: Bytes::new() };
        let answer = Client::new(&self.metrics).ask(ask).await.map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let of_notices = text.lines().filter(|line| line.starts_with("baemin_notices_"));
        let figure = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse::<f64>().ok()? as u64))
        };
        Ok(of_notices.filter_map(figure).collect())
    }

    /// Waits until all that must be told is told, and says how long that took; and then until nothing waits any more, and it
    /// is known of every text what became of it.
    async fn told(&self) -> Result<Duration, String> {
        let began = Instant::now();
        while self.listed("due")? > 0 && look(began, PATIENCE).await {}
        let (took, mut operator) = (began.elapsed(), self.shop.operator().await?);
        while operator.get("/ops/notification/lag").await?["due"] != 0 && look(began, PATIENCE).await {}
        while self.listed("due:report")? > 0 && look(began, PATIENCE).await {}
        Ok(took)
    }

    fn listed(&self, list: &str) -> Result<u64, String> {
        let query = format!("select count(*) from tags where name = '{list}'");
        let [rows] = tokio::task::block_in_place(|| self.shop.place().read(Context::Notification, [&*query]))?;
        rows.first().and_then(|row| row.first()?.parse().ok()).ok_or_else(|| format!("nobody knows what is {list}"))
    }

    /// Compares every notice with the texts that went out, and with what the server has counted.
    async fn judge(&self) -> Result<Vec<Finding>, String> {
        let (mut found, mut counted) = (vec![], BTreeMap::<String, u64>::new());
        let taken = self.texts.taken().await?;
        let mut texts = HashSet::new();
        // A text in place of another has a line of its own.
        for text in taken.iter().filter(|text| !text.replacement) {
            if !texts.insert(text.nid.as_str()) {
                found.push(Class::Duplicated.of(format!("the text of {} went out twice", text.nid)));
            }
        }
        let [rows] = self.shop.place().read(Context::Notification, ["select key, body from rows where kind = 'notification'"])?;
        for row in &rows {
            let [key, body] = row.as_slice() else { return Err("a notice of other columns".into()) };
            let known: Known = serde_json::from_str(body).map_err(|e| format!("{key}: {e}"))?;
            // That an order waits for its payment must be told unless it was paid meanwhile.
            let is_old = known.why == Some(Omitted::Stale) && matches!(known.notice.topic, Topic::PendingPayment { .. });
            let (is_mandatory, was_sent) = (known.notice.topic.is_mandatory() && !is_old, texts.remove(key.as_str()));
            if let Some(outcome) = known.outcome {
                *counted.entry(labelled("reported_total", "outcome", outcome)).or_default() += 1;
            }
            match (known.status, known.way, known.why) {
                (Status::Sent, way, _) if (way == Some(Way::Solapi)) == was_sent => *counted.entry(SENT.into()).or_default() += 1,
                (Status::Skipped, _, Some(why)) if !was_sent && !is_mandatory => *counted.entry(skipped(why)).or_default() += 1,
                (Status::Queued, ..) => found.push(Class::Unfinished.of(format!("{key} waits"))),
                (status, way, why) if is_mandatory => {
                    found.push(Class::Lost.of(format!("{key}, which must be told, is {status:?} {way:?} {why:?}")))
                }
                other => found.push(Class::Unexpected.of(format!("{key} is {other:?}, and was sent: {was_sent}"))),
            }
        }
        found.extend(texts.iter().map(|nid| Class::Unexpected.of(format!("a text of {nid} went out, which is no notice"))));
        say(&format!("{} notices, {} texts; counted: {counted:?}", rows.len(), taken.len()));
        let wanted = |name: &str| counted.get(name).copied().unwrap_or(0);
        // What is counted is counted after it is written down.
        let (began, mut figures) = (Instant::now(), self.figures().await?);
        while figures.iter().any(|(name, figure)| name.contains("_total") && wanted(name) != *figure) && look(began, COUNTED).await {
            figures = self.figures().await?;
        }
        for (name, figure) in figures.iter().filter(|(name, _)| name.contains("_total")) {
            let wanted = wanted(name);
            if wanted != *figure {
                found.push(Class::Unexpected.of(format!("{name} says {figure}, and the notices say {wanted}")));
            }
        }
        if !figures.contains_key(SENT) {
            found.push(Class::Lost.of("the server counts no notices"));
        }
        Ok(found)
    }

    async fn close(mut self) -> Result<(Diary, Outcome), String> {
        let mut diary = Diary::default();
        self.pairs.drain(..).for_each(|pair| diary.merge(pair.diary));
        let outcome = self.shop.close(Verdict::default(), vec![]).await?;
        self.texts.end().await?;
        Ok((diary, outcome))
    }
}

/// What is kept of a notice, as much of it as is looked at.
#[derive(serde::Deserialize)]
struct Known {
    notice: Notice,
    status: Status,
    way: Option<Way>,
    why: Option<Omitted>,
    #[serde(default)]
    outcome: Option<Told>,
}

const SENT: &str = "baemin_notices_sent_total{}";

fn skipped(why: Omitted) -> String {
    labelled("skipped_total", "reason", why)
}

fn labelled(name: &str, label: &str, value: impl serde::Serialize) -> String {
    format!("baemin_notices_{name}{{{label}=\"{}\"}}", serde_json::to_value(value).unwrap_or_default().as_str().unwrap_or_default())
}

/// Runs.
///
/// # Errors
/// The run could not be made.
pub async fn run(options: &Options, seed: u64, folder: &Path) -> Result<Outcome, String> {
    let (last, mut missed, seed) = (Duration::from_secs(options.seconds), vec![], Seed(seed));
    let mut calm = Evening::begin(options, &folder.join("calm"), 0, &seed.fork(0)).await?;
    let mut flood = Evening::begin(options, &folder.join("flood"), CAPACITY, &seed.fork(1)).await?;
    let (usual, full) = tokio::try_join!(calm.order("without a flood", last), flood.order("in the flood", last))?;
    let took = flood.told().await?;
    let mut found = flood.judge().await?;
    let shed = flood.figures().await?.get(&skipped(Omitted::Shed)).copied().unwrap_or(0);
    let (mut diary, Outcome { log, plant, .. }) = flood.close().await?;
    say(&format!("what must be told was told {took:?} after the flood, {shed} notices of progress were shed"));
    if shed == 0 {
        missed.push("nothing was shed: that was no flood".into());
    }
    if took > TOLD {
        missed.push(format!("what must be told was told {took:?} after the flood"));
    }
    if full.p99 > usual.p99 * (100 + SLOWER) / 100 + NOISE {
        missed.push(format!("placing an order took {:?} in the flood, and {:?} without", full.p99, usual.p99));
    }
    if full.orders * 100 < usual.orders * (100 - SLOWER as usize) {
        missed.push(format!("{} orders were placed in the flood, and {} without", full.orders, usual.orders));
    }
    if full.most_mb > usual.most_mb + MORE_MB {
        missed.push(format!("the server had {:.1} MB in the flood, and {:.1} MB without", full.most_mb, usual.most_mb));
    }
    calm.told().await?;
    found.extend(calm.judge().await?);
    // Orders that are placed now are cut, and counted no more.
    let cuts = Faults { cut_after_accept: options.times, ..Faults::default() };
    calm.texts.trouble(&cuts).await?;
    let texts = &calm.texts;
    calm.pairs = crowd(std::mem::take(&mut calm.pairs), async || Ok(texts.faults().await?.cut_after_accept == 0)).await?;
    let took = calm.told().await?;
    found.extend(calm.judge().await?);
    say(&format!("{} connections were cut after a text was accepted; all was told {took:?} after the last", options.times));
    let (more, _) = calm.close().await?;
    diary.merge(more);
    found.extend(diary.wrong);
    let verdict =
        Verdict { found, orders: diary.answered, asked: diary.asked, answered: diary.answered, acked: diary.answered, recovered: 0 };
    Ok(Outcome { verdict, missed, log, plant })
}

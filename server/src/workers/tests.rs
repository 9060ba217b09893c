//! A provider that hangs, fails and dawdles for a minute, on a clock that does not wait; and what comes of the orders.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::{
    Worker, health,
    rounds::{Due, Rounds},
    till::{Till, Way},
};
use crate::{
    breaker::{self, State},
    journal::{Fault, Listed, Share},
    provider::{Answer, Ask, Provider},
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
    stream,
};
use shared::{OrderId, Recorded, Won, event::Position, id::Bits, order::Means};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

/// How a provider is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Hung,
    HalfFailing,
    Slow,
    /// Charges hang, and look-ups are answered.
    Deceiving,
    /// Answers at once, and decides nothing about keys below 30.
    Undecided,
}

/// What a provider remembers, and what was asked of it.
#[derive(Default)]
struct Book {
    /// How often money moved under each key.
    moved: HashMap<String, u32>,
    /// When each call came, and whether it was a bad one.
    calls: Vec<(Instant, bool)>,
    /// Those that were to move money.
    charges: usize,
}

struct Fake {
    mood: watch::Sender<Mood>,
    book: Arc<Mutex<Book>>,
}

fn moves(book: &Mutex<Book>, key: &str) {
    // A company that knows its keys: what moved does not move again.
    book.lock().unwrap().moved.entry(key.to_owned()).or_insert(1);
}

impl Fake {
    fn new() -> Arc<Self> {
        Arc::new(Self { mood: watch::Sender::new(Mood::Well), book: Arc::default() })
    }

    /// Counts a call; true when it comes to nothing this time.
    fn called(&self) -> (Mood, usize, bool) {
        let (mood, mut book) = (*self.mood.borrow(), self.book.lock().unwrap());
        let number = book.calls.len();
        let bad = match mood {
            Mood::Well | Mood::Undecided => false,
            Mood::Hung | Mood::Slow | Mood::Deceiving => true,
            Mood::HalfFailing => number % 2 == 0,
        };
        book.calls.push((Instant::now(), bad));
        (mood, number, bad)
    }

    fn charges(&self) -> usize {
        self.book.lock().unwrap().charges
    }

    fn calls(&self) -> usize {
        self.book.lock().unwrap().calls.len()
    }
}

impl Provider for Fake {
    fn charge(&self, ask: Ask) -> BoxFuture<'_, Answer> {
        async move {
            let (mood, number, bad) = self.called();
            self.book.lock().unwrap().charges += 1;
            // What comes to nothing may have been done all the same.
            if bad && number % 4 == 0 && mood != Mood::Slow {
                moves(&self.book, &ask.key);
            }
            match mood {
                Mood::Hung | Mood::Deceiving => std::future::pending().await,
                Mood::Slow => {
                    let book = self.book.clone();
                    let done = tokio::spawn(async move {
                        sleep(Duration::from_secs(10)).await;
                        moves(&book, &ask.key);
                    });
                    done.await.unwrap();
                    Answer::Approved
                }
                Mood::HalfFailing | Mood::Well | Mood::Undecided => {
                    sleep(Duration::from_millis(20)).await;
                    if bad {
                        return Answer::Unknown;
                    }
                    if mood == Mood::Undecided && ask.key.parse::<u32>().unwrap() < 30 {
                        return Answer::Undecided;
                    }
                    moves(&self.book, &ask.key);
                    Answer::Approved
                }
            }
        }
        .boxed()
    }

    fn refund(&self, ask: Ask) -> BoxFuture<'_, Answer> {
        self.charge(ask)
    }

    fn records(&self, _: std::ops::Range<shared::Millis>) -> BoxFuture<'_, Result<Vec<crate::provider::Record>, String>> {
        unreachable!("nobody reconciles here")
    }

    fn look_up<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Answer>> {
        async move {
            let (mood, _, bad) = self.called();
            match mood {
                Mood::Hung => std::future::pending().await,
                Mood::Slow => sleep(Duration::from_secs(10)).await,
                Mood::HalfFailing | Mood::Well | Mood::Deceiving | Mood::Undecided => sleep(Duration::from_millis(20)).await,
            }
            match bad && mood != Mood::Deceiving {
                true => Some(Answer::Unknown),
                false => self.book.lock().unwrap().moved.contains_key(key).then_some(Answer::Approved),
            }
        }
        .boxed()
    }
}

/// Rows that are due, in the order in which they came, and how often each was settled.
#[derive(Default)]
struct Rows {
    due: BTreeMap<u64, Arc<str>>,
    settled: HashMap<String, u32>,
}

#[derive(Clone, Default)]
struct List(Arc<Mutex<Rows>>);

impl Due for List {
    fn walk(&self, after: Option<&Listed>, limit: u64) -> Result<Vec<Listed>, Fault> {
        let rows = self.0.lock().unwrap();
        let rest = rows.due.range(after.map_or(0, |(place, _)| *place as u64 + 1)..);
        Ok(rest.take(limit as usize).map(|(number, key)| (*number as i64, key.clone())).collect())
    }

    fn is_mine(&self, _: &str) -> bool {
        true
    }
}

struct Asker {
    till: Arc<Till>,
    list: List,
}

impl Worker for Asker {
    fn is_due(&self, _: &Recorded) -> bool {
        false
    }

    async fn work(&self, key: &str, _: u32, _: Option<Position>) -> bool {
        let number: u64 = key.parse().unwrap();
        if !self.list.0.lock().unwrap().due.contains_key(&number) {
            return true;
        }
        if !matches!(self.till.ask(ask(key), Way::Charge, || true).await, Some(Answer::Approved)) {
            return false;
        }
        let mut rows = self.list.0.lock().unwrap();
        rows.due.remove(&number);
        *rows.settled.entry(key.to_owned()).or_default() += 1;
        true
    }

    fn shut(&self) -> Option<Duration> {
        self.till.shut()
    }

    fn changes(&self) -> Option<watch::Receiver<State>> {
        Some(self.till.changes())
    }
}

fn ask(key: &str) -> Ask {
    Ask { key: key.into(), order: OrderId(Bits([0; 10])), amount: Won(1_000), means: Means::Card, extra: false, against: vec![] }
}

/// A worker before a provider of any mood, and its states with their times.
struct Shop {
    fake: Arc<Fake>,
    till: Arc<Till>,
    list: List,
    nudge: mpsc::Sender<Arc<str>>,
    states: Arc<Mutex<Vec<(State, Instant)>>>,
    accepted: u64,
    _share: watch::Sender<Share>,
}

/// As many as the payment worker has at the provider at once.
const AT_ONCE: usize = super::pay::AT_ONCE;

impl Shop {
    fn open() -> Self {
        let (fake, list) = (Fake::new(), List::default());
        let till = Arc::new(Till::new(fake.clone(), breaker::Config::default()));
        let (nudge, nudged) = mpsc::channel(1_024);
        let (share, shared) = watch::channel(Share::default());
        let asker = Arc::new(Asker { till: till.clone(), list: list.clone() });
        tokio::spawn(Rounds::new(list.clone(), AT_ONCE, asker).run(stream::pending(), shared, nudged));
        let watched = till.clone();
        tokio::spawn(async move { health::watch(&watched).await });
        let states = Arc::new(Mutex::new(vec![]));
        let (mut changes, seen) = (till.changes(), states.clone());
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                seen.lock().unwrap().push((*changes.borrow_and_update(), Instant::now()));
            }
        });
        Self { fake, till, list, nudge, states, accepted: 0, _share: share }
    }

    /// Orders at a steady rate, whatever becomes of them.
    async fn orders(&mut self, count: u64, pause: Duration) {
        for _ in 0..count {
            let key: Arc<str> = self.accepted.to_string().into();
            self.list.0.lock().unwrap().due.insert(self.accepted, key.clone());
            self.accepted += 1;
            self.till.earn();
            self.nudge.send(key).await.unwrap();
            sleep(pause).await;
        }
    }

    fn due(&self) -> usize {
        self.list.0.lock().unwrap().due.len()
    }

    async fn settled(&self, within: Duration) {
        let until = Instant::now() + within;
        while self.due() > 0 {
            assert!(Instant::now() < until, "{} are still due; {:?}", self.due(), self.till.look());
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn first(&self, state: State, from: Instant) -> Instant {
        let states = self.states.lock().unwrap();
        states.iter().find(|(is, at)| *is == state && *at >= from).unwrap_or_else(|| panic!("never {state:?}: {states:?}")).1
    }

    /// When the provider was called badly for the n-th time, if it was.
    fn bad_call(&self, n: usize) -> Option<Instant> {
        self.fake.book.lock().unwrap().calls.iter().filter(|(_, bad)| *bad).nth(n - 1).map(|(at, _)| *at)
    }
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_trouble_is_waited_out_and_everything_is_settled_once() {
    for mood in [Mood::Hung, Mood::HalfFailing, Mood::Slow] {
        let mut shop = Shop::open();
        let start = Instant::now();
        shop.orders(100, Duration::from_millis(10)).await;
        shop.settled(Duration::from_secs(1)).await;
        // What was good counts as well: trouble begins when the window has forgotten it.
        sleep(Duration::from_secs(11)).await;
        shop.fake.mood.send_replace(mood);
        shop.orders(6_000, Duration::from_millis(10)).await;

        let opened = shop.first(State::Open, start);
        // Half of the calls are bad: it may have seen enough before.
        let after = shop.bad_call(20).map_or(Duration::ZERO, |bad| opened.saturating_duration_since(bad));
        assert!(after <= Duration::from_millis(1_005), "{mood:?}: opened {after:?} after the 20th bad call");

        let mended = Instant::now();
        shop.fake.mood.send_replace(Mood::Well);
        shop.settled(Duration::from_secs(15)).await;
        let last = shop.states.lock().unwrap().last().copied();
        let closed = last.filter(|(state, _)| *state == State::Closed).unwrap_or_else(|| panic!("{mood:?}: {last:?}")).1;
        let closed = closed.saturating_duration_since(mended);
        assert!(closed <= Duration::from_secs(5), "{mood:?}: closed {closed:?} after it was well");
        let (calls, accepted) = (shop.fake.calls() as u64, shop.accepted);
        assert!(calls * 10 <= accepted * 11, "{mood:?}: {calls} calls for {accepted} orders; {:?}", shop.till.look());
        #[expect(clippy::print_stdout, reason = "figures are for whoever runs the test")]
        {
            println!(
                "{mood:?}: open {after:?} after the 20th bad call, closed {closed:?} after it was well, {calls} calls for {accepted} orders, all settled in {:?}",
                mended.elapsed()
            );
        }
        let rows = shop.list.0.lock().unwrap();
        assert!(rows.settled.len() as u64 == accepted && rows.settled.values().all(|times| *times == 1), "{mood:?}");
        let book = shop.fake.book.lock().unwrap();
        assert!(book.moved.len() as u64 == accepted && book.moved.values().all(|times| *times == 1), "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_only_seems_well_is_not_asked_for_more_money_than_one_that_hangs() {
    let mut shop = Shop::open();
    shop.fake.mood.send_replace(Mood::Deceiving);
    shop.orders(30_000, Duration::from_millis(10)).await;
    // In five minutes: a hundred before it opens, then three probes each time that it was open for 5, 10, 20, 30 … seconds,
    // and three more after every second time, for checks that were believed. It was 294 and 1,385 with checks that are
    // always believed.
    let look = shop.till.look();
    let (charges, calls) = (shop.fake.charges(), shop.fake.calls());
    assert!(charges < 220, "{charges} charges of {calls} calls: {look:?}");
    assert!(calls < 500, "{calls} calls: {look:?}");
    let mended = Instant::now();
    shop.fake.mood.send_replace(Mood::Well);
    shop.settled(Duration::from_secs(60)).await;
    assert_eq!(shop.till.look().state, State::Closed, "{:?}", mended.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_cannot_decide_keeps_nobody_else_from_paying() {
    let mut shop = Shop::open();
    // Those who cannot be decided come first, and so are on top of the list when it is half open.
    shop.fake.mood.send_replace(Mood::Undecided);
    shop.orders(30, Duration::from_millis(1)).await;
    shop.fake.mood.send_replace(Mood::Hung);
    shop.orders(200, Duration::from_millis(10)).await;
    assert_eq!(shop.till.look().state, State::Open);
    shop.fake.mood.send_replace(Mood::Undecided);
    let began = Instant::now();
    while shop.due() > 30 {
        assert!(began.elapsed() < Duration::from_secs(20), "{} are due: {:?}", shop.due(), shop.till.look());
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(shop.till.look().state, State::Closed);
}

#[tokio::test(start_paused = true)]
async fn who_is_wanted_now_does_not_wait_for_his_next_try() {
    let mut shop = Shop::open();
    shop.fake.mood.send_replace(Mood::Undecided);
    shop.orders(1, Duration::ZERO).await;
    // After so many tries it waits half a minute for the next.
    sleep(Duration::from_secs(120)).await;
    shop.fake.mood.send_replace(Mood::Well);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(shop.due(), 1, "it was not to be tried yet");
    let began = Instant::now();
    shop.nudge.send("0".into()).await.unwrap();
    shop.settled(Duration::from_secs(1)).await;
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_waits_while_it_is_shut_costs_no_call_and_no_place() {
    let mut shop = Shop::open();
    shop.till.force(Some(breaker::Forced { open: true, reason: "a test".into() }), "ops".into());
    shop.orders(10_000, Duration::ZERO).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!((shop.fake.calls(), shop.due()), (0, 10_000));
    // It goes on when it is let go, and not when a pause is over.
    shop.till.force(None, "ops".into());
    shop.settled(Duration::from_secs(2)).await;
    assert_eq!(shop.fake.calls(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_given_up_and_looked_up() {
    let shop = Shop::open();
    shop.fake.mood.send_replace(Mood::Hung);
    let began = Instant::now();
    assert_eq!(shop.till.ask(ask("7"), Way::Charge, || true).await, Some(Answer::Unknown));
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    shop.fake.mood.send_replace(Mood::Well);
    // It had moved; it is found, and not asked for again.
    assert_eq!(shop.till.ask(ask("7"), Way::Charge, || true).await, Some(Answer::Approved));
    let look = shop.till.look();
    assert_eq!((look.calls, look.repeats, look.window.calls, look.window.failed, look.window.slow), (2, 1, 2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_any_more_once_it_was_looked_up_is_not_asked_for() {
    let shop = Shop::open();
    shop.fake.mood.send_replace(Mood::Deceiving);
    // Of what hangs, the first has moved all the same.
    for key in ["0", "1"] {
        assert_eq!(shop.till.ask(ask(key), Way::Charge, || true).await, Some(Answer::Unknown));
    }
    shop.fake.mood.send_replace(Mood::Well);
    let (charges, window) = (shop.fake.charges(), shop.till.look().window);
    assert_eq!(shop.till.ask(ask("1"), Way::Charge, || false).await, None);
    assert_eq!((shop.fake.charges(), shop.till.look().window.failed), (charges, window.failed));
    // What has moved is said, whoever wants it.
    assert_eq!(shop.till.ask(ask("0"), Way::Charge, || false).await, Some(Answer::Approved));
    // Wanted once more, it is looked up again and then asked for: nobody knows yet that it has come to nothing.
    let repeats = shop.till.look().repeats;
    assert_eq!(shop.till.ask(ask("1"), Way::Charge, || true).await, Some(Answer::Approved));
    assert_eq!((shop.fake.charges(), shop.till.look().repeats), (charges + 1, repeats + 1));
}

#[tokio::test(start_paused = true)]
async fn what_became_of_unwanted_charges_is_asked_unless_it_is_open_and_says_nothing_to_the_breaker() {
    let mut shop = Shop::open();
    moves(&shop.fake.book, "moved");
    assert_eq!(shop.till.fate("moved").await, Some(Some(Answer::Approved)));
    assert_eq!(shop.till.fate("other").await, Some(None));
    shop.fake.mood.send_replace(Mood::Hung);
    for _ in 0..18 {
        assert_eq!(shop.till.fate("other").await, Some(Some(Answer::Unknown)));
    }
    let look = shop.till.look();
    assert_eq!((look.calls, look.window.calls, look.state), (20, 0, State::Closed));
    // What is answered badly costs what asking again costs, and so there is an end to it.
    let at_once = join_all((0..100).map(|_| shop.till.fate("other"))).await;
    let asked = at_once.iter().flatten().count();
    assert!((10..60).contains(&asked), "{asked} were asked");
    // What is answered well costs nothing, however many wait for it.
    shop.fake.mood.send_replace(Mood::Well);
    sleep(Duration::from_secs(10)).await;
    for _ in 0..1_000 {
        assert_eq!(shop.till.fate("other").await, Some(None));
    }
    // Nobody orders any more, and so nobody probes.
    shop.fake.mood.send_replace(Mood::Hung);
    shop.orders(100, Duration::from_millis(10)).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!((shop.till.look().state, shop.till.fate("moved").await), (State::Open, None));
    shop.list.0.lock().unwrap().due.clear();
    shop.fake.mood.send_replace(Mood::Well);
    sleep(Duration::from_secs(60)).await;
    let window = shop.till.look().window;
    assert_eq!((shop.till.look().state, shop.till.fate("moved").await), (State::HalfOpen, Some(Some(Answer::Approved))));
    assert_eq!((shop.till.look().state, shop.till.look().window), (State::HalfOpen, window));
    shop.till.force(Some(breaker::Forced { open: true, reason: "a test".into() }), "ops".into());
    let calls = shop.fake.calls();
    assert_eq!((shop.till.fate("moved").await, shop.fake.calls()), (None, calls));
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_do_not_keep_others_waiting() {
    let mut shop = Shop::open();
    // Too few to open it: nothing but permits could keep the others away.
    shop.fake.mood.send_replace(Mood::Hung);
    shop.orders(19, Duration::ZERO).await;
    sleep(Duration::from_millis(100)).await;
    shop.fake.mood.send_replace(Mood::Well);
    let began = Instant::now();
    shop.orders(500, Duration::ZERO).await;
    while shop.due() > 19 {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
    shop.settled(Duration::from_secs(6)).await;
}

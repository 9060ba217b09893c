//! Ten times what a way carries: what must be told is told, progress that finds no room is shed and counted, and neither
//! waits without bounds. And the second way is for what the first refuses.

use super::*;
use domain::notification::Known;
use futures_util::{FutureExt, future::BoxFuture};
use server::{
    bus::local::LocalBus,
    engine::{Engine, EngineConfig, Order, now_ms},
    identity::{Access, Identity},
    journal::{Place, Slice},
    notifier::Way,
    service::Peers,
    workers::{Figures, start_notify_with},
};
use shared::{
    Actor, Kind, Stamp, Text, Won,
    notice::{Channel, Command, Notice, Omitted, Topic},
    order::Reason,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Notices of progress that may wait, and notices on their way at once.
const ROOM: usize = 50;
const LANES: usize = 8;
/// What the slow way takes in a tick, and ten times that arrives.
const PER_TICK: usize = 10;
const TICK: Duration = Duration::from_millis(10);
const NOTICES: usize = 3_000;

/// A way that takes so much in a tick, or nothing at all.
#[derive(Default)]
struct Slow {
    taken: Mutex<Vec<String>>,
    tick: Mutex<Option<(Instant, usize)>>,
    refuses: bool,
}

impl Notifier for Slow {
    fn way(&self) -> Way {
        if self.refuses { Way::Solapi } else { Way::Webhook }
    }

    fn send(&self, message: Message) -> BoxFuture<'_, Result<(), Fault>> {
        let taken = || {
            if self.refuses {
                return Err(Fault::Refused);
            }
            let mut tick = self.tick.lock().unwrap();
            let (began, count) = tick.filter(|(began, _)| began.elapsed() < TICK).unwrap_or((Instant::now(), 0));
            *tick = Some((began, count + 1));
            if count >= PER_TICK {
                return Err(Fault::Full);
            }
            self.taken.lock().unwrap().push(message.key.clone());
            Ok(())
        };
        std::future::ready(taken()).boxed()
    }
}

/// Waits until something is so, or for five seconds: what is counted is counted after it is written down.
pub async fn soon(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub struct House {
    pub engine: Arc<Engine>,
    pub access: Access,
    figures: Arc<Figures>,
    _stopping: tokio_util::sync::DropGuard,
    _dir: TempDir,
}

pub fn open(ways: Vec<Arc<dyn Notifier>>) -> House {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::Sqlite(dir.path().to_owned());
    let engine = Engine::open(&place, Arc::new(LocalBus::new(1)), Arc::new(Peers::none().unwrap()), &EngineConfig::default()).unwrap();
    let access = Access::Home(Identity::open(dir.path()).unwrap());
    let stopping = CancellationToken::new();
    let figures = start_notify_with(&engine, ways, &access, (ROOM, LANES), &stopping);
    House { engine, access, figures, _stopping: stopping.drop_guard(), _dir: dir }
}

impl House {
    pub async fn queue(&self, key: String, topic: Topic) {
        let (order, to) = (OrderId(Bits([1; 10])), AccountId(Bits([7; 10])));
        let notice = Notice { order, store_name: Text::new("가게").ok(), to, channel: Channel::Inbox, topic, at_ms: now_ms() };
        let stamp = Stamp { by: Actor::System, at_ms: now_ms() };
        let order = Order { stream: key.into(), command: Command::Queue { notice }.into(), stamp, cause: None };
        self.engine.dispatch(order, None).await.unwrap();
    }

    async fn all_done(&self) {
        self.all_off(&domain::notification::LISTS).await;
    }

    /// Until no notice is on these lists.
    pub async fn all_off(&self, lists: &[&str]) {
        for _ in 0..6_000 {
            let count = Slice { offset: 0, limit: 0, newest_first: false };
            let waiting = |list: &&str| self.engine.list(Kind::Notice, list, count).unwrap().1;
            if lists.iter().map(waiting).sum::<u64>() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("notices wait for ever");
    }

    pub fn known(&self, key: &str) -> Known {
        let stored = self.engine.read(Kind::Notice, key).unwrap().unwrap();
        let domain::Row::Notice(Some(known)) = &*stored.row else { panic!("{key} is no notice") };
        (**known).clone()
    }

    fn outcome(&self, key: &str) -> (Option<Way>, Option<Omitted>) {
        let known = self.known(key);
        (known.way, known.why)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_what_a_way_carries_sheds_progress_and_nothing_else() {
    let way = Arc::new(Slow::default());
    let house = open(vec![way.clone()]);
    let key = |n: usize| format!("{}.customer.t{n}.inbox", OrderId(Bits([1; 10])));
    let is_mandatory = |n: usize| n.is_multiple_of(10);
    let topic = |n| if is_mandatory(n) { Topic::Delivered {} } else { Topic::Cooked {} };
    let queued = stream::iter(0..NOTICES).map(|n| house.queue(key(n), topic(n)));
    queued.buffer_unordered(500).for_each(|()| async {}).await;
    house.all_done().await;

    let mut counts: HashMap<String, usize> = HashMap::new();
    way.taken.lock().unwrap().iter().for_each(|key| *counts.entry(key.clone()).or_default() += 1);
    assert!(counts.values().all(|count| *count == 1), "a notice went out twice");
    let (mut shed, mut stale) = (0, 0);
    for n in 0..NOTICES {
        match (house.outcome(&key(n)), counts.contains_key(&key(n))) {
            ((Some(Way::Webhook), None), true) => {}
            ((None, Some(Omitted::Shed)), false) if !is_mandatory(n) => shed += 1,
            ((None, Some(Omitted::Stale)), false) if !is_mandatory(n) => stale += 1,
            (outcome, was_taken) => panic!("{}: {outcome:?}, taken: {was_taken}", key(n)),
        }
    }
    assert!(shed > 0, "nothing was shed: the way was not overloaded");
    let figures = || (house.figures.skipped(Omitted::Shed), house.figures.skipped(Omitted::Stale));
    soon(async || figures() == (shed, stale)).await;
    assert_eq!(figures(), (shed, stale));
    assert!(house.figures.most() <= ROOM as u64, "{} waited", house.figures.most());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_way_is_for_what_the_first_refuses() {
    let (first, second) = (Arc::new(Slow { refuses: true, ..Slow::default() }), Arc::new(Slow::default()));
    let house = open(vec![first, second.clone()]);
    house.queue("o.customer.delivered.inbox".into(), Topic::Placed { total: Won(1_000) }).await;
    house.all_done().await;
    assert_eq!(house.outcome("o.customer.delivered.inbox"), (Some(Way::Webhook), None));
    assert_eq!(second.taken.lock().unwrap().len(), 1);

    let nobody = open(vec![Arc::new(Slow { refuses: true, ..Slow::default() })]);
    nobody.queue("o.customer.delivered.inbox".into(), Topic::Delivered {}).await;
    nobody.all_done().await;
    assert_eq!(nobody.outcome("o.customer.delivered.inbox"), (None, Some(Omitted::Unreachable)), "and is in the inbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_that_something_later_has_overtaken_is_not_told() {
    let way = Arc::new(Slow::default());
    let house = open(vec![way.clone()]);
    let order = OrderId(Bits([1; 10]));
    house.queue(format!("{order}.customer.delivered.inbox"), Topic::Delivered {}).await;
    house.all_done().await;
    let notice = Notice { at_ms: now_ms() - 60_000, ..notice_of(order) };
    let stamp = Stamp { by: Actor::System, at_ms: now_ms() };
    let key = format!("{order}.customer.cooking.inbox");
    let ask = Order { stream: key.clone().into(), command: Command::Queue { notice }.into(), stamp, cause: None };
    house.engine.dispatch(ask, None).await.unwrap();
    house.all_done().await;
    assert_eq!(house.outcome(&key), (None, Some(Omitted::Stale)));
    assert_eq!(way.taken.lock().unwrap().len(), 1);
}

fn notice_of(order: OrderId) -> Notice {
    let to = AccountId(Bits([7; 10]));
    Notice { order, store_name: None, to, channel: Channel::Inbox, topic: Topic::Cooking {}, at_ms: 0 }
}

/// A way that takes all, and keeps in mind when, and whether it may have been told before.
#[derive(Default)]
struct First(Mutex<Vec<(bool, Instant)>>);

impl Notifier for First {
    fn way(&self) -> Way {
        Way::Webhook
    }

    fn send(&self, message: Message) -> BoxFuture<'_, Result<(), Fault>> {
        self.0.lock().unwrap().push((message.again, Instant::now()));
        std::future::ready(Ok(())).boxed()
    }
}

/// A way that does not take one sort of notice.
struct Without(&'static str, Mutex<usize>);

impl Notifier for Without {
    fn way(&self) -> Way {
        Way::Webhook
    }

    fn send(&self, message: Message) -> BoxFuture<'_, Result<(), Fault>> {
        let is_it = message.key.contains(self.0);
        *self.1.lock().unwrap() += usize::from(is_it);
        std::future::ready(if is_it { Err(Fault::Broken) } else { Ok(()) }).boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_an_order_waits_for_its_payment_is_told_only_when_it_does() {
    let way = Arc::new(Without("pending_payment", Mutex::default()));
    let house = open(vec![way.clone()]);
    let key = |name: &str| format!("{}.customer.{name}.inbox", OrderId(Bits([1; 10])));
    // One is paid at once, as most are: of that it waited there is nothing to tell.
    house.queue(key("pending_payment"), Topic::PendingPayment { total: Won(9_000) }).await;
    house.queue(key("placed"), Topic::Placed { total: Won(9_000) }).await;
    house.all_done().await;
    assert_eq!((house.outcome(&key("pending_payment")), *way.1.lock().unwrap()), ((None, Some(Omitted::Stale)), 0));
    assert_eq!(house.outcome(&key("placed")), (Some(Way::Webhook), None));
    let inbox = Slice { offset: 0, limit: 9, newest_first: false };
    let (rows, _) = house.engine.list(Kind::Notice, &format!("inbox:{}", AccountId(Bits([7; 10]))), inbox).unwrap();
    assert_eq!(rows.len(), 2, "the inbox has both");
    // Another waits indeed.
    let (way, began) = (Arc::new(First::default()), Instant::now());
    let house = open(vec![way.clone()]);
    house.queue(key("pending_payment"), Topic::PendingPayment { total: Won(9_000) }).await;
    house.all_done().await;
    assert_eq!(house.outcome(&key("pending_payment")), (Some(Way::Webhook), None));
    let heard = way.0.lock().unwrap().clone();
    // Nothing was handed over before, so nobody has to look whether it was.
    assert!(matches!(heard[..], [(false, at)] if at - began >= Duration::from_secs(2)), "{heard:?} from {began:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_an_order_waits_for_its_payment_is_not_told_after_it_was_paid() {
    let way = Arc::new(Without("pending_payment", Mutex::default()));
    let house = open(vec![way.clone()]);
    let key = |name: &str| format!("{}.customer.{name}.inbox", OrderId(Bits([1; 10])));
    house.queue(key("pending_payment"), Topic::PendingPayment { total: Won(9_000) }).await;
    while *way.1.lock().unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    house.queue(key("placed"), Topic::Placed { total: Won(9_000) }).await;
    house.all_done().await;
    assert_eq!(house.outcome(&key("placed")), (Some(Way::Webhook), None));
    assert_eq!(house.outcome(&key("pending_payment")), (None, Some(Omitted::Stale)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_is_told_only_while_nobody_has_answered() {
    let house = open(vec![Arc::new(First::default())]);
    let key = |name: &str| format!("{}.customer.{name}.inbox", OrderId(Bits([1; 10])));
    let (asked, told) = (Topic::ChangeRequested { total: Won(9_000) }, Topic::ChangeRefused { reason: Reason::OverCapacity });
    // The second one is asked for after the answer to the first, and so is not what was answered.
    house.queue(key("change_requested-1"), asked.clone()).await;
    house.queue(key("change_refused-1"), told).await;
    house.queue(key("change_requested-3"), asked).await;
    house.queue(key("cancel_requested"), Topic::CancelRequested {}).await;
    house.all_done().await;
    let outcomes =
        ["change_requested-1", "change_refused-1", "change_requested-3", "cancel_requested"].map(|name| house.outcome(&key(name)));
    let (was_told, is_stale) = ((Some(Way::Webhook), None), (None, Some(Omitted::Stale)));
    assert_eq!(outcomes, [is_stale, was_told, was_told, was_told]);
}

/// A way that takes the longer, the earlier something happened.
#[derive(Default)]
struct Uneven(Mutex<Vec<String>>);

const STORY: [(&str, Topic); 4] = [
    ("placed", Topic::Placed { total: Won(9_000) }),
    ("picked", Topic::Picked {}),
    ("cancelled", Topic::Cancelled { reason: Reason::Unsaid, refund: Won(9_000) }),
    ("refunded-2", Topic::Refunded { amount: Won(9_000) }),
];

impl Notifier for Uneven {
    fn way(&self) -> Way {
        Way::Webhook
    }

    fn send(&self, message: Message) -> BoxFuture<'_, Result<(), Fault>> {
        let at = STORY.iter().position(|(name, _)| message.key.contains(name)).unwrap();
        let send = async move {
            tokio::time::sleep(Duration::from_millis(30 - 10 * at as u64)).await;
            self.0.lock().unwrap().push(message.key.split(".inbox").next().unwrap().to_owned());
            Ok(())
        };
        send.boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_of_one_order_reads_it_as_it_happened() {
    const STORIES: usize = 10;
    let way = Arc::new(Uneven::default());
    let house = open(vec![way.clone()]);
    let key = |story: usize, name: &str| format!("o{story}.customer.{name}.inbox");
    let at_once = (0..STORIES).flat_map(|story| STORY.map(|(name, topic)| (key(story, name), topic)));
    futures_util::future::join_all(at_once.map(|(key, topic)| house.queue(key, topic))).await;
    house.all_done().await;
    let taken = way.0.lock().unwrap().clone();
    for story in 0..STORIES {
        let of = format!("o{story}.customer.");
        let mut told: Vec<&str> = taken.iter().filter_map(|key| key.strip_prefix(&of)).collect();
        let progress = told.iter().position(|name| *name == "picked").unwrap();
        assert!(progress > 0, "progress waits for what must be told: {told:?} of {story}");
        told.remove(progress);
        assert_eq!(told, ["placed", "cancelled", "refunded-2"], "{story}");
    }
}

//! When the broker hangs, dies, forgets, or takes nothing.

use super::*;
use std::collections::BTreeSet;

/// Between the broker's silence and the first hint: the look at it, its patience, and a tick of the hints.
const HINTED: Duration = Duration::from_millis(2_000);

/// Events that are told before a fault, and the pause after each: RabbitMQ 3.10 leaves a queue without a leader when it is
/// killed within about two seconds of its making. Such a queue is made anew and its listener hinted, which is another test.
const BEFORE: u64 = 1_500;
const PAUSE: Duration = Duration::from_millis(2);

/// A number after all others.
const LAST: u64 = 1_000_000_000;

/// Listens until a number is heard, and keeps when hints came.
struct Ledger {
    heard: Vec<u64>,
    hints: Vec<Instant>,
}

impl Ledger {
    /// Until this number, or one after it.
    async fn until(channel: &mut Receiver<Batch>, last: u64) -> Self {
        let mut ledger = Self { heard: vec![], hints: vec![] };
        let listening = async {
            while ledger.heard.iter().all(|number| *number < last) {
                let batch = channel.recv().await.unwrap();
                if batch.is_empty() {
                    ledger.hints.push(Instant::now());
                }
                ledger.heard.extend(batch.iter().map(|event| event.position.seq));
            }
        };
        let in_time = timeout(PATIENCE, listening).await;
        assert!(in_time.is_ok(), "{last} was not heard, but {:?} at last", ledger.heard.last());
        ledger
    }

    fn missing(&self, of: std::ops::RangeInclusive<u64>) -> Vec<u64> {
        let heard: BTreeSet<_> = self.heard.iter().collect();
        of.filter(|number| !heard.contains(number)).collect()
    }
}

/// A fault, and how it ends. What was told meanwhile is heard afterwards, or a hint that follows it leads to the feed.
async fn survives(name: &str, kept: bool, break_it: impl FnOnce(&mut RabbitMq), mend: impl FnOnce(&mut RabbitMq)) {
    let mut alone = Alone::start().await;
    let bus = alone.bus().await;
    let (mut channel, _ears) = listen(&*bus, Context::Order, 0).await;
    for number in 1..=BEFORE {
        tell(&*bus, 0, number..=number);
        hear(&mut channel, number).await;
        sleep(PAUSE).await;
    }
    let began = Instant::now();
    break_it(&mut alone.broker);
    tell(&*bus, 0, BEFORE + 1..=BEFORE + 200);
    let broken = Instant::now();
    hint(&mut channel).await;
    assert!(broken.elapsed() < HINTED, "{name}: the first hint came after {:?}", broken.elapsed());
    let first = broken.elapsed();
    for _ in 0..4 {
        hint(&mut channel).await;
    }
    assert!(!bus.health().connected, "{name}");
    tell(&*bus, 0, BEFORE + 201..=BEFORE + 210);
    let told = Instant::now();
    mend(&mut alone.broker);
    let mended = Instant::now();
    connected(&*bus).await;
    let last = BEFORE + 211;
    tell(&*bus, 0, last..=last);
    let ledger = Ledger::until(&mut channel, last).await;
    let missing = ledger.missing(BEFORE + 1..=last - 1);
    assert!(missing.is_empty() || ledger.hints.iter().any(|hint| *hint > told), "{name}: no hint came after the last loss");
    assert!(missing.is_empty() || !kept, "{name}: {missing:?} is lost");
    println!(
        "{name}: first hint after {first:.1?}, all again {:.1?} after its return ({:.1?} in all), {} left to the feed",
        mended.elapsed(),
        began.elapsed(),
        missing.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs() {
    survives("hangs", true, |broker| broker.pause().unwrap(), |broker| broker.resume().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies() {
    survives("dies", true, |broker| broker.kill().unwrap(), |broker| broker.restart().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgets() {
    let forget = |broker: &mut RabbitMq| {
        broker.kill().unwrap();
        broker.wipe().unwrap();
    };
    survives("forgets", false, forget, |broker| broker.restart().unwrap()).await;
}

/// Everything that the broker has confirmed is heard, and so is everything else, or a hint follows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_dies_five_times_while_much_is_told() {
    let mut alone = Alone::start().await;
    let bus = alone.bus().await;
    let (mut channel, _ears) = listen(&*bus, Context::Order, 0).await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let teller = bus.clone();
    let telling = tokio::spawn(async move {
        let mut told = vec![];
        while stopped.try_recv().is_err() {
            told.push(Instant::now());
            tell(&*teller, 0, told.len() as u64..=told.len() as u64);
            sleep(PAUSE).await;
        }
        told
    });
    let listening = tokio::spawn(async move {
        let mut ledger = Ledger { heard: vec![], hints: vec![] };
        while !ledger.heard.contains(&LAST) {
            let batch = timeout(PATIENCE, channel.recv()).await.expect("silence").unwrap();
            if batch.is_empty() {
                ledger.hints.push(Instant::now());
            }
            ledger.heard.extend(batch.iter().map(|event| event.position.seq));
        }
        ledger
    });
    let mut before = 0;
    for _ in 0..5 {
        until("the queue is some seconds old", || bus.health().confirmed > before + BEFORE).await;
        alone.broker.kill().unwrap();
        alone.broker.restart().unwrap();
        connected(&*bus).await;
        before = bus.health().confirmed;
    }
    stop.send(()).unwrap();
    let told = telling.await.unwrap();
    tell(&*bus, 0, LAST..=LAST);
    let ledger = listening.await.unwrap();
    let missing = ledger.missing(1..=told.len() as u64);
    let unhinted: Vec<_> = missing.iter().filter(|seq| !ledger.hints.iter().any(|hint| *hint > told[**seq as usize - 1])).collect();
    println!("told {}, heard {} times, left to the feed {}, hints {}", told.len(), ledger.heard.len(), missing.len(), ledger.hints.len());
    assert!(unhinted.is_empty(), "neither heard nor hinted: {unhinted:?}");
    // A queue that answered nothing after a kill was made anew: what it held counts as lost, and was hinted like the rest.
    assert!(missing.len() as u64 >= bus.health().dropped, "what was dropped cannot be heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_short_of_memory() {
    let alone = Alone::start().await;
    let (bus, other) = (alone.bus().await, alone.bus().await);
    let (mut channel, _ears) = listen(&*bus, Context::Order, 0).await;
    let (mut apart, _other_ears) = listen(&*other, Context::Customer, 0).await;
    let watermark = |value: &str| alone.broker.control(&["set_vm_memory_high_watermark", value]).unwrap();
    watermark("0.0001");
    let sessions = bus.health().sessions;
    until("the bus knows", || !bus.health().connected).await;
    tell(&*bus, 0, 1..=100);
    // One that says nothing itself is told as well; and it is waited for longer than for an answer.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(7) {
        hint(&mut channel).await;
        hint(&mut apart).await;
    }
    tell(&*bus, 0, 101..=200);
    watermark("0.4");
    for channel in [&mut channel, &mut apart] {
        let ledger = Ledger::until(channel, 200).await;
        assert_eq!(ledger.heard, (1..=200).collect::<Vec<_>>());
    }
    connected(&*bus).await;
    assert_eq!((bus.health().sessions, bus.health().dropped), (sessions, 0), "{:?}", bus.health());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_of_somebody_away_holds_nobody_up() {
    let alone = Alone::start().await;
    let bus = alone.bus().await;
    let (mut order, _ears) = listen(&*bus, Context::Order, 0).await;
    let (away, ears) = listen(&*bus, Context::Customer, 0).await;
    drop((away, ears));
    let policy = ["set_policy", "--apply-to", "queues", "short", "^baemin.customer.0$", r#"{"max-length":10}"#];
    let operator: Vec<_> = std::iter::once("set_operator_policy").chain(policy[1..].iter().copied()).collect();
    alone.broker.control(&operator).unwrap();
    let began = Instant::now();
    tell(&*bus, 0, 1..=1000);
    hear(&mut order, 1000).await;
    assert!(began.elapsed() < Duration::from_secs(5), "held up for {:?}", began.elapsed());
    until("the newest is kept", || bus.health().nacked > 0 && bus.health().dropped > 0).await;
    let (mut back, _ears) = take_up(&*bus, Context::Customer, 0).await;
    let ledger = Ledger::until(&mut back, 1000).await;
    println!("{} of 1000 reached the full queue, and the newest of all; {:?}", ledger.heard.len(), bus.health());
    assert!(ledger.heard.len() < 1000, "the queue was never full");
}

//! The contract of the port.

use super::*;
use server::bus::BACKLOG;
use tokio::sync::broadcast::error::RecvError;

async fn each_listener_hears_everything_in_order_and_nobody_else_does(bus: &dyn Bus) {
    let (mut order, _a) = listen(bus, Context::Order, 0).await;
    let (mut customer, _b) = listen(bus, Context::Customer, 0).await;
    let (mut elsewhere, _c) = listen(bus, Context::Order, 1).await;
    let mut others = bus.listen(Context::Payment, &[Context::Order, Context::Store], 0);
    tell(bus, 0, 1..=50);
    bus.publish(Context::Rider, 0, batch(0, 51, 20));
    for channel in [&mut order, &mut customer] {
        let heard = hear(channel, 70).await;
        assert_eq!(heard, ((1..=70).collect::<Vec<_>>(), 0));
    }
    // What comes last comes when everything else has come.
    tell(bus, 1, 1..=1);
    assert_eq!(hear(&mut elsewhere, 1).await, (vec![1], 0));
    for source in [Context::Order, Context::Store] {
        let mut channel = others.take(source).unwrap();
        while let Ok(batch) = channel.try_recv() {
            assert!(batch.is_empty(), "{source:?} was heard, and said nothing");
        }
    }
}

async fn who_comes_late_hears_what_comes_later(bus: &dyn Bus) {
    tell(bus, 2, 1..=5);
    let (mut channel, _ears) = listen(bus, Context::Order, 2).await;
    tell(bus, 2, 6..=7);
    assert_eq!(hear(&mut channel, 7).await.0, [6, 7]);
}

async fn who_lags_is_told(bus: &dyn Bus) {
    let (mut channel, _ears) = listen(bus, Context::Order, 3).await;
    let (mut quick, _other) = listen(bus, Context::Customer, 3).await;
    let last = 2 * BACKLOG as u64;
    for first in (1..=last).step_by(256) {
        tell(bus, 3, first..=first + 255);
        hear(&mut quick, first + 255).await;
    }
    // The slow one's own queue may be a little later; what is still to come would make it lag once more.
    until("the slow one lags", || channel.len() as u64 >= last).await;
    assert!(matches!(channel.recv().await, Err(RecvError::Lagged(_))));
    hear(&mut channel, last).await;
}

async fn another_one_takes_over(bus: &dyn Bus) {
    let (mut channel, ears) = listen(bus, Context::Order, 4).await;
    tell(bus, 4, 1..=10);
    hear(&mut channel, 10).await;
    drop(ears);
    assert!(!matches!(channel.try_recv(), Ok(batch) if !batch.is_empty()));
    let (mut next, _ears) = listen(bus, Context::Order, 4).await;
    tell(bus, 4, 11..=20);
    assert_eq!(hear(&mut next, 20).await.0, (11..=20).collect::<Vec<_>>());
}

async fn two_in_one_process_hear_the_same(bus: &dyn Bus) {
    let (mut one, ears) = listen(bus, Context::Order, 5).await;
    let (mut two, _ears) = listen(bus, Context::Order, 5).await;
    tell(bus, 5, 1..=10);
    for channel in [&mut one, &mut two] {
        assert_eq!(hear(channel, 10).await.0, (1..=10).collect::<Vec<_>>());
    }
    drop((one, ears));
    tell(bus, 5, 11..=20);
    assert_eq!(hear(&mut two, 20).await.0, (11..=20).collect::<Vec<_>>());
}

async fn contract(bus: &dyn Bus) {
    each_listener_hears_everything_in_order_and_nobody_else_does(bus).await;
    who_comes_late_hears_what_comes_later(bus).await;
    who_lags_is_told(bus).await;
    another_one_takes_over(bus).await;
    two_in_one_process_hear_the_same(bus).await;
    let health = bus.health();
    assert_eq!((health.connected, health.dropped, health.nacked, health.parked), (true, 0, 0, 0), "{health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn local() {
    contract(&*bus::open(&Place::Local, PARTITIONS).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq() {
    let alone = Alone::start().await;
    contract(&*alone.bus().await).await;
}

/// Between processes: what comes while nobody listens waits, and nobody hears for another one.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_a_queue_over() {
    let alone = Alone::start().await;
    let (teller, one, two) = (alone.bus().await, alone.bus().await, alone.bus().await);
    let (mut first, ears) = listen(&*one, Context::Order, 0).await;
    tell(&*teller, 0, 1..=10);
    hear(&mut first, 10).await;
    // Both listen, and one hears.
    let (mut second, other_ears) = listen(&*two, Context::Order, 0).await;
    tell(&*teller, 0, 11..=20);
    assert_eq!(hear(&mut first, 20).await.0, (11..=20).collect::<Vec<_>>());
    drop((first, ears));
    tell(&*teller, 0, 21..=30);
    let (heard, _) = hear(&mut second, 30).await;
    assert!(heard.ends_with(&(21..=30).collect::<Vec<_>>()), "{heard:?}");
    drop((second, other_ears));
    tell(&*teller, 0, 31..=40);
    let (mut third, _ears) = take_up(&*one, Context::Order, 0).await;
    let (heard, _) = hear(&mut third, 40).await;
    assert!(heard.ends_with(&(31..=40).collect::<Vec<_>>()), "{heard:?}");
}

//! How much the bus carries: figures to look at, and a floor that only something broken falls below.

use super::*;

/// Messages of each kind.
const MESSAGES: u64 = 10_000;
/// Messages on their way at once: less than the backlog drops, and than a listener may lag.
const ON_THE_WAY: u64 = 800;
/// Messages a second at least, on a busy machine.
const FLOOR: f64 = 200.0;

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_a_second() {
    let alone = Alone::start().await;
    let bus = alone.bus().await;
    for (partition, events) in [(0, 1), (1, 20)] {
        let (mut channel, _ears) = listen(&*bus, Context::Order, partition).await;
        let batches: Vec<_> = (0..MESSAGES).map(|number| batch(partition, 1 + number * events, events)).collect();
        let (began, mut told) = (Instant::now(), batches.into_iter());
        told.by_ref().take(ON_THE_WAY as usize).for_each(|batch| bus.publish(Context::Rider, partition, batch));
        let mut heard = 0;
        while heard < MESSAGES * events {
            let came = timeout(PATIENCE, channel.recv()).await.unwrap().unwrap();
            heard += came.len() as u64;
            told.by_ref().take(1).for_each(|batch| bus.publish(Context::Rider, partition, batch));
        }
        let seconds = began.elapsed().as_secs_f64();
        let rate = MESSAGES as f64 / seconds;
        println!("{events} events in a message: {rate:.0} messages/s, {:.0} events/s", rate * events as f64);
        assert!(rate > FLOOR, "{rate} messages/s; {:?}", bus.health());
    }
}

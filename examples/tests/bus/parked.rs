//! What cannot be read is put aside with its reason.

use super::*;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicGetOptions, BasicPublishOptions},
    types::AMQPValue,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_parked_and_the_rest_flows_on() {
    let alone = Alone::start().await;
    let bus = alone.bus().await;
    let (mut channel, _ears) = listen(&*bus, Context::Order, 0).await;
    let stranger = Connection::connect(&alone.broker.url(), ConnectionProperties::default()).await.unwrap();
    let wire = stranger.create_channel().await.unwrap();
    let json = || BasicProperties::default().with_content_type("application/json".into());
    let bad = [
        (json().with_message_id("cut".into()), &b"{\"position\":"[..]),
        (json().with_message_id("nothing".into()), b"{}"),
        (BasicProperties::default().with_message_id("untyped".into()), b"\xff\xfe"),
    ];
    for (number, (properties, body)) in (1..).zip(&bad) {
        tell(&*bus, 0, number..=number);
        let options = BasicPublishOptions::default();
        wire.basic_publish("baemin.events".into(), "rider.0.took".into(), options, body, properties.clone()).await.unwrap();
    }
    until("all are parked", || bus.health().parked == 3).await;
    tell(&*bus, 0, 4..=4);
    assert_eq!(hear(&mut channel, 4).await.0, [1, 2, 3, 4]);
    let mut parked = vec![];
    let began = Instant::now();
    while parked.len() < bad.len() {
        assert!(began.elapsed() < PATIENCE, "only {parked:?} were parked");
        if let Some(message) = wire.basic_get("baemin.parked".into(), BasicGetOptions { no_ack: true }).await.unwrap() {
            let headers = message.properties.headers().clone().unwrap();
            let AMQPValue::FieldArray(deaths) = &headers.inner()["x-death"] else { panic!("{headers:?}") };
            let AMQPValue::FieldTable(death) = &deaths.as_slice()[0] else { panic!("{deaths:?}") };
            let word = |name: &str| death.inner()[name].as_long_string().unwrap().to_string();
            assert_eq!(
                (word("reason"), word("queue"), word("exchange")),
                ("rejected".into(), "baemin.order.0".into(), "baemin.events".into())
            );
            parked.push(message.properties.message_id().as_ref().unwrap().to_string());
        }
    }
    parked.sort();
    assert_eq!(parked, ["cut", "nothing", "untyped"]);
    assert_eq!(bus.health().parked, 3);
}

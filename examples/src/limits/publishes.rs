//! RabbitMQ's limit: confirmed publishes to one quorum queue, many on their way at once.

use super::MEASURED;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use std::{collections::VecDeque, time::Instant};

/// A message as large as a small event.
const MESSAGE: [u8; 400] = [b'x'; 400];
/// Publishes whose confirmation has not come: as many as the bus has.
const WINDOW: usize = 256;
const QUEUE: &str = "limit";

/// Confirmed publishes per second.
///
/// # Errors
/// The broker cannot be used.
pub async fn per_second(url: &str) -> Result<f64, String> {
    let told = |e: lapin::Error| format!("RabbitMQ: {e}");
    let connection = Connection::connect(url, ConnectionProperties::default()).await.map_err(told)?;
    let channel = connection.create_channel().await.map_err(told)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(told)?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), durable, arguments).await.map_err(told)?;
    let rate = publish(&channel).await.map_err(told)?;
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await.map_err(told)?;
    connection.close(200, "measured".into()).await.map_err(told)?;
    Ok(rate)
}

async fn publish(channel: &Channel) -> Result<f64, lapin::Error> {
    let (began, mut confirmed, mut window) = (Instant::now(), 0u64, VecDeque::new());
    while began.elapsed() < MEASURED {
        let persistent = BasicProperties::default().with_delivery_mode(2);
        window.push_back(channel.basic_publish("".into(), QUEUE.into(), BasicPublishOptions::default(), &MESSAGE, persistent).await?);
        if window.len() >= WINDOW
            && let Some(first) = window.pop_front()
        {
            confirmed += u64::from(matches!(first.await?, Confirmation::Ack(_)));
        }
    }
    for confirm in window {
        confirmed += u64::from(matches!(confirm.await?, Confirmation::Ack(_)));
    }
    Ok(confirmed as f64 / began.elapsed().as_secs_f64())
}

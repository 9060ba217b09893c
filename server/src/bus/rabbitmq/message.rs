//! How a batch travels: one event as a CloudEvent in AMQP headers, several as a CloudEvents batch.

use super::backlog::Source;
use crate::{
    bus::{
        Batch,
        named::{self, id},
    },
    journal::read,
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use shared::{Recorded, event::Position};
use std::sync::Arc;

/// Of a message with one event.
pub const ONE: &str = "application/json";
/// Of a message with several.
pub const SEVERAL: &str = "application/cloudevents-batch+json";
/// The word for several events in a routing key.
const BATCH: &str = "batch";
/// The header with the id of the event that caused this one.
const CAUSATION: &str = "causation-id";
/// Bytes of events in one message: one frame of the protocol, so that no message holds up the ones behind it for long.
pub const MAX_BYTES: usize = 128 * 1024;
/// What the protocol allows in names, keys and ids.
const MAX_SHORT: usize = 255;
/// Written to disk by the broker.
const PERSISTENT: u8 = 2;

/// A message, ready to be published any number of times.
#[derive(Debug, Clone)]
pub struct Message {
    /// `{context}.{partition}.{event}`.
    pub key: String,
    /// The same for the same events, whenever they are sent.
    pub id: String,
    /// Everything about the body.
    pub properties: BasicProperties,
    /// JSON.
    pub body: Vec<u8>,
}

/// A CloudEvent as it stands in a batch.
#[derive(Serialize)]
struct Envelope<T> {
    specversion: String,
    id: String,
    source: String,
    r#type: String,
    subject: String,
    time: String,
    datacontenttype: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<String>,
    data: T,
}

/// What is read of it: the event says everything else, too.
#[derive(Deserialize)]
struct Carried<T> {
    data: T,
}

/// What is said about an event outside of it.
struct Named<'a> {
    event: &'a Recorded,
    name: String,
    correlation: String,
}

/// The messages that carry a batch: as few as their size allows.
///
/// # Errors
/// An event that is no JSON, which would be a bug.
pub fn encode(batch: &Batch) -> Result<Vec<Message>, serde_json::Error> {
    let (mut messages, mut group, mut bytes) = (vec![], vec![], 0);
    for event in batch.iter() {
        let body = to_raw_value(event)?;
        if !group.is_empty() && bytes + body.get().len() > MAX_BYTES {
            messages.push(message(&std::mem::take(&mut group))?);
            bytes = 0;
        }
        bytes += body.get().len();
        group.push((Named::new(event)?, body));
    }
    if !group.is_empty() {
        messages.push(message(&group)?);
    }
    Ok(messages)
}

/// The events of a message, and whose they are.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn decode(key: &str, properties: &BasicProperties, body: &[u8]) -> Result<(Source, Batch), String> {
    let kind = properties.content_type().as_ref().map_or("", ShortString::as_str);
    let events: Vec<Arc<Recorded>> = match kind {
        ONE => vec![read::event(body).map_err(|e| format!("no event: {e}"))?.into()],
        SEVERAL => read_several(body).map_err(|e| format!("no batch of events: {e}"))?,
        other => return Err(format!("the content type {other:?} is not known")),
    };
    let Some(first) = events.first().map(|event| event.position) else { return Err("a batch without events".into()) };
    if !key.starts_with(&format!("{}.{}.", first.context.name(), first.partition)) {
        return Err(format!("the events are of {first}, and the routing key is {key:?}"));
    }
    let contiguous = events.iter().zip(first.seq..).all(|(event, seq)| event.position == Position { seq, ..first });
    if contiguous { Ok(((first.context, first.partition), events.into())) } else { Err("the events do not follow each other".into()) }
}

fn read_several(body: &[u8]) -> serde_json::Result<Vec<Arc<Recorded>>> {
    let understood: serde_json::Result<Vec<Carried<Arc<Recorded>>>> = serde_json::from_slice(body);
    if let Ok(envelopes) = understood {
        return Ok(envelopes.into_iter().map(|envelope| envelope.data).collect());
    }
    let envelopes: Vec<Carried<serde_json::Value>> = serde_json::from_slice(body)?;
    envelopes.into_iter().map(|envelope| Recorded::read_any(envelope.data).map(Arc::new)).collect()
}

impl<'a> Named<'a> {
    fn new(event: &'a Recorded) -> Result<Self, serde_json::Error> {
        let named::Named { name, correlation } = named::Named::of(event)?;
        Ok(Self { event, name, correlation })
    }

    fn envelope<T>(&self, data: T) -> Envelope<T> {
        let Recorded { position, stream, at_ms, event, .. } = self.event;
        let time = jiff::Timestamp::from_millisecond(*at_ms).unwrap_or_default();
        Envelope {
            specversion: "1.0".into(),
            id: id(position),
            source: format!("/baemin/{}/{}", position.context.name(), position.partition),
            r#type: format!("baemin.{}.{}", event.kind().name(), self.name),
            subject: stream.clone(),
            time: time.to_string(),
            datacontenttype: ONE.into(),
            correlationid: Some(self.correlation.clone()),
            causationid: self.event.cause.as_ref().map(id),
            data,
        }
    }
}

fn message(group: &[(Named<'_>, Box<RawValue>)]) -> Result<Message, serde_json::Error> {
    match group {
        [(named, body)] => Ok(single(named, body.get())),
        _ => several(group),
    }
}

fn single(named: &Named<'_>, body: &str) -> Message {
    let envelope = named.envelope(());
    let mut headers = FieldTable::default();
    let attributes = [
        ("cloudEvents:specversion", &envelope.specversion),
        ("cloudEvents:id", &envelope.id),
        ("cloudEvents:source", &envelope.source),
        ("cloudEvents:type", &envelope.r#type),
        ("cloudEvents:subject", &envelope.subject),
        ("cloudEvents:time", &envelope.time),
    ];
    for (name, value) in attributes {
        headers.insert(name.into(), AMQPValue::LongString(value.as_str().into()));
    }
    if let Some(cause) = &envelope.causationid {
        headers.insert(CAUSATION.into(), AMQPValue::LongString(cause.as_str().into()));
    }
    let properties = properties(ONE, &envelope.id, named.event)
        .with_type(short(&named.name))
        .with_headers(headers)
        .with_correlation_id(short(&named.correlation));
    Message { key: key(named.event, &named.name), id: envelope.id, properties, body: body.as_bytes().to_vec() }
}

fn several(group: &[(Named<'_>, Box<RawValue>)]) -> Result<Message, serde_json::Error> {
    let (first, last) = (&group[0].0, &group[group.len() - 1].0);
    let id = format!("{}-{}", id(&first.event.position), last.event.position.seq);
    let envelopes: Vec<_> = group.iter().map(|(named, body)| named.envelope(body)).collect();
    let mut properties = properties(SEVERAL, &id, first.event).with_type(BATCH.into());
    if group.iter().all(|(named, _)| named.correlation == first.correlation) {
        properties = properties.with_correlation_id(short(&first.correlation));
    }
    Ok(Message { key: key(first.event, BATCH), id, properties, body: serde_json::to_vec(&envelopes)? })
}

fn key(event: &Recorded, name: &str) -> String {
    format!("{}.{}.{name}", event.position.context.name(), event.position.partition)
}

fn properties(kind: &str, id: &str, event: &Recorded) -> BasicProperties {
    let seconds = u64::try_from(event.at_ms / 1000).unwrap_or(0);
    BasicProperties::default()
        .with_content_type(kind.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(short(id))
        .with_timestamp(seconds)
}

/// Cut to what the protocol allows; a person's text never comes here, so nothing is lost in practice.
fn short(text: &str) -> ShortString {
    let mut end = text.len().min(MAX_SHORT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end]).into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Events of the rider context.
    pub fn batch(partition: u16, first: u64, count: u64) -> Batch {
        let event = |seq: u64| -> Arc<Recorded> { Arc::new(serde_json::from_value(record(partition, seq, seq % 2 == 0)).unwrap()) };
        (first..first + count).map(event).collect()
    }

    fn record(partition: u16, seq: u64, caused: bool) -> Value {
        let mut record = json!({
            "position": { "context": "rider", "partition": partition, "seq": seq }, "stream": "rid_aaaaaaaaaaaaaaaa", "version": seq,
            "at_ms": 1_700_000_000_123_i64,
            "event": { "rider": { "type": "took", "rider": "rid_aaaaaaaaaaaaaaaa", "order": "ord_bbbbbbbbbbbbbbbb", "at_ms": 1 } },
        });
        if caused {
            record["cause"] = json!({ "context": "order", "partition": 1, "seq": 7 });
        }
        record
    }

    fn one(messages: Vec<Message>) -> Message {
        let [message] = messages.try_into().unwrap();
        message
    }

    fn text(message: &Message, header: &str) -> Option<String> {
        let headers = message.properties.headers().clone().unwrap();
        Some(headers.inner().get(header)?.as_long_string().unwrap().to_string())
    }

    #[test]
    fn one_event_is_a_cloud_event_in_headers() {
        let message = one(encode(&batch(3, 8, 1)).unwrap());
        assert_eq!((message.key.as_str(), message.id.as_str()), ("rider.3.took", "rider-3-8"));
        let properties = &message.properties;
        let word = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
        assert_eq!(word(properties.content_type()).as_deref(), Some("application/json"));
        assert_eq!(word(properties.message_id()).as_deref(), Some("rider-3-8"));
        assert_eq!(word(properties.correlation_id()).as_deref(), Some("ord_bbbbbbbbbbbbbbbb"));
        assert_eq!(word(properties.kind()).as_deref(), Some("took"));
        assert_eq!((*properties.delivery_mode(), *properties.timestamp()), (Some(2), Some(1_700_000_000)));
        for (name, value) in [
            ("cloudEvents:specversion", "1.0"),
            ("cloudEvents:id", "rider-3-8"),
            ("cloudEvents:source", "/baemin/rider/3"),
            ("cloudEvents:type", "baemin.rider.took"),
            ("cloudEvents:subject", "rid_aaaaaaaaaaaaaaaa"),
            ("cloudEvents:time", "2023-11-14T22:13:20.123Z"),
            ("causation-id", "order-1-7"),
        ] {
            assert_eq!(text(&message, name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(serde_json::from_slice::<Value>(&message.body).unwrap(), record(3, 8, true));
        let uncaused = one(encode(&batch(3, 9, 1)).unwrap());
        assert_eq!(text(&uncaused, "causation-id"), None);
    }

    #[test]
    fn events_of_a_newer_version_arrive_as_they_are() {
        let newer = "took_over";
        for count in [1, 3] {
            let Message { key, properties, body, .. } = one(encode(&batch(0, 8, count)).unwrap());
            let body = String::from_utf8(body).unwrap().replacen("\"took\"", &format!("{newer:?}"), 1);
            let (_, read) = decode(&key, &properties, body.as_bytes()).unwrap();
            assert_eq!(read.iter().map(|event| event.position.seq).collect::<Vec<_>>(), (8..8 + count).collect::<Vec<_>>());
            let shared::Event::Unreadable(event) = &read[0].event else { panic!("{read:?}") };
            assert_eq!((event.kind, event.why.contains(newer)), (shared::Kind::Rider, true));
            assert!(read[1..].iter().all(|event| matches!(event.event, shared::Event::Rider(_))));
            // Whoever passes it on changes nothing.
            assert!(serde_json::to_string(&read[0]).unwrap().contains(newer));
        }
        let Message { key, properties, .. } = one(encode(&batch(0, 8, 1)).unwrap());
        assert!(decode(&key, &properties, b"{}").is_err());
    }

    #[test]
    fn several_events_are_a_batch_of_cloud_events() {
        let message = one(encode(&batch(0, 8, 2)).unwrap());
        assert_eq!((message.key.as_str(), message.id.as_str()), ("rider.0.batch", "rider-0-8-9"));
        assert_eq!(message.properties.content_type().as_ref().unwrap().as_str(), "application/cloudevents-batch+json");
        assert_eq!(message.properties.correlation_id().as_ref().unwrap().as_str(), "ord_bbbbbbbbbbbbbbbb");
        let envelope = |seq: u64, caused: bool| {
            let mut envelope = json!({
                "specversion": "1.0", "id": format!("rider-0-{seq}"), "source": "/baemin/rider/0", "type": "baemin.rider.took",
                "subject": "rid_aaaaaaaaaaaaaaaa", "time": "2023-11-14T22:13:20.123Z", "datacontenttype": "application/json",
                "correlationid": "ord_bbbbbbbbbbbbbbbb", "data": record(0, seq, caused),
            });
            if caused {
                envelope["causationid"] = json!("order-1-7");
            }
            envelope
        };
        assert_eq!(serde_json::from_slice::<Value>(&message.body).unwrap(), json!([envelope(8, true), envelope(9, false)]));
    }

    #[test]
    fn what_is_sent_is_what_comes_and_a_large_batch_goes_in_parts() {
        for count in [1, 2, 20, 2_000] {
            let sent = batch(1, 5, count);
            let messages = encode(&sent).unwrap();
            let largest = messages.iter().map(|message| message.body.len()).max().unwrap();
            assert!(messages.len() == 1 || count == 2_000, "{count} events went in {} messages", messages.len());
            // An envelope is smaller than three times its event.
            assert!(largest < 3 * MAX_BYTES, "{largest} bytes");
            let came: Vec<_> = messages
                .iter()
                .flat_map(|message| {
                    let (source, events) = decode(&message.key, &message.properties, &message.body).unwrap();
                    assert_eq!(source, (shared::Context::Rider, 1));
                    events.to_vec()
                })
                .collect();
            assert_eq!(came, sent.to_vec());
        }
        assert!(encode(&batch(1, 5, 2_000)).unwrap().len() > 1, "no batch was large enough to be split");
        assert!(encode(&Batch::from([])).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_its_reason() {
        let good = one(encode(&batch(0, 1, 2)).unwrap());
        let single = one(encode(&batch(0, 1, 1)).unwrap());
        let gap = {
            let [a, b] = [batch(0, 1, 1), batch(0, 3, 1)];
            one(encode(&[a[0].clone(), b[0].clone()].into_iter().collect()).unwrap())
        };
        let kind = |kind: &str| BasicProperties::default().with_content_type(kind.into());
        for (key, properties, body, reason) in [
            ("rider.0.took", BasicProperties::default(), single.body.clone(), "content type"),
            ("rider.0.took", kind("text/plain"), single.body.clone(), "content type"),
            ("rider.0.took", kind(ONE), b"{}".to_vec(), "no event"),
            ("rider.0.batch", kind(SEVERAL), single.body.clone(), "no batch"),
            ("rider.0.batch", kind(SEVERAL), b"[]".to_vec(), "without events"),
            ("rider.1.batch", good.properties.clone(), good.body.clone(), "routing key"),
            ("order.0.batch", good.properties.clone(), good.body.clone(), "routing key"),
            ("rider.0.batch", gap.properties.clone(), gap.body.clone(), "follow each other"),
        ] {
            let said = decode(key, &properties, &body).unwrap_err();
            assert!(said.contains(reason), "{key}: {said}");
        }
    }
}

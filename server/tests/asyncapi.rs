//! The AsyncAPI document says what the types of the events say: every event, no other, and where each leads an order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod documents;
#[path = "../../shared/tests/samples/mod.rs"]
mod samples;

use serde_json::{Value, json};
use server::{bus::rabbitmq::message, http::asyncapi};
use shared::{Context, Event, Recorded, event::Position};
use std::{collections::BTreeMap, collections::BTreeSet, fmt::Write, sync::Arc};

fn document() -> Value {
    serde_json::from_str(asyncapi::document()).unwrap()
}

/// The key of the aggregate, the name of the event, and its fields.
fn parts(event: &Event) -> (String, String, Value) {
    let value = serde_json::to_value(event).unwrap();
    let (field, inner) = value.as_object().unwrap().iter().next().unwrap();
    (field.clone(), inner["type"].as_str().unwrap().to_owned(), inner.clone())
}

#[test]
fn every_event_of_every_context_is_described_and_no_other() {
    let document = document();
    let mut wanted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for context in Context::ALL {
        wanted.entry(context.name()).or_default().insert(format!("{}.batch", context.name()));
    }
    for (_, event) in samples::events() {
        let (field, name, inner) = parts(&event);
        let (kind, context) = (event.kind().name(), event.kind().context().name());
        let key = format!("{kind}.{name}");
        let message = &document["components"]["messages"][&key];
        assert_eq!(message["name"], json!(format!("baemin.{kind}.{name}")), "{key}");
        let schema = &message["payload"]["allOf"][1]["properties"]["event"]["properties"][&field];
        let known: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let unknown: Vec<&String> = inner.as_object().unwrap().keys().filter(|field| !known.contains(field)).collect();
        assert!(unknown.is_empty(), "{key} does not describe {unknown:?}");
        let names = document["channels"][context]["parameters"]["event"]["enum"].as_array().unwrap();
        assert!(names.contains(&json!(name)) && names.contains(&json!(asyncapi::BATCH)), "{context} {name}");
        wanted.entry(context).or_default().insert(key);
    }
    let channels = document["channels"].as_object().unwrap();
    let described: BTreeMap<&str, BTreeSet<String>> = channels
        .iter()
        .map(|(name, channel)| (name.as_str(), channel["messages"].as_object().unwrap().keys().cloned().collect()))
        .collect();
    assert_eq!(described, wanted);
    let all: BTreeSet<&String> = wanted.values().flatten().collect();
    assert_eq!(document["components"]["messages"].as_object().unwrap().keys().collect::<BTreeSet<_>>(), all);
}

/// One event of each kind as it travels: everything about it is where the document says.
#[test]
fn what_travels_is_what_is_described() {
    let document = document();
    for (number, (_, event)) in (1..).zip(samples::events()) {
        let (field, name, _) = parts(&event);
        let (kind, context) = (event.kind().name(), event.kind().context());
        let position = |seq: u64| Position { context, partition: 2, seq };
        let (stream, cause) = (samples::order_id().to_string(), (number % 2 == 0).then(|| position(7)));
        let record = Recorded { position: position(number), stream, version: 1, at_ms: samples::NOON_MS, by: None, cause, event };
        let (record, value) = (Arc::new(record.clone()), serde_json::to_value(&record).unwrap());
        let described = &document["components"]["messages"][format!("{kind}.{name}")];
        let headers = &document["components"]["messageTraits"]["cloudEvent"]["headers"];
        let [message] = message::encode(&[record].into_iter().collect()).unwrap().try_into().unwrap();
        let address = document["channels"][context.name()]["address"].as_str().unwrap();
        assert_eq!(message.key, address.replace("{partition}", "2").replace("{event}", &name));
        let properties = &message.properties;
        let word = |text: &Option<lapin::types::ShortString>| json!(text.as_ref().map(ToString::to_string));
        assert_eq!(word(properties.content_type()), described["contentType"]);
        assert_eq!(word(properties.kind()), described["bindings"]["amqp"]["messageType"], "{kind}.{name}");
        assert!(!word(properties.correlation_id()).is_null() && word(properties.message_id()) == message.id);
        let sent = properties.headers().clone().unwrap();
        let sent: BTreeMap<String, String> =
            sent.inner().iter().map(|(name, value)| (name.to_string(), value.as_long_string().unwrap().to_string())).collect();
        let known: BTreeSet<&String> = headers["properties"].as_object().unwrap().keys().collect();
        assert!(sent.keys().all(|name| known.contains(name)), "{kind}.{name}: {sent:?}");
        let required = headers["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        assert!(required.into_iter().all(|name| sent.contains_key(name)), "{kind}.{name}: {sent:?}");
        assert_eq!(sent.contains_key("causation-id"), number % 2 == 0);
        assert_eq!(described["name"], json!(sent["cloudEvents:type"]));
        assert_eq!(sent["cloudEvents:id"], message.id);
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(body, value);
        assert!(body["event"].get(&field).is_some());
    }
}

#[test]
fn several_that_travel_together_are_described() {
    let document = document();
    let record = |seq: u64| {
        let (_, event) = samples::events().remove(0);
        let position = |seq| Position { context: event.kind().context(), partition: 0, seq };
        let (position, cause, stream) = (position(seq), Some(position(7)), samples::order_id().to_string());
        Arc::new(Recorded { position, stream, version: seq, at_ms: samples::NOON_MS, by: None, cause, event })
    };
    let [message] = message::encode(&[record(8), record(9)].into_iter().collect()).unwrap().try_into().unwrap();
    let described = &document["components"]["messages"]["order.batch"];
    assert_eq!(message.properties.content_type().as_ref().unwrap().as_str(), described["contentType"].as_str().unwrap());
    assert_eq!(message.properties.kind().as_ref().unwrap().as_str(), described["bindings"]["amqp"]["messageType"].as_str().unwrap());
    let item = &described["payload"]["items"];
    let known: BTreeSet<&String> = item["properties"].as_object().unwrap().keys().collect();
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    for envelope in body.as_array().unwrap() {
        let sent: BTreeSet<&String> = envelope.as_object().unwrap().keys().collect();
        assert_eq!(sent, known);
    }
}

#[test]
fn an_order_stands_where_the_document_says() {
    let document = document();
    for (_, event) in samples::events() {
        let Event::Order(inner) = &event else { continue };
        let (_, name, _) = parts(&event);
        let after = &document["components"]["messages"][format!("order.{name}")]["x-order-status"];
        let said = match after["at"].as_str() {
            Some(at) => json!({ "event": event }).pointer(at).cloned().unwrap(),
            None => after["is"].clone(),
        };
        let status = inner.status();
        assert_eq!(said, json!(status.map(shared::order::Status::code)), "{name}");
        let Some(status) = status else { continue };
        let shown = &document["x-order-statuses"][status.code()];
        assert_eq!(shown["final"], json!(status.is_final()), "{name}");
        assert_eq!((&shown["ko"], &shown["en"]), (&json!(status.label(shared::Lang::Ko)), &json!(status.label(shared::Lang::En))));
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let references = documents::references(&document());
    assert!(references > 150, "only {references} references");
}

/// For people to read: the addresses, and the messages of each.
#[test]
fn the_messages_are_known() {
    let document = document();
    let mut shown = String::new();
    for channel in document["channels"].as_object().unwrap().values() {
        writeln!(shown, "{}", channel["address"].as_str().unwrap()).unwrap();
        for key in channel["messages"].as_object().unwrap().keys() {
            let message = &document["components"]["messages"][key];
            writeln!(shown, "  {key}: {} {}", message["summary"].as_str().unwrap(), message["x-order-status"]).unwrap();
        }
    }
    insta::assert_snapshot!(shown);
}

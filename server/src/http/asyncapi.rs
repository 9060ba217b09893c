//! The AsyncAPI document: what travels over the broker, made from the types of the events, so that a stranger who has
//! nothing but this document can follow along.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use shared::{Context, Event, Kind, Lang, Recorded, order::Status};
use std::sync::LazyLock;

/// The exchange to which all events go.
pub const EXCHANGE: &str = "baemin.events";
/// The last word of the routing key of a message with several events.
pub const BATCH: &str = "batch";
/// The content type of one event.
pub const SINGLE_TYPE: &str = "application/json";
/// The content type of several events.
pub const BATCH_TYPE: &str = "application/cloudevents-batch+json";
/// Before every CloudEvents attribute in the headers.
pub const PREFIX: &str = "cloudEvents:";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| build().to_string());

/// The document, as JSON.
pub fn document() -> &'static str {
    &DOCUMENT
}

const ABOUT: &str = "What happens in Baemin, as it happens. Nobody has to ask for a subscription.\n\n\
**To listen:** declare a queue of your own (exclusive and auto-delete, or durable if nothing may be missed while you are away), and \
bind it to the topic exchange `baemin.events` with as many routing keys as you like. Keys are `{context}.{partition}.{event}`: \
`order.*.*` is everything of the order context, `order.*.cancelled` together with `order.*.batch` every cancelled order. Whoever \
binds single events must bind `batch` too, because under load neighbours travel as one message. Declare the exchange passively, or \
as it is described here: topic and durable.\n\n\
**One event** is CloudEvents 1.0 in the binary mode of AMQP: `application/json`, attributes in headers, and the body is the record. \
**Several events** of one partition, contiguous and in order, are `application/cloudevents-batch+json`: an array of structured \
CloudEvents, whose `data` is a record.\n\n\
**At least once.** The same event may come again, and later than a newer one. Within one context and partition `position.seq` counts \
from 1 without gaps: for each pair keep the number up to which you have handled all, and drop what is not above it. A stream stays \
in one partition: whoever wants only the newest of a stream drops what is not above the last number of that stream. Between contexts \
there is no order. A number that is skipped is a gap: wait for it, or, as a service of this installation, read it from the feed of its \
source, `GET /feed/{context}/{partition}?after={seq}`; others ask the HTTP API (`/openapi.json`) how things stand. Fields may be \
added to every event; ignore those that you do not know.";

fn build() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let record = schemas.subschema_for::<Recorded>().to_value();
    let happenings = happenings(&mut schemas);
    let mut messages: Map<String, Value> = happenings.iter().map(|one| (one.key(), message(one, &record))).collect();
    for context in Context::ALL {
        messages.insert(batch_key(context), batch(context, &record));
    }
    json!({
        "asyncapi": "3.0.0",
        "id": "urn:baemin:events",
        "info": { "title": "Baemin events", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT, "license": { "name": "MIT" } },
        "defaultContentType": SINGLE_TYPE,
        "servers": { "broker": server() },
        "channels": Context::ALL.iter().map(|c| (c.name().to_owned(), channel(*c, &happenings))).collect::<Map<_, _>>(),
        "operations": Context::ALL.iter().map(|c| (format!("{}Happened", c.name()), operation(*c))).collect::<Map<_, _>>(),
        "components": {
            "messages": messages,
            "messageTraits": { "cloudEvent": { "headers": headers(), "correlationId": correlation() } },
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "password": { "type": "userPassword", "description": "A user of the broker that may read the exchange." } }
        },
        "x-order-statuses": Status::ALL.iter().map(|s| (s.code().to_owned(), status(*s))).collect::<Map<_, _>>()
    })
}

/// One thing that can happen.
struct Happening {
    /// To what.
    kind: Kind,
    /// The key of the aggregate in the body.
    field: String,
    /// Its name: the last word of the routing key.
    name: String,
    /// Its fields.
    schema: Value,
}

impl Happening {
    fn key(&self) -> String {
        format!("{}.{}", self.kind.name(), self.name)
    }
}

/// Every event of every aggregate, from the sum of all events.
fn happenings(schemas: &mut SchemaGenerator) -> Vec<Happening> {
    let sum = schemas.subschema_for::<Event>().to_value();
    let mut found = vec![];
    for aggregate in resolved(schemas, &sum)["oneOf"].as_array().into_iter().flatten() {
        let Some((field, reference)) = aggregate["properties"].as_object().and_then(|fields| fields.iter().next()) else { continue };
        let Ok(kind) = serde_json::from_value::<Kind>(json!(field)) else { continue };
        for schema in resolved(schemas, reference)["oneOf"].as_array().into_iter().flatten() {
            let Some(name) = schema["properties"]["type"]["const"].as_str() else { continue };
            found.push(Happening { kind, field: field.clone(), name: name.to_owned(), schema: schema.clone() });
        }
    }
    found
}

/// What a reference stands for.
fn resolved(schemas: &SchemaGenerator, schema: &Value) -> Value {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    name.and_then(|name| schemas.definitions().get(name)).unwrap_or(schema).clone()
}

fn server() -> Value {
    json!({
        "host": "{broker}",
        "variables": { "broker": { "default": "localhost:5672", "description": "Host and port of the RabbitMQ server." } },
        "pathname": "/",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ, virtual host `/`. The address with user and password is what the server is started with: `--bus`.",
        "security": [{ "$ref": "#/components/securitySchemes/password" }]
    })
}

fn channel(context: Context, happenings: &[Happening]) -> Value {
    let own: Vec<&Happening> = happenings.iter().filter(|one| one.kind.context() == context).collect();
    let mut names: Vec<&str> = own.iter().map(|one| one.name.as_str()).chain([BATCH]).collect();
    names.sort_unstable();
    names.dedup();
    let keys = own.iter().map(|one| one.key()).chain([batch_key(context)]);
    let messages: Map<String, Value> = keys.map(|key| (key.clone(), json!({ "$ref": format!("#/components/messages/{key}") }))).collect();
    json!({
        "address": format!("{}.{{partition}}.{{event}}", context.name()),
        "title": format!("Events of the {} context", context.name()),
        "servers": [{ "$ref": "#/servers/broker" }],
        "parameters": {
            "partition": { "description": "The part of the context's journal, from 0. To hear them all, bind with `*`.", "examples": ["0"] },
            "event": { "description": "What happened, or `batch` for several.", "enum": names }
        },
        "messages": messages,
        "bindings": { "amqp": {
            "is": "routingKey",
            "exchange": { "name": EXCHANGE, "type": "topic", "durable": true, "autoDelete": false, "vhost": "/" },
            "bindingVersion": "0.3.0"
        } }
    })
}

fn operation(context: Context) -> Value {
    json!({
        "action": "send",
        "summary": format!("Tells what happened in the {} context.", context.name()),
        "channel": { "$ref": format!("#/channels/{}", context.name()) },
        "bindings": { "amqp": { "deliveryMode": 2, "mandatory": true, "bindingVersion": "0.3.0" } }
    })
}

fn message(one: &Happening, record: &Value) -> Value {
    let event = json!({ "type": "object", "required": [one.field], "properties": { one.field.as_str(): one.schema } });
    let position = json!({ "properties": { "context": { "const": one.kind.context().name() } } });
    let mut message = json!({
        "name": type_name(one.kind, &one.name),
        "title": one.key(),
        "summary": one.schema["description"],
        "contentType": SINGLE_TYPE,
        "traits": [{ "$ref": "#/components/messageTraits/cloudEvent" }],
        "payload": { "allOf": [record, { "type": "object", "properties": { "position": position, "event": event } }] },
        "bindings": { "amqp": { "messageType": one.name, "bindingVersion": "0.3.0" } }
    });
    if one.schema["description"].is_null() {
        message["summary"] = json!(one.key());
    }
    if let Some(after) = (one.kind == Kind::Order).then(|| status_after(&one.name)).flatten() {
        message["x-order-status"] = after;
    }
    message
}

fn batch_key(context: Context) -> String {
    format!("{}.{BATCH}", context.name())
}

fn batch(context: Context, record: &Value) -> Value {
    let mut item = headers();
    let known = item["properties"].as_object().into_iter().flatten();
    let attributes: Map<String, Value> = known
        .filter_map(|(name, schema)| Some((name.strip_prefix(PREFIX)?.to_owned(), schema.clone())))
        .chain([
            ("datacontenttype".to_owned(), json!({ "const": SINGLE_TYPE })),
            ("correlationid".to_owned(), json!({ "type": "string", "description": CORRELATION })),
            ("causationid".to_owned(), known_cause()),
            ("data".to_owned(), record.clone()),
        ])
        .collect();
    item["required"] = json!(["specversion", "id", "source", "type", "subject", "time", "data"]);
    item["properties"] = Value::Object(attributes);
    json!({
        "name": format!("baemin.{}.{BATCH}", context.name()),
        "title": batch_key(context),
        "summary": "Contiguous events of one partition, in order. The message-id is `{context}-{partition}-{first seq}-{last seq}`.",
        "contentType": BATCH_TYPE,
        "payload": { "type": "array", "minItems": 1, "items": item },
        "bindings": { "amqp": { "messageType": BATCH, "bindingVersion": "0.3.0" } }
    })
}

/// The type of a CloudEvent.
fn type_name(kind: Kind, event: &str) -> String {
    format!("baemin.{}.{event}", kind.name())
}

/// The headers of one event. `x-attribute` is the name that CloudEvents gives to each.
fn headers() -> Value {
    let attributes = [
        ("specversion", json!({ "type": "string", "const": "1.0" })),
        ("id", json!({ "type": "string", "pattern": ID, "description": "`{context}-{partition}-{seq}`; the message-id as well." })),
        ("source", json!({ "type": "string", "description": "`/baemin/{context}/{partition}`" })),
        ("type", json!({ "type": "string", "description": "`baemin.{kind}.{event}`: the name of one of the messages." })),
        ("subject", json!({ "type": "string", "description": "The stream: the name of what it happened to." })),
        ("time", json!({ "type": "string", "format": "date-time" })),
    ];
    let mut properties = Map::new();
    let mut required = vec![];
    for (name, mut schema) in attributes {
        schema["x-attribute"] = json!(name);
        required.push(format!("{PREFIX}{name}"));
        properties.insert(format!("{PREFIX}{name}"), schema);
    }
    properties.insert("causation-id".into(), known_cause());
    json!({ "type": "object", "required": required, "properties": properties })
}

fn known_cause() -> Value {
    json!({ "type": "string", "pattern": ID, "description": "The id of the event that caused this one, if one did." })
}

/// Context, partition, number.
const ID: &str = "^[a-z]+-[0-9]+-[0-9]+$";

/// What belongs together.
const CORRELATION: &str = "the order's id, or the stream of an event that belongs to no order.";

fn correlation() -> Value {
    json!({
        "location": "$message.header#/correlation-id",
        "description": format!("The AMQP property correlation-id: {CORRELATION}")
    })
}

fn status(status: Status) -> Value {
    json!({ "ko": status.label(Lang::Ko), "en": status.label(Lang::En), "final": status.is_final() })
}

/// Where an order stands after an event: always the same, or as the event itself says. It is what
/// [`shared::order::Event::status`] says, which a test compares; `None` leaves the order where it was.
fn status_after(event: &str) -> Option<Value> {
    let always = |status: Status| Some(json!({ "is": status.code() }));
    match event {
        "accepted" | "cancel_refused" | "changed" | "change_refused" => Some(json!({ "at": "/event/order/status" })),
        "placed" => always(Status::PendingPayment),
        "paid" => always(Status::Placed),
        "started" => always(Status::Cooking),
        "offer_accepted" => always(Status::ChangeRequested),
        "delayed" | "released" | "offer_made" | "offer_declined" => None,
        // These are named after the status to which they lead.
        _ => Status::ALL.into_iter().find(|status| status.code() == event).and_then(always),
    }
}

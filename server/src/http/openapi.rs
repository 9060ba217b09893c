//! The OpenAPI document, made from the table of routes and the types of bodies and answers.

use super::{
    ops::Ops,
    routes::{self, Op},
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use shared::{Kind, api, customer, delivery, order, payment, problem::Problem, review, rider, store, ticket};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| build().to_string());

/// The document, as JSON.
pub fn document() -> &'static str {
    &DOCUMENT
}

fn build() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let problem = schemas.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes::all() {
        let operation = operation(&mut schemas, &route.op, &problem);
        let path = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        if route.path.contains("{id}") {
            path["parameters"] = json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }]);
        }
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.0.3",
        "info": { "title": "Baemin", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "MIT" } },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } }
        },
        "security": [{ "bearer": [] }]
    })
}

fn operation(schemas: &mut SchemaGenerator, op: &Op, problem: &schemars::Schema) -> Value {
    let (summary, status, media) = match op {
        Op::Get(kind) => (format!("One {}", kind.name()), "200", "application/hal+json"),
        Op::List(kind) => (format!("A page of {}", kind.route()), "200", "application/hal+json"),
        Op::Verb(kind, verb) => (format!("{verb} of a {}", kind.name()), "200", "application/hal+json"),
        Op::Create(kind) => (format!("A new {}", kind.name()), "201", "application/hal+json"),
        Op::Watch => ("The changes of an order, live".into(), "200", "text/event-stream"),
        Op::WatchMany(kind) => (format!("The changes of {}, live", kind.route()), "200", "text/event-stream"),
        Op::Join => ("A new account".into(), "201", "application/hal+json"),
        Op::Account => ("One's account".into(), "200", "application/hal+json"),
        Op::Login => ("Log in, or stay logged in".into(), "201", "application/hal+json"),
        Op::Logout => ("Log out".into(), "204", ""),
        Op::Ops(context, what) => (format!("{} of the {} context", what.say(), context.name()), "200", "application/hal+json"),
        Op::Root => ("Where everything is".into(), "200", "application/hal+json"),
        Op::Profiles => ("Where the profiles are".into(), "200", "application/hal+json"),
        Op::Profile(kind) => (format!("What {} are made of", kind.route()), "200", "application/alps+json"),
        Op::OpenApi => ("This document".into(), "200", "application/json"),
        Op::AsyncApi => ("The events on the broker".into(), "200", "application/json"),
        Op::Live | Op::Ready => ("Health".into(), "200", "application/hal+json"),
    };
    let mut good = json!({ "description": summary });
    if let (false, Some(schema)) = (media.is_empty(), answer(schemas, op)) {
        good["content"] = json!({ media: { "schema": schema } });
    }
    let mut operation = json!({
        "summary": summary,
        "responses": { status: good, "default": { "description": "A problem", "content": { "application/problem+json": { "schema": problem } } } }
    });
    if let Some(schema) = body(schemas, op) {
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn body(schemas: &mut SchemaGenerator, op: &Op) -> Option<Value> {
    fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Option<Value> {
        Some(schemas.subschema_for::<T>().to_value())
    }
    match op {
        Op::Create(Kind::Order) => of::<api::NewOrder>(schemas),
        Op::Create(Kind::Store) => of::<api::NewStore>(schemas),
        Op::Create(Kind::Rider) => of::<api::NewRider>(schemas),
        Op::Create(Kind::Customer) => of::<api::NewCustomer>(schemas),
        Op::Create(Kind::Review) => of::<api::NewReview>(schemas),
        Op::Join => of::<api::Join>(schemas),
        Op::Login => of::<api::Login>(schemas),
        Op::Ops(_, Ops::Drop) => of::<api::DropParked>(schemas),
        Op::Ops(_, Ops::Force) => of::<api::ForceBreaker>(schemas),
        Op::Verb(Kind::Order, verb) if verb == "change" => of::<api::NewItems>(schemas),
        Op::Verb(Kind::Customer, verb) if verb == "set_contact" => of::<api::NewContact>(schemas),
        Op::Verb(kind, verb) => match kind {
            Kind::Order => variant(of::<order::Command>(schemas), schemas, "Command", verb),
            Kind::Payment => variant(of::<payment::Command>(schemas), schemas, "Command", verb),
            Kind::Store => variant(of::<store::Command>(schemas), schemas, "Command", verb),
            Kind::Ticket => variant(of::<ticket::Command>(schemas), schemas, "Command", verb),
            Kind::Rider => variant(of::<rider::Command>(schemas), schemas, "Command", verb),
            Kind::Delivery => variant(of::<delivery::Command>(schemas), schemas, "Command", verb),
            Kind::Customer => variant(of::<customer::Command>(schemas), schemas, "Command", verb),
            Kind::Review => variant(of::<review::Command>(schemas), schemas, "Command", verb),
            _ => None,
        },
        _ => None,
    }
}

/// The one command of a verb, out of the sum of all commands; its tag is the verb in the path.
fn variant(reference: Option<Value>, schemas: &SchemaGenerator, _: &str, verb: &str) -> Option<Value> {
    let reference = reference?;
    let name = reference["$ref"].as_str()?.rsplit('/').next()?;
    let all = schemas.definitions().get(name)?;
    let mut one = all["oneOf"]
        .as_array()?
        .iter()
        .find(|one| one["properties"]["type"]["enum"][0] == *verb || one["properties"]["type"]["const"] == *verb)?
        .clone();
    one["properties"].as_object_mut()?.remove("type");
    if let Some(required) = one["required"].as_array_mut() {
        required.retain(|name| name != "type");
        if required.is_empty() {
            one.as_object_mut()?.remove("required");
        }
    }
    Some(one)
}

fn answer(schemas: &mut SchemaGenerator, op: &Op) -> Option<Value> {
    fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
        schemas.subschema_for::<T>().to_value()
    }
    let shown = |schemas: &mut SchemaGenerator, kind: Kind| match kind {
        Kind::Order => of::<api::OrderShown>(schemas),
        Kind::Payment => of::<api::PaymentShown>(schemas),
        Kind::Store => of::<api::StoreShown>(schemas),
        Kind::Ticket => of::<api::TicketShown>(schemas),
        Kind::Rider => of::<api::RiderShown>(schemas),
        Kind::Delivery | Kind::DeliveryInfo => of::<api::DeliveryShown>(schemas),
        Kind::Customer => of::<api::CustomerShown>(schemas),
        Kind::Review => of::<api::ReviewShown>(schemas),
        Kind::Notice => of::<api::NoticeShown>(schemas),
        Kind::Storefront => of::<api::StorefrontShown>(schemas),
        Kind::LedgerEntry => of::<api::LedgerEntry>(schemas),
        Kind::ShopPage => of::<api::ShopPage>(schemas),
        Kind::MyPage => of::<api::MyPage>(schemas),
        Kind::Preference => json!({}),
    };
    match op {
        Op::Get(kind) | Op::Verb(kind, _) | Op::Create(kind) => Some(shown(schemas, *kind)),
        Op::List(kind) => {
            let item = shown(schemas, *kind);
            Some(
                json!({ "type": "object", "properties": { "_embedded": { "type": "object", "properties": { kind.route(): { "type": "array", "items": item } } }, "page": { "type": "object" } } }),
            )
        }
        Op::Watch | Op::WatchMany(_) => Some(of::<api::Change>(schemas)),
        Op::Join | Op::Account => Some(of::<api::AccountShown>(schemas)),
        Op::Login => Some(of::<api::Tokens>(schemas)),
        _ => None,
    }
}

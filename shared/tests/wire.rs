//! The wire: how each event, command and request body is written. What is in the snapshot was written into journals and is
//! read by other programs, so a changed line is a broken reader; add a variant or an optional field instead.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod samples;

use samples::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use shared::{
    api::*,
    order::{Means, Wish},
    sealed::Phone,
    *,
};

/// A sample of a body as it travels, and how it is read.
struct Body {
    route: &'static str,
    json: Value,
    read: fn(Value) -> Result<Value, String>,
}

/// A body that is written and read as `T`.
fn body<T: Serialize + DeserializeOwned>(route: &'static str, sample: T) -> Body {
    let read = |json| serde_json::from_value::<T>(json).map(|read| serde_json::to_value(read).unwrap()).map_err(|no| no.to_string());
    Body { route, json: serde_json::to_value(sample).unwrap(), read }
}

/// Every body that people send with `POST`, and those of `PUT` that are not a command by themselves.
fn bodies() -> Vec<Body> {
    let contact =
        || Contact { phone: Phone::new("010-1234-5678").unwrap(), address: text("서울 테헤란로 1, 101호"), at: at_store() };
    let wish = || Wish { item: text("허니콤보"), quantity: Count::new(2).unwrap(), options: vec![text("무 추가")] };
    vec![
        body("POST /accounts", Join { name: text("minji"), password: "correct horse".into(), roles: vec![Role::Customer, Role::Rider] }),
        body("POST /tokens (password)", Login::Password { name: text("minji"), password: "correct horse".into() }),
        body("POST /tokens (refresh)", Login::Refresh { refresh: "token".into() }),
        body("POST /customers", NewCustomer { name: text("민지"), contact: contact(), lang: Lang::En }),
        body("PUT /customers/{id}/setContact", NewContact { contact: contact() }),
        body("POST /stores", NewStore { name: text("교촌"), address: text("서울 강남대로 1"), at: at_store() }),
        body("POST /riders", NewRider { name: text("번쩍") }),
        body(
            "POST /orders",
            NewOrder {
                store: store_id(),
                items: vec![wish()],
                contact: contact(),
                cook_note: Some(text("덜 맵게")),
                rider_note: Some(text("문 앞에")),
                means: Means::Card,
            },
        ),
        body("PUT /orders/{id}/change", NewItems { items: vec![wish()] }),
        body("POST /reviews", NewReview { order: order_id(), stars: Count::new(5).unwrap(), text: text("최고") }),
    ]
}

/// A command without its aggregate, as it stands in the body of a `PUT`.
fn inner(command: &Command) -> Body {
    let json = serde_json::to_value(command).unwrap().as_object().unwrap().values().next().unwrap().clone();
    macro_rules! body_of {
        ($($sum:ident $module:ident),*) => { match command { $(Command::$sum(command) => body::<$module::Command>("", command.clone()).read,)* } };
    }
    let read = body_of!(Order order, Payment payment, Store store, Ticket ticket, Rider rider, Delivery delivery, Customer customer,
        Review review, Notice notice);
    Body { route: command_variant(command), json, read }
}

/// A body is read as it was written; with a field too many, or with a field of another type, it is refused.
fn check(body: &Body) {
    let Body { route, json, read } = body;
    assert_eq!(read(json.clone()).as_ref(), Ok(json), "{route} does not read back");
    let mut more = json.clone();
    more["surprise"] = json!(1);
    let refused = read(more);
    assert!(refused.is_err(), "{route} takes a field that it does not know");
    for field in json.as_object().unwrap().keys() {
        let mut other = json.clone();
        // No field of any request is a list of lists.
        other[field] = json!([[true]]);
        assert!(read(other).is_err(), "{route} takes anything as its {field}");
    }
    for other in [json!(null), json!([]), json!("text"), json!(7)] {
        assert!(read(other.clone()).is_err(), "{route} takes {other}");
    }
}

#[test]
fn nothing_is_left_out_of_the_samples() {
    assert_eq!(unsampled(), Vec::<&str>::new());
}

#[test]
fn the_wire_stays_as_it_is() {
    let mut text = String::from("Events\n");
    for (special, event) in events() {
        let name = [event_variant(&event), special].join(" ");
        text += &format!("{}\n  {}\n", name.trim_end(), serde_json::to_string(&event).unwrap());
        assert_eq!(serde_json::from_value::<Event>(serde_json::to_value(&event).unwrap()).unwrap(), event, "{name} does not read back");
    }
    text += "\nCommands\n";
    for command in commands() {
        text += &format!("{}\n  {}\n", command_variant(&command), serde_json::to_string(&command).unwrap());
    }
    text += "\nBodies of requests\n";
    for Body { route, json, .. } in bodies() {
        text += &format!("{route}\n  {json}\n");
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("wire", text);
    });
}

#[test]
fn bodies_with_something_wrong_in_them_are_refused() {
    bodies().iter().for_each(check);
}

#[test]
fn commands_with_something_wrong_in_them_are_refused() {
    commands().iter().map(inner).for_each(|body| check(&body));
    // Commands without a field are the ones that a derive could forget to check.
    for wrong in [json!({"type": "confirm", "now": true}), json!({"type": "confirmed"}), json!({}), json!({"type": 1}), json!("confirm")] {
        assert!(serde_json::from_value::<order::Command>(wrong.clone()).is_err(), "{wrong}");
    }
}

/// What is nested in a body is checked as well: a misspelt option must not be left out silently.
#[test]
fn nested_fields_are_checked_too() {
    for Body { route, json, read } in bodies() {
        for path in ["/contact", "/contact/at", "/items/0", "/at"] {
            let mut more = json.clone();
            let Some(nested) = more.pointer_mut(path) else { continue };
            nested["surprise"] = json!(1);
            assert!(read(more).is_err(), "{route} takes an unknown field in {path}");
        }
    }
    let dish = json!({"type": "set_dish", "dish": {"name": "a", "price": 1, "soldout": true}});
    assert!(serde_json::from_value::<store::Command>(dish).is_err());
    let hours = json!({"type": "set_hours", "hours": {"from_minute": 1, "to_minute": 2, "closed": true}});
    assert!(serde_json::from_value::<store::Command>(hours).is_err());
}

/// Values beyond their limits, in the words of the requests.
#[test]
fn values_beyond_their_limits_are_refused() {
    let order = serde_json::to_value(&bodies()[7].json).unwrap();
    let with = |path: &str, value: Value| {
        let mut wrong = order.clone();
        *wrong.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")) = value;
        serde_json::from_value::<NewOrder>(wrong)
    };
    for (path, value) in [
        ("/store", json!("ord_0c1g60r30c1g60r3")),
        ("/items/0/quantity", json!(0)),
        ("/items/0/quantity", json!(100)),
        ("/items/0/quantity", json!(1.5)),
        ("/items/0/quantity", json!("2")),
        ("/items/0/item", json!("")),
        ("/items/0/item", json!("가".repeat(61))),
        ("/contact/phone", json!("911")),
        ("/contact/at/lat", json!(91)),
        ("/cook_note", json!("한 줄\n두 줄")),
        ("/means", json!("gold")),
    ] {
        assert!(with(path, value.clone()).is_err(), "{path} takes {value}");
    }
    // What may be left out may be left out.
    assert!(with("/cook_note", json!(null)).is_ok());
    let least = json!({"store": store_id(), "items": [{"item": "a", "quantity": 1}], "contact": order["contact"]});
    assert!(serde_json::from_value::<NewOrder>(least).is_ok());
}

/// A coordinate is compared after it travelled, so it must arrive to the last bit. Seven decimals are a centimetre; more of
/// them than a phone knows may lose the last bit, because the parser trades it for speed.
#[test]
fn a_point_arrives_to_the_last_bit() {
    for step in 0..50_000i64 {
        let point = Point { lat: (step * 35_999 - 900_000_000) as f64 / 1e7, lng: (step * 71_993 - 1_800_000_000) as f64 / 1e7 };
        let back: Point = serde_json::from_str(&serde_json::to_string(&point).unwrap()).unwrap();
        assert_eq!(back, point);
    }
}

/// `Debug` ends up in logs, so what is personal is not in it.
#[test]
fn what_is_personal_is_not_in_debug_output() {
    let contact = Contact { phone: Phone::new("010-1234-5678").unwrap(), address: text("서울 테헤란로 1, 101호"), at: at_store() };
    let told = format!("{contact:?} {:?} {:?}", contact.phone, samples::contact());
    assert!(!told.contains("1234") && !told.contains("테헤란로") && !told.contains(SECRET), "{told}");
    let events = format!("{:?} {:?}", events(), commands());
    assert!(!events.contains(SECRET));
}

//! The tables of the rules: for each aggregate every state worth a look against every command, and what comes of it.
//! A changed cell is a changed rule: read the difference of the snapshot, and keep it only when the design wants it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod given;

use domain::Row;
use given::{Ask, asks, given, samples, send, states, word};
use shared::Kind;

/// Renders the table of an aggregate and holds it against its snapshot.
fn check(kind: Kind) {
    let (states, asks) = (states(kind), asks(kind));
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let (left, right) = (widest(&mut states.iter().map(|(name, _)| name.len())), widest(&mut asks.iter().map(|ask| ask.label.len())));
    let mut table = String::new();
    for (name, path) in &states {
        let row = given(kind, path);
        for ask in &asks {
            table += format!("{name:left$} | {:right$} -> {}", ask.label, cell(&row, ask)).trim_end();
            table += "\n";
        }
        table += "\n";
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(kind.name(), table.trim_end());
    });
}

/// The events with what matters of them, a refusal in capitals, or a dot for "already so".
fn cell(row: &Row, ask: &Ask) -> String {
    match send(row, ask) {
        Err(refusal) => refusal.code().to_uppercase(),
        Ok(events) if events.is_empty() => "·".into(),
        Ok(events) => events.iter().map(told).collect::<Vec<_>>().join(", "),
    }
}

/// An event's name and its figures; what is the same in every sample is left out.
fn told(event: &shared::Event) -> String {
    const SAME: [&str; 17] = [
        "type", "about", "basket", "drop", "note", "means", "thanks", "at_ms", "asked_ms", "order", "customer", "eta_ms", "profile",
        "notice", "store", "contact", "ready_ms",
    ];
    let json = serde_json::to_value(event).unwrap();
    let fields = json.as_object().and_then(|sum| sum.values().next()).and_then(|inner| inner.as_object()).unwrap();
    let figures: Vec<String> = fields
        .iter()
        .filter(|(name, value)| !SAME.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| format!("{name} {}", value.to_string().replace('"', "")))
        .collect();
    let name = word(event).1.split_once('.').unwrap().1.to_owned();
    if figures.is_empty() { name } else { format!("{name}({})", figures.join(", ")) }
}

#[test]
fn nothing_is_left_out_of_the_samples() {
    assert_eq!(samples::unsampled(), Vec::<&str>::new());
    let all = Kind::ALL.iter().filter(|kind| Row::empty(**kind).is_some()).copied().collect::<Vec<_>>();
    assert_eq!(all, given::AGGREGATES);
}

#[test]
fn orders() {
    check(Kind::Order);
}

#[test]
fn payments() {
    check(Kind::Payment);
}

#[test]
fn stores() {
    check(Kind::Store);
}

#[test]
fn tickets() {
    check(Kind::Ticket);
}

#[test]
fn riders() {
    check(Kind::Rider);
}

#[test]
fn deliveries() {
    check(Kind::Delivery);
}

#[test]
fn customers() {
    check(Kind::Customer);
}

#[test]
fn reviews() {
    check(Kind::Review);
}

#[test]
fn notices() {
    check(Kind::Notice);
}

//! The plot: no function tells what an order goes through, so this test asks every policy about every event, prints who
//! does what because of what, and holds that against the README, where people read it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod given;

use domain::Reaction;
use given::{samples, word};
use shared::{Context, Event, Kind};
use std::{collections::BTreeSet, fmt::Write as _};

/// The chapters of the story. An event that something follows from belongs to exactly one of them.
const STORY: &[(&str, &[&str])] = &[
    (
        "An order is placed and paid",
        &["order.placed", "payment.approved", "payment.declined", "order.paid", "store.admitted", "store.turned_away", "ticket.opened"],
    ),
    (
        "The store answers and cooks",
        &[
            "ticket.accepted",
            "ticket.rejected",
            "order.accepted",
            "order.rejected",
            "ticket.started",
            "ticket.delayed",
            "ticket.finished",
            "ticket.abandoned",
        ],
    ),
    (
        "A rider brings it",
        &[
            "delivery.offered",
            "delivery.ready",
            "delivery.picked",
            "delivery.released",
            "delivery.delivered",
            "delivery.failed (nobody came)",
            "delivery.failed (on the way)",
            "order.delivered",
            "order.completed",
        ],
    ),
    (
        "The customer cancels: the store has the last word",
        &[
            "order.cancel_requested",
            "ticket.withdrawn",
            "ticket.dropped",
            "ticket.withdrawal_refused",
            "order.cancelled",
            "order.cancelled (not paid)",
        ],
    ),
    (
        "The customer changes the dishes, or accepts an offer to leave some out: the store holds them, the payment settles the difference",
        &[
            "order.change_requested",
            "order.offer_accepted",
            "ticket.revised",
            "ticket.revision_refused",
            "payment.requested (extra)",
            "payment.adjusted",
            "payment.adjust_failed",
            "order.changed",
            "order.change_refused",
        ],
    ),
];

const OPEN: &str = "<!-- flow -->\n";
const SHUT: &str = "<!-- /flow -->";

/// An event with its name, and what each context does because of it.
type Followed = (String, Event, Vec<(Context, Reaction)>);

fn reactions() -> Vec<Followed> {
    let react = |event: &Event| {
        Context::ALL.into_iter().flat_map(|context| domain::react(context, event).into_iter().map(move |r| (context, r))).collect()
    };
    let name = |special: &str, event: &Event| {
        let name = word(event).1;
        if special.is_empty() { name } else { format!("{name} ({special})") }
    };
    samples::events().into_iter().map(|(special, event)| (name(special, &event), event.clone(), react(&event))).collect()
}

/// The chart: the story, then who is told, then what nothing follows from.
fn chart() -> String {
    let all = reactions();
    let is_notice = |reaction: &Reaction| reaction.command.kind() == Kind::Notice;
    let mut told = BTreeSet::new();
    let mut text = String::new();
    for (title, names) in STORY {
        writeln!(text, "{title}").unwrap();
        for name in *names {
            assert!(told.insert(*name), "{name} is told twice");
            let (_, _, reactions) = all.iter().find(|(known, ..)| known == name).unwrap_or_else(|| panic!("there is no {name}"));
            let steps = reactions.iter().filter(|(_, reaction)| !is_notice(reaction)).map(|(_, reaction)| step(reaction));
            let mut left = format!("{name} ");
            for step in steps {
                writeln!(text, "  {left:─<31}► {step}").unwrap();
                // What else follows from the same event hangs below it.
                left = format!("{:1$}╰", "", 29);
            }
            assert!(left.starts_with(' '), "nothing follows from {name}, so it does not belong into the story");
        }
        text.push('\n');
    }
    let untold: Vec<_> = all
        .iter()
        .filter(|(name, _, r)| r.iter().any(|(_, r)| !is_notice(r)) && !told.contains(name.as_str()))
        .map(|(name, ..)| name)
        .collect();
    assert!(untold.is_empty(), "these belong into a chapter of the story: {untold:?}");

    text += "People are told (reader: notice)\n";
    for (name, _, reactions) in &all {
        let notices: Vec<_> = reactions.iter().filter_map(|(_, reaction)| notice(reaction)).collect();
        if !notices.is_empty() {
            let arrow = format!("{name} ");
            writeln!(text, "  {arrow:─<31}► {}", notices.join(", ")).unwrap();
        }
    }
    // The workers are not policies: they take these three to the outside world, and answer with a command.
    text += "\nNo policy acts on (workers take payment.requested, payment.refund_requested, notice.queued outside)\n";
    let silent: Vec<_> = all.iter().filter(|(_, _, reactions)| reactions.is_empty()).map(|(name, ..)| name.as_str()).collect();
    text += &wrapped(&silent);
    text
}

fn step(reaction: &Reaction) -> String {
    let command = word(&reaction.command).1;
    match reaction.after {
        None => command,
        Some(deadline) => format!("{command}  (when the {} deadline passes)", deadline.name()),
    }
}

/// Who reads which notice; its reader is the second word of its name.
fn notice(reaction: &Reaction) -> Option<String> {
    let shared::Command::Notice(shared::notice::Command::Queue { notice }) = &reaction.command else { return None };
    let reader = reaction.stream.split('.').nth(1).unwrap();
    let topic = serde_json::to_value(&notice.topic).unwrap();
    Some(format!("{reader}: {}", topic["topic"].as_str().unwrap()))
}

fn wrapped(words: &[&str]) -> String {
    let mut text = String::new();
    let mut line = String::from(" ");
    for (i, word) in words.iter().enumerate() {
        if line.len() + word.len() > 100 {
            text += &format!("{line}\n");
            line = " ".into();
        }
        line += &format!(" {word}{}", if i + 1 < words.len() { "," } else { "" });
    }
    text + &line + "\n"
}

/// Holds the chart in the README against the policies; with `UPDATE_README=1` it is written there instead.
fn check(chart: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let wanted = format!("```text\n{}\n```\n", chart.trim_end());
    let readme = std::fs::read_to_string(path).unwrap_or_default();
    let block = readme.find(OPEN).map(|at| at + OPEN.len()).and_then(|from| readme[from..].find(SHUT).map(|len| from..from + len));
    let found = block.clone().map(|block| &readme[block]);
    if found == Some(wanted.as_str()) {
        return;
    }
    if std::env::var("UPDATE_README").is_ok_and(|value| value == "1") {
        let written = match block {
            Some(block) => format!("{}{wanted}{}", &readme[..block.start], &readme[block.end..]),
            None => format!("{readme}\n## What follows from what\n\n{OPEN}{wanted}{SHUT}\n").trim_start().to_owned(),
        };
        return std::fs::write(path, written).unwrap();
    }
    panic!(
        "the flow chart in the README is not what the policies do; run this test with UPDATE_README=1, or write:\n\n{OPEN}{wanted}{SHUT}\n"
    );
}

#[test]
fn the_readme_tells_what_the_policies_do() {
    let chart = chart();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("flow", chart);
    });
    check(&chart);
}

#[test]
fn nothing_is_left_out_of_the_samples() {
    assert_eq!(samples::unsampled(), Vec::<&str>::new());
}

/// A context hears only what it subscribes to: a reaction to an undeclared source would never happen.
#[test]
fn every_reaction_hears_a_declared_source() {
    for (name, event, reactions) in reactions() {
        let source = event.kind().context();
        for (listener, _) in reactions {
            assert!(
                listener == source || domain::sources(listener).contains(&source),
                "{listener:?} reacts to {name}, but does not listen to {source:?}"
            );
        }
        for listener in Context::ALL {
            let hears = listener == source || domain::sources(listener).contains(&source);
            assert!(hears || domain::projections(listener, &event).is_empty(), "a view of {listener:?} needs {name} of {source:?}");
        }
    }
}

/// A policy commands only its own context.
#[test]
fn every_reaction_commands_its_own_context() {
    for (name, _, reactions) in reactions() {
        for (context, reaction) in reactions {
            assert_eq!(reaction.command.kind().context(), context, "{name}");
            assert_eq!(reaction.command.sender(), shared::Sender::System, "{name} causes what only people may ask");
        }
    }
}

/// A subscription that nobody uses is a queue that nobody empties for a reason.
#[test]
fn every_declared_source_is_used() {
    for listener in Context::ALL {
        for source in domain::sources(listener) {
            let used = samples::events().iter().any(|(_, event)| {
                event.kind().context() == source
                    && !(domain::react(listener, event).is_empty() && domain::projections(listener, event).is_empty())
            });
            assert!(used, "{listener:?} listens to {source:?} for nothing");
        }
    }
}

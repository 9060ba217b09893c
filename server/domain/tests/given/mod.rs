//! What every test of the rules stands on: people, a row brought to a state by commands, and each state worth a look.

#![allow(dead_code, reason = "each test file uses some of it")]

#[path = "../../../../shared/tests/samples/mod.rs"]
pub mod samples;

use domain::Row;
use samples::*;
use shared::{
    id::Bits,
    order::Reason,
    store::{Capacity, Dish},
    *,
};

/// A person in one role.
pub fn person(account: AccountId, role: Role) -> Actor {
    Actor::Person { account, roles: vec![role] }
}

/// Whose command this is in these tests: the person it is for, or the system.
pub fn sender(command: &Command) -> Actor {
    match command.sender() {
        Sender::System => Actor::System,
        Sender::Person(role @ Role::Customer) => person(customer_id().account(), role),
        Sender::Person(role @ Role::Owner) => person(owner_id(), role),
        Sender::Person(role @ Role::Rider) => person(rider_id().account(), role),
        Sender::Person(Role::Operator) => person(AccountId(Bits([9; 10])), Role::Operator),
    }
}

/// A command, who sends it, and what it is called in a table.
#[derive(Debug, Clone)]
pub struct Ask {
    pub label: String,
    pub command: Command,
    pub by: Actor,
}

/// A command by the person it is for.
pub fn ask(word: &str, command: impl Into<Command>) -> Ask {
    let command = command.into();
    let by = sender(&command);
    let label = if word.is_empty() { tag_of(&command) } else { format!("{} ({word})", tag_of(&command)) };
    Ask { label, command, by }
}

fn tag_of(command: &Command) -> String {
    let (kind, rest) = word(command);
    rest.strip_prefix(&format!("{kind}.")).unwrap_or(&rest).to_owned()
}

/// The words for an event or a command: its aggregate, and both together.
pub fn word(of: &impl serde::Serialize) -> (String, String) {
    let json = serde_json::to_value(of).unwrap();
    let (kind, inner) = json.as_object().and_then(|sum| sum.iter().next()).unwrap();
    (kind.clone(), format!("{kind}.{}", inner["type"].as_str().unwrap()))
}

/// Sends a command. The hands of the clock stand still, so that a repeat is a repeat.
pub fn send(row: &Row, ask: &Ask) -> Result<Vec<Event>, Refusal> {
    domain::decide(row, &ask.command, &Stamp { by: ask.by.clone(), at_ms: NOON_MS })
}

/// The row after these events.
pub fn after(row: Row, events: &[Event]) -> Row {
    events.iter().fold(row, domain::evolve)
}

/// A row that has lived through these commands; each of them must have changed something.
pub fn given(kind: Kind, asks: &[Ask]) -> Row {
    asks.iter().fold(Row::empty(kind).unwrap(), |row, ask| {
        let events = send(&row, ask).unwrap_or_else(|no| panic!("{} was refused: {no}", ask.label));
        assert!(!events.is_empty(), "{} changed nothing, so it does not belong to a given", ask.label);
        after(row, &events)
    })
}

/// Every aggregate.
pub const AGGREGATES: [Kind; 9] =
    [Kind::Order, Kind::Payment, Kind::Store, Kind::Ticket, Kind::Rider, Kind::Delivery, Kind::Customer, Kind::Review, Kind::Notice];

/// Everything that is asked of an aggregate: one of each command, and those that depend on what they carry or who sends.
pub fn asks(kind: Kind) -> Vec<Ask> {
    let mut asks: Vec<Ask> = commands().into_iter().filter(|command| command.kind() == kind).map(|command| ask("", command)).collect();
    let rider = other_rider_id();
    let by_other = |asked: Ask| Ask { by: person(other_rider_id().account(), Role::Rider), ..asked };
    asks.extend(match kind {
        Kind::Order => vec![
            ask("the same dishes", order::Command::Change { basket: basket() }),
            ask("two dishes", order::Command::Change { basket: two_dishes() }),
            ask("the other dish", order::Command::Offer { without: vec![text("허니콤보")] }),
            ask("all dishes", order::Command::Offer { without: vec![text("허니콤보"), text("콜라")] }),
            ask("of no name", order::Command::Offer { without: vec![] }),
            ask("other rider", order::Command::ConfirmPicked { rider }),
            ask("other rider", order::Command::ConfirmReleased { rider }),
        ],
        Kind::Payment => vec![
            ask("2", payment::Command::Approve { movement: 2 }),
            ask("2", payment::Command::Decline { movement: 2, reason: Reason::Declined }),
            ask("less", payment::Command::Adjust { total: Won(10_000) }),
            ask("the same", payment::Command::Adjust { total: Won(20_000) }),
            ask("3", payment::Command::ConfirmRefund { movement: 3 }),
        ],
        Kind::Store => vec![
            ask(
                "other order",
                store::Command::Admit { about: order::About { order: OrderId(Bits([2; 10])), ..about() }, basket: basket(), note: None },
            ),
            ask("too many options", store::Command::SetDish { dish: Dish { choices: vec![dish().choices[0].clone(); 21], ..dish() } }),
        ],
        Kind::Ticket => vec![ask("other dishes", ticket::Command::Revise { about: about(), basket: dishes(3) })],
        Kind::Rider => vec![
            ask("other name", rider::Command::Register { rider: rider_id(), name: text("천둥") }),
            ask("elsewhere", rider::Command::Start { at: Point { lat: 37.6, lng: 127.0 } }),
            ask("other order", rider::Command::Take { order: OrderId(Bits([2; 10])) }),
        ],
        Kind::Delivery => vec![
            by_other(ask("other rider", delivery::Command::Pick {})),
            by_other(ask("other rider", delivery::Command::Release {})),
            by_other(ask("other rider", delivery::Command::Deliver {})),
        ],
        Kind::Customer => {
            vec![ask(
                "other name",
                customer::Command::Register { customer: customer_id(), name: text("다른 이"), contact: contact(), lang: Lang::Ko },
            )]
        }
        Kind::Review => vec![
            ask("once more", review::Command::Write { stars: Count::new(1).unwrap(), text: text("마음이 바뀜") }),
            ask("once more", review::Command::Reply { text: text("고맙습니다") }),
        ],
        _ => vec![],
    });
    asks
}

/// The states worth a look, each with the commands that lead there.
pub fn states(kind: Kind) -> Vec<(&'static str, Vec<Ask>)> {
    let all = asks(kind);
    // The commands of a path by their labels, so that a path reads like a story.
    let path = |labels: &str| -> Vec<Ask> {
        let find = |label: &str| all.iter().find(|ask| ask.label == label).unwrap_or_else(|| panic!("no sample is called {label}")).clone();
        labels.split(", ").filter(|label| !label.is_empty()).map(find).collect()
    };
    let table: &[(&'static str, &str)] = match kind {
        Kind::Order => &[
            ("nothing", ""),
            ("pending payment", "place"),
            ("payment failed", "place, fail_payment"),
            ("expired", "place, expire"),
            ("placed", "place, confirm_paid"),
            ("placed, cancel requested", "place, confirm_paid, cancel"),
            ("placed, change requested", "place, confirm_paid, change"),
            ("accepted", "place, confirm_paid, confirm_accepted"),
            ("accepted, cancel requested", "place, confirm_paid, confirm_accepted, cancel"),
            ("accepted, change requested", "place, confirm_paid, confirm_accepted, change"),
            ("accepted under a cancel", "place, confirm_paid, cancel, confirm_accepted"),
            ("accepted under a change", "place, confirm_paid, change, confirm_accepted"),
            ("changed", "place, confirm_paid, confirm_accepted, change, confirm_changed"),
            ("two dishes", "place, confirm_paid, change (two dishes), confirm_changed"),
            ("offered", "place, confirm_paid, change (two dishes), confirm_changed, offer"),
            ("offered, accepted", "place, confirm_paid, change (two dishes), confirm_changed, offer, confirm_accepted"),
            ("offered, taken", "place, confirm_paid, change (two dishes), confirm_changed, offer, accept_offer"),
            (
                "offered, taken and settled",
                "place, confirm_paid, change (two dishes), confirm_changed, offer, accept_offer, confirm_changed",
            ),
            ("offered, declined", "place, confirm_paid, change (two dishes), confirm_changed, offer, decline_offer"),
            ("offered, then cancel requested", "place, confirm_paid, change (two dishes), confirm_changed, offer, cancel"),
            ("offered, then change requested", "place, confirm_paid, change (two dishes), confirm_changed, offer, change"),
            ("offered, then cooking", "place, confirm_paid, change (two dishes), confirm_changed, offer, confirm_started"),
            ("offered, then rejected", "place, confirm_paid, change (two dishes), confirm_changed, offer, confirm_rejected"),
            ("cooking", "place, confirm_paid, confirm_accepted, confirm_started"),
            ("cooking, cancel unanswered", "place, confirm_paid, confirm_accepted, cancel, confirm_started"),
            ("cooking, change unanswered", "place, confirm_paid, confirm_accepted, change, confirm_started"),
            ("cooked", "place, confirm_paid, confirm_accepted, confirm_started, confirm_cooked"),
            ("cooked, acceptance unknown", "place, confirm_paid, confirm_cooked"),
            ("picked", "place, confirm_paid, confirm_accepted, confirm_cooked, confirm_picked"),
            ("picked, given back", "place, confirm_paid, confirm_accepted, confirm_cooked, confirm_picked, confirm_released"),
            ("picked, nothing else known", "place, confirm_paid, confirm_picked"),
            ("delivered", "place, confirm_paid, confirm_accepted, confirm_cooked, confirm_picked, confirm_delivered"),
            ("completed", "place, confirm_paid, confirm_accepted, confirm_cooked, confirm_picked, confirm_delivered, confirm"),
            ("rejected", "place, confirm_paid, confirm_rejected"),
            ("accepted, then rejected", "place, confirm_paid, confirm_accepted, confirm_rejected"),
            ("cancelled", "place, confirm_paid, cancel, confirm_withdrawn"),
        ],
        Kind::Payment => &[
            ("nothing", ""),
            ("refunded before the charge", "refund"),
            ("charging", "request"),
            ("declined", "request, decline"),
            ("called off while charging", "request, refund"),
            ("approved after that", "request, refund, approve"),
            ("called off, and come to nothing", "request, refund, decline"),
            ("come to nothing, approved after all", "request, refund, decline, approve"),
            ("paid", "request, approve"),
            ("refunding", "request, approve, refund"),
            ("refund refused", "request, approve, refund, refuse_refund"),
            ("refunded", "request, approve, refund, confirm_refund"),
            ("refund refused, then done", "request, approve, refund, refuse_refund, confirm_refund"),
            ("extra charge", "request, approve, adjust"),
            ("extra charge paid", "request, approve, adjust, approve (2)"),
            ("extra charge declined", "request, approve, adjust, decline (2)"),
            ("extra charge given up", "request, approve, adjust, give_up"),
            ("given up, approved after all", "request, approve, adjust, give_up, approve (2)"),
            ("given up, and come to nothing", "request, approve, adjust, give_up, decline (2)"),
            ("extra charge, then the order ended", "request, approve, adjust, refund"),
            ("difference going back", "request, approve, adjust (less)"),
            ("difference back", "request, approve, adjust (less), confirm_refund"),
        ],
        Kind::Store => &[
            ("nothing", ""),
            ("registered", "register"),
            ("open without menu", "register, open"),
            ("open", "register, set_dish, open"),
            ("open, sold out", "register, set_dish, set_sold_out, open"),
            ("paused", "register, set_dish, pause"),
            ("open, one holds a place", "register, set_dish, open, admit"),
            ("full", "register, set_dish, open, set_capacity, admit"),
            ("place free again", "register, set_dish, open, set_capacity, admit, release"),
        ],
        Kind::Ticket => &[
            ("nothing", ""),
            ("withdrawn before it came", "withdraw"),
            ("withdrawn, then dropped", "withdraw, open"),
            ("revised before it came", "revise"),
            ("revised and settled before it came", "revise, settle"),
            ("waiting, settled before", "revise, settle, open"),
            ("waiting, revised before", "revise, open"),
            ("waiting", "open"),
            ("waiting, revised", "open, revise"),
            ("accepted", "open, accept"),
            ("accepted, revised", "open, accept, revise"),
            ("accepted, settled", "open, accept, revise, settle"),
            ("accepted, overdue", "open, accept, mark_overdue"),
            ("cooking", "open, accept, start"),
            ("cooking, overdue", "open, accept, start, mark_overdue"),
            ("finished", "open, accept, start, finish"),
            ("rejected", "open, reject"),
            ("accepted, then rejected", "open, accept, revise, reject"),
            ("withdrawn", "open, withdraw"),
            ("abandoned", "open, accept, abandon"),
        ],
        Kind::Rider => &[("nothing", ""), ("at home", "register"), ("on shift", "register, start"), ("carrying", "register, start, take")],
        Kind::Delivery => &[
            ("nothing", ""),
            ("called off before the offer", "call_off"),
            ("ready before the offer", "mark_ready"),
            ("offered", "offer"),
            ("offered and ready", "offer, mark_ready"),
            ("ready, then offered", "mark_ready, offer"),
            ("picked", "offer, mark_ready, pick"),
            ("given back", "offer, mark_ready, pick, release"),
            ("delivered", "offer, mark_ready, pick, deliver"),
            ("called off", "offer, call_off"),
            ("nobody came", "offer, mark_ready, give_up"),
            ("lost on the way", "offer, mark_ready, pick, abandon"),
        ],
        Kind::Customer => &[
            ("nothing", ""),
            ("registered", "register"),
            ("moved", "register, set_contact"),
            ("reads English", "register, set_preferences"),
            ("one order before the next grade", "register, count, count"),
        ],
        Kind::Review => &[("nothing", ""), ("invited", "invite"), ("written", "invite, write"), ("answered", "invite, write, reply")],
        Kind::Notice => &[
            ("nothing", ""),
            ("queued", "queue"),
            ("sent", "queue, mark_sent"),
            ("skipped", "queue, mark_skipped"),
            ("failed", "queue, mark_sent, report"),
        ],
        view => unreachable!("{view:?} takes no commands"),
    };
    let mut states: Vec<(&'static str, Vec<Ask>)> = table.iter().map(|(name, labels)| (*name, path(labels))).collect();
    match kind {
        Kind::Rider => {
            let take = |n: u8| ask("", rider::Command::Take { order: OrderId(Bits([n; 10])) });
            states.push(("box full", [path("register, start"), vec![take(10), take(11), take(12)]].concat()));
        }
        Kind::Store => {
            let hours = store::Hours { from_minute: Count::new(0).unwrap(), to_minute: Count::new(60).unwrap() };
            let late = vec![ask("", store::Command::SetHours { hours: Some(hours) })];
            states.push(("open door outside its hours", [path("register, set_dish, open"), late].concat()));
            let none = vec![ask("", store::Command::SetCapacity { capacity: Capacity::new(0).unwrap() })];
            states.push(("no capacity at all", [path("register, set_dish, open"), none].concat()));
        }
        _ => {}
    }
    states
}

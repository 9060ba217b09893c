//! What holds for every rule, whatever happens in whatever order: tried out by brute force, with seeds, so that a failure
//! repeats.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod given;

use domain::{Row, Tag, order::pricing};
use given::{Ask, after, ask, asks, given, person, samples, send, states};
use samples::*;
use shared::{
    api::{LedgerAccount, MyPage, OrderShown},
    id::Bits,
    money::Price,
    order::{Reason, Status},
    *,
};
use std::collections::{BTreeMap, BTreeSet};

/// Marsaglia's xorshift64: enough chance for a test, and the same each time.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Every state of the tables, and those that chance reaches from there within a few commands.
fn reached(kind: Kind) -> Vec<Row> {
    let (states, asks) = (states(kind), asks(kind));
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for seed in 0..200 {
        let mut dice = Dice::new(seed + 1);
        let mut row = given(kind, &states[seed as usize % states.len()].1);
        for _ in 0..8 {
            rows.insert(serde_json::to_string(&row).unwrap(), row.clone());
            let events = send(&row, dice.pick(&asks)).unwrap_or_default();
            row = after(row, &events);
        }
    }
    rows.into_values().collect()
}

/// Tries every command on every reached state of an aggregate, and calls for each what must hold of it.
fn check(mut holds: impl FnMut(&Row, &Ask, &Result<Vec<Event>, Refusal>)) {
    for kind in given::AGGREGATES {
        let (rows, asks) = (reached(kind), asks(kind));
        assert!(rows.len() > 3, "{kind:?} has hardly any state");
        for row in &rows {
            for ask in &asks {
                holds(row, ask, &send(row, ask));
            }
        }
    }
}

/// Commands that may tell the same again, and why that does no harm. The engine brings each message once; this is the
/// second net.
const AGAIN: &[(&str, &str)] = &[
    ("Order.ConfirmDelayed", "two delays of ten minutes are twenty minutes; each comes once by its cursor"),
    ("Ticket.Delay", "the same, and a repeat by a person is caught by its idempotency key"),
    ("Customer.Count", "which orders were counted is not remembered; each completion comes once by its cursor"),
    ("Ticket.Withdraw", "whoever asks again after cooking started is refused again, and a second refusal finds no request"),
    ("Ticket.Revise", "the same for a change"),
    ("Ticket.Open", "a ticket that was withdrawn early is dropped again, and its place is free already"),
    ("Store.Admit", "whoever is turned away is turned away again, and the order is rejected already"),
    ("Payment.Adjust", "a total that is so already is confirmed again, and the order waits for no change any more"),
    ("Delivery.Widen", "wide is wide"),
];

#[test]
fn a_command_said_twice_changes_nothing_more() {
    let mut needed = BTreeSet::new();
    check(|row, ask, first| {
        let Ok(events) = first else { return };
        let row = after(row.clone(), events);
        match send(&row, ask) {
            Ok(again) if !again.is_empty() => {
                let name = command_variant(&ask.command);
                needed.insert(name);
                assert!(AGAIN.iter().any(|(known, _)| *known == name), "{} twice: {events:?}, then {again:?}", ask.label);
            }
            _ => {}
        }
    });
    let excused: BTreeSet<_> = AGAIN.iter().map(|(name, _)| *name).collect();
    assert_eq!(excused, needed, "an excuse that nobody needs hides the next fault");
}

#[test]
fn a_decision_is_the_same_each_time_and_its_events_read_back() {
    let back = |event: &Event| serde_json::from_str::<Event>(&serde_json::to_string(event).unwrap()).unwrap();
    for (_, event) in samples::events() {
        assert_eq!(back(&event), event);
    }
    check(|row, ask, events| {
        assert_eq!(&send(row, ask), events, "{}", ask.label);
        for event in events.iter().flatten() {
            assert_eq!(&back(event), event);
        }
    });
}

#[test]
fn a_row_reads_back() {
    for kind in given::AGGREGATES {
        for row in reached(kind) {
            let kept = serde_json::to_string(&row).unwrap();
            assert_eq!(Row::read(kind, &mut serde_json::Deserializer::from_str(&kept)).unwrap(), row, "{kept}");
        }
    }
    for (kind, row) in viewed() {
        let kept = serde_json::to_string(&row).unwrap();
        assert_eq!(Row::read(kind, &mut serde_json::Deserializer::from_str(&kept)).unwrap(), row, "{kept}");
    }
}

/// Rows of every view, each after some of the samples in some order.
fn viewed() -> Vec<(Kind, Row)> {
    let events = samples::events();
    let mut rows = vec![];
    for seed in 0..60 {
        let mut dice = Dice::new(seed + 1);
        let mut now: BTreeMap<(Kind, String), Row> = BTreeMap::new();
        for version in 1..40 {
            // The first walk takes each event in turn, so that none is missed.
            let (_, event) = if seed == 0 { &events[version as usize * 2 % events.len()] } else { dice.pick(&events) };
            for key in Context::ALL.into_iter().flat_map(|context| domain::projections(context, event)) {
                if let Some(row) = domain::project(key.0, now.remove(&key), event, version) {
                    rows.push((key.0, row.clone()));
                    now.insert(key, row);
                }
            }
        }
    }
    let kinds: BTreeSet<_> = rows.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.len() + given::AGGREGATES.len(), Kind::ALL.len(), "a view has no row: {kinds:?}");
    rows
}

/// Everybody who might look, with a name for the report.
fn readers() -> Vec<(&'static str, Actor)> {
    let all = vec![Role::Customer, Role::Owner, Role::Rider, Role::Operator];
    vec![
        ("customer", person(customer_id().account(), Role::Customer)),
        ("owner", person(owner_id(), Role::Owner)),
        ("rider", person(rider_id().account(), Role::Rider)),
        ("other rider", person(other_rider_id().account(), Role::Rider)),
        ("operator", person(AccountId(Bits([9; 10])), Role::Operator)),
        ("stranger", Actor::Person { account: AccountId(Bits([8; 10])), roles: all }),
        ("customer in another role", person(customer_id().account(), Role::Owner)),
        ("rider in another role", person(rider_id().account(), Role::Customer)),
        ("system", Actor::System),
    ]
}

#[test]
fn nobody_reads_a_contact_who_has_no_business_with_it() {
    let mut rows: Vec<(Kind, Row)> =
        given::AGGREGATES.into_iter().flat_map(|kind| reached(kind).into_iter().map(move |r| (kind, r))).collect();
    rows.extend(viewed());
    let mut read = BTreeMap::new();
    for (kind, row) in rows {
        for (name, reader) in readers() {
            let Some(shown) = row.show(&reader) else { continue };
            let json = serde_json::to_value(&shown).unwrap();
            if json.to_string().contains(SECRET) {
                // A contact is on its own customer's profile, and with the rider who carries the food right now.
                let may = match kind {
                    Kind::Customer => name == "customer",
                    Kind::Delivery => json["status"] == "picked" && ["rider", "other rider"].contains(&name) && carries(&json, &reader),
                    _ => false,
                };
                assert!(may, "the {name} reads a contact: {json}");
                *read.entry((kind, name)).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(read.len(), 3, "and those three do read it: {read:?}");
}

fn carries(delivery: &serde_json::Value, reader: &Actor) -> bool {
    let rider = delivery["rider"].as_str().and_then(RiderId::parse);
    rider.is_some_and(|rider| reader.is_rider(rider))
}

#[test]
fn an_order_that_was_never_paid_is_none_of_the_stores() {
    let owner = person(owner_id(), Role::Owner);
    let sees = |row: &Row| row.show(&owner).is_some() || row.tags().iter().any(|tag| tag.name.starts_with("owner:"));
    for (name, path) in states(Kind::Order) {
        let paid = path.iter().any(|ask| ask.label == "confirm_paid");
        assert_eq!(sees(&given(Kind::Order, &path)), paid, "{name}");
    }
    let unpaid = [ask("", samples::commands()[0].clone()), ask("", order::Command::Cancel { reason: None })];
    assert!(!sees(&given(Kind::Order, &unpaid)));
}

/// A stranger, in whatever role, moves nothing, and cannot tell what is there from what is not.
#[test]
fn nobody_commands_what_is_not_theirs() {
    let roles = vec![Role::Customer, Role::Owner, Role::Rider, Role::Operator];
    let stranger = Actor::Person { account: AccountId(Bits([8; 10])), roles };
    check(|row, ask, _| {
        let answer = send(row, &Ask { by: stranger.clone(), ..ask.clone() });
        // What nobody has yet may be begun by anybody, in their own name; and any rider may take a job.
        let free = row == &Row::empty(ask.command.kind()).unwrap() || matches!(ask.command, Command::Delivery(_) | Command::Ticket(_));
        match answer {
            Ok(events) if !free => panic!("a stranger's {} was heard: {events:?}", ask.label),
            Err(refusal) if !free => assert_eq!(refusal, Refusal::NotFound {}, "{}", ask.label),
            Ok(events) if ask.command.sender() == Sender::System => panic!("a stranger spoke for the system: {events:?}"),
            _ => {}
        }
    });
}

/// Lists the variants of an enum; a new one does not compile until it is listed.
macro_rules! every {
    ($($path:ident)::+ : $($variant:ident)*) => {{
        use $($path)::+ as E;
        let _ = |one: E| match one { $(E::$variant => ()),* };
        vec![$(E::$variant),*]
    }};
}

#[test]
fn every_status_has_its_word_and_a_label_in_both_languages() {
    fn distinct<S: serde::Serialize + Copy>(all: &[S], code: impl Fn(S) -> Option<&'static str>, label: impl Fn(S, Lang) -> &'static str) {
        let mut labels = BTreeSet::new();
        for one in all {
            if let Some(code) = code(*one) {
                assert_eq!(serde_json::to_value(one).unwrap(), code);
            }
            for lang in [Lang::Ko, Lang::En] {
                let label = label(*one, lang);
                assert!(!label.trim().is_empty() && labels.insert(label), "{label:?} is said twice");
                assert_eq!(label.is_ascii(), lang == Lang::En, "{label:?} is not in {lang:?}");
            }
        }
    }
    let orders = every!(order::Status: PendingPayment Placed CancelRequested ChangeRequested Accepted Cooking Cooked Picked Delivered
        Completed Rejected Cancelled PaymentFailed);
    assert_eq!(orders, Status::ALL);
    distinct(&orders, |s| Some(s.code()), Status::label);
    let tickets = every!(ticket::Status: Waiting Accepted Cooking Finished Rejected Withdrawn Abandoned);
    distinct(&tickets, |s| Some(s.code()), ticket::Status::label);
    let deliveries = every!(delivery::Status: Waiting Picked Delivered CalledOff Failed);
    distinct(&deliveries, |s| Some(s.code()), delivery::Status::label);
    let grades = every!(customer::Grade: Thankful Precious MorePrecious Soulmate);
    distinct(&grades, |_| None, customer::Grade::label);
}

/// What can be said of an order after it was placed, those that bring it forward more often than those that end it.
fn facts() -> Vec<Ask> {
    let ends = ["cancel", "confirm_withdrawn", "confirm_rejected", "fail_payment", "expire"];
    let mut all = asks(Kind::Order);
    all.push(ask("back", order::Command::Change { basket: dishes(3) }));
    all.into_iter().flat_map(|ask| vec![ask.clone(); if ends.contains(&ask.label.as_str()) { 1 } else { 4 }]).collect()
}

/// What a watcher may see: never less than before, but for a lock, which goes back to what is under it.
#[derive(Default)]
struct Watcher {
    highest: Option<Status>,
    finals: Vec<Status>,
}

impl Watcher {
    fn sees(&mut self, status: Status) {
        assert!(self.finals.is_empty() || self.finals == [status], "{status:?} after the end {:?}", self.finals);
        match status {
            Status::CancelRequested | Status::ChangeRequested => {
                assert!(self.highest < Some(Status::Cooking), "{status:?} after cooking started");
            }
            Status::Rejected | Status::Cancelled | Status::PaymentFailed => {
                assert!(self.highest < Some(Status::Delivered), "{status:?} after it was delivered");
                assert!(status != Status::Rejected || self.highest < Some(Status::Cooking), "{status:?} after cooking started");
                self.finals = vec![status];
            }
            _ => {
                assert!(Some(status) >= self.highest, "{status:?} after {:?}", self.highest);
                self.highest = Some(status);
                if status == Status::Completed {
                    self.finals = vec![status];
                }
            }
        }
    }
}

fn shown_order(row: &Row, to: &Actor) -> OrderShown {
    serde_json::from_value(serde_json::to_value(row.show(to).unwrap()).unwrap()).unwrap()
}

#[test]
fn an_order_never_goes_back_and_ends_once() {
    let (facts, customer) = (facts(), person(customer_id().account(), Role::Customer));
    let place = ask("", samples::commands()[0].clone());
    // Of two dishes one can be left out.
    let Command::Order(order::Command::Place { about, drop, note, means, thanks, .. }) = place.command.clone() else { unreachable!() };
    let place_two = ask("", order::Command::Place { about, basket: two_dishes(), drop, note, means, thanks });
    let (mut ends, mut offers): (BTreeMap<String, u32>, u32) = (BTreeMap::new(), 0);
    for seed in 0..20_000 {
        let mut dice = Dice::new(seed + 1);
        let (mut row, mut page, mut version) = (Row::empty(Kind::Order).unwrap(), None, 0);
        let mut watcher = Watcher::default();
        for step in 0..40 {
            // Half of the orders are paid at once, because most chance sequences end before that.
            let said = match step {
                0 if seed % 4 < 2 => &place,
                0 => &place_two,
                1 if seed % 2 == 0 => facts.iter().find(|ask| ask.label == "confirm_paid").unwrap(),
                _ => dice.pick(&facts),
            };
            let over = !watcher.finals.is_empty();
            for event in send(&row, said).unwrap_or_default() {
                assert!(!over, "seed {seed}: {} after the end caused {event:?}", said.label);
                version += 1;
                row = domain::evolve(row, &event);
                page = domain::project(Kind::MyPage, page, &event, version);
                let OrderShown { status, change, offer, .. } = shown_order(&row, &customer);
                watcher.sees(status);
                assert!(change.is_none() || !status.is_final(), "seed {seed}: a change is shown as unsettled after the end");
                let waits = matches!(status, Status::Placed | Status::Accepted);
                assert!(offer.is_none() || waits, "seed {seed}: an offer is open while the order is {status:?}");
                let told: MyPage = serde_json::from_value(serde_json::to_value(page.as_ref().unwrap().show(&customer)).unwrap()).unwrap();
                assert_eq!((told.status, told.timeline.len() as u64), (status, version), "seed {seed}: the page tells another story");
                assert_eq!((told.offer, told.change), (offer.clone(), change), "seed {seed}: the page shows another offer or change");
                offers += u32::from(offer.is_some());
            }
        }
        *ends.entry(format!("{:?}", watcher.finals)).or_default() += 1;
    }
    // Each end, and no end, was met often enough for the above to mean something.
    for end in ["[Completed]", "[Rejected]", "[Cancelled]", "[PaymentFailed]", "[]"] {
        assert!(ends.get(end).is_some_and(|n| *n > 200), "{end} is rare: {ends:?}");
    }
    assert!(offers > 200, "offers are rare: {offers}");
}

/// What the customer accepts is what the store offered, and the two differ by what goes back.
#[test]
fn an_accepted_offer_is_the_change_that_was_offered() {
    use order::{Command as C, Event as E};
    let asks = asks(Kind::Order);
    let named = |label: &str| asks.iter().find(|ask| ask.label == label).unwrap();
    for (name, path) in states(Kind::Order) {
        let row = given(Kind::Order, &path);
        for without in [vec![text("콜라")], vec![text("허니콤보"), text("허니콤보")]] {
            let Ok(made) = send(&row, &ask("", C::Offer { without })) else { continue };
            let [Event::Order(E::OfferMade { basket, without, refund, .. })] = &made[..] else { continue };
            assert_eq!(basket.total + *refund, two_dishes().total, "{name}");
            assert!(basket.lines.iter().all(|line| !without.contains(&line.item)) && without.len() == 1, "{name}: {basket:?}");
            let row = after(row.clone(), &made);
            let taken = send(&row, named("accept_offer")).unwrap();
            let row = after(row, &taken);
            let settled = send(&row, named("confirm_changed")).unwrap();
            let [Event::Order(E::Changed { basket: cooked, difference, .. })] = &settled[..] else { panic!("{name}: {settled:?}") };
            assert_eq!((cooked, *difference), (basket, Won::ZERO - *refund), "{name}");
            let refused = send(&row, named("refuse_change")).unwrap();
            let row = after(row, &refused);
            assert_eq!(shown_order(&row, &person(owner_id(), Role::Owner)).basket, two_dishes(), "{name}: the kitchen was faster");
        }
    }
}

/// The owner's no, the customer's cancel and the start of cooking meet at the ticket: whoever is first wins, and nobody else.
#[test]
fn whoever_is_first_at_a_ticket_wins() {
    use ticket::Event as E;
    let asks = asks(Kind::Ticket);
    let named = |label: &str| asks.iter().find(|ask| ask.label == label).unwrap();
    let wins = |events: &[Event]| {
        let is_win = |event: &Event| matches!(event, Event::Ticket(E::Rejected { .. } | E::Withdrawn { .. } | E::Started { .. }));
        events.iter().filter(|event| is_win(event)).count()
    };
    let mut won = BTreeMap::new();
    for (name, path) in states(Kind::Ticket) {
        let row = given(Kind::Ticket, &path);
        for first in ["reject", "withdraw", "start"] {
            let events = send(&row, named(first)).unwrap_or_default();
            if wins(&events) == 0 {
                continue;
            }
            *won.entry(first).or_insert(0) += 1;
            let row = after(row.clone(), &events);
            for second in ["reject", "withdraw", "start"] {
                let events = send(&row, named(second)).unwrap_or_default();
                assert_eq!(wins(&events), 0, "{name}: {first}, then {second}");
            }
            if first == "reject" {
                // A change that comes late, its money and every deadline find that it is over.
                for ask in &asks {
                    let events = send(&row, ask).unwrap_or_default();
                    assert!(events.is_empty(), "{name}: rejected, then {}: {events:?}", ask.label);
                }
                assert!(row.tags().iter().all(|tag| !tag.name.starts_with("open:")), "{name}: a rejected ticket is on no wall");
            }
        }
    }
    assert_eq!(won, BTreeMap::from([("reject", 8), ("start", 3), ("withdraw", 11)]));
}

/// A store may say no to what it has accepted, whatever the customer has asked for meanwhile: all that was paid goes back, and
/// no wish stays open. From the start of cooking on it is no such thing any more.
#[test]
fn an_order_is_rejected_until_it_is_cooked() {
    use order::{Command as C, Event as E};
    let customer = person(customer_id().account(), Role::Customer);
    let (mut rejected, mut stood) = (0, 0);
    for (name, path) in states(Kind::Order).into_iter().filter(|(name, _)| *name != "nothing") {
        let row = given(Kind::Order, &path);
        let before = shown_order(&row, &customer);
        let said = Reason::Said(text("재료 소진"));
        let no = ask("", C::ConfirmRejected { reason: said.clone() });
        let events = send(&row, &no).unwrap();
        let reached = |status: Status| before.timeline.iter().any(|step| step.status == status);
        if before.status.is_final() || [Status::Cooking, Status::Cooked, Status::Picked].into_iter().any(reached) {
            assert!(events.is_empty(), "{name}: {events:?}");
            stood += 1;
            continue;
        }
        let [Event::Order(E::Rejected { reason, refund, .. })] = &events[..] else { panic!("{name}: {events:?}") };
        let paid = if before.status == Status::PendingPayment { Won::ZERO } else { before.basket.total };
        assert_eq!((reason, *refund), (&said, paid), "{name}");
        let row = after(row, &events);
        let OrderShown { status, change, offer, .. } = shown_order(&row, &customer);
        assert_eq!((status, change, offer), (Status::Rejected, None, None), "{name}");
        for ask in asks(Kind::Order) {
            let events = send(&row, &ask).unwrap_or_default();
            assert!(events.is_empty(), "{name}: rejected, then {}: {events:?}", ask.label);
        }
        rejected += 1;
    }
    assert!(rejected > 15 && stood > 12, "{rejected} were rejected, {stood} stood");
}

/// What was asked of the provider and what it answered, kept apart from the rules.
#[derive(Default)]
struct Bank {
    charges: BTreeMap<u32, Won>,
    refunds: BTreeMap<u32, Won>,
    answered: BTreeSet<u32>,
    /// Charges that were told to have come to nothing.
    nothing: BTreeSet<u32>,
    /// What each refund takes of which charge, as it was said first.
    parts: BTreeMap<u32, Vec<domain::payment::Part>>,
}

impl Bank {
    /// What a refund takes of each charge is said once and for all, is the refund, and is never more than the charge.
    fn splits(&mut self, due: &[domain::payment::Due]) {
        for refund in due.iter().filter(|due| due.charge.is_none()) {
            let first = self.parts.entry(refund.movement).or_insert_with(|| refund.parts.clone());
            assert_eq!(*first, refund.parts, "refund {} takes something else than before", refund.movement);
            assert_eq!(refund.parts.iter().map(|part| part.amount).sum::<Won>(), refund.amount);
        }
        for (charge, amount) in &self.charges {
            let all = self.parts.values().flatten().filter(|part| part.charge == *charge);
            let taken: Won = all.map(|part| part.amount).sum();
            assert!(taken == Won::ZERO || self.answered.contains(charge) && taken <= *amount, "{taken} of charge {charge} over {amount}");
        }
    }

    fn hears(&mut self, event: &payment::Event) {
        use payment::Event as E;
        let mut ask = |movement: u32, amount: Won, of_refunds: bool| {
            assert!(amount > Won::ZERO, "a movement of {amount} won");
            assert!(!self.charges.contains_key(&movement) && !self.refunds.contains_key(&movement), "movement {movement} is used twice");
            if of_refunds {
                self.refunds.insert(movement, amount)
            } else {
                self.charges.insert(movement, amount)
            };
        };
        match event {
            E::Requested { movement, amount, .. } => ask(*movement, *amount, false),
            E::RefundRequested { movement, amount, .. } => ask(*movement, *amount, true),
            E::Approved { movement, amount, .. } => {
                assert_eq!(self.charges.get(movement), Some(amount));
                // What had come to nothing is approved all the same, once: it goes back.
                assert!(self.answered.insert(*movement) || self.nothing.remove(movement));
            }
            E::Declined { movement, .. } => {
                assert!(self.charges.contains_key(movement) && self.answered.insert(*movement) && self.nothing.insert(*movement));
            }
            E::Refunded { movement, amount, .. } => {
                assert_eq!(self.refunds.get(movement), Some(amount));
                assert!(self.answered.insert(*movement));
            }
            // It is no answer: the provider is asked again.
            E::RefundRefused { movement, amount, .. } => {
                assert!(self.refunds.get(movement) == Some(amount) && !self.answered.contains(movement));
            }
            E::Voided { .. } | E::Adjusted { .. } | E::AdjustFailed { .. } => {}
        }
    }
}

/// Where an older version lists a payment: whatever the provider has not answered is asked for.
fn listed_before(row: &Row) -> BTreeSet<Tag> {
    let tags = row.tags().into_iter();
    tags.map(|mut tag| {
        tag.name = if tag.name == domain::payment::UNWANTED { domain::payment::DUE.to_owned() } else { tag.name };
        tag
    })
    .collect()
}

/// A command of a payment that is thrown, about one of so many movements.
fn any_of_payment(dice: &mut Dice, movements: usize) -> payment::Command {
    use payment::Command as C;
    let (order, customer, movement) = (order_id(), customer_id(), 1 + dice.below(movements) as u32);
    match dice.below(25) {
        0..4 => C::Request { order, customer, amount: Won(20_000), means: order::Means::Card },
        4..10 => C::Approve { movement },
        10..12 => C::Decline { movement, reason: Reason::Declined },
        12..14 => C::Refund { order, customer, reason: Reason::Unsaid },
        14..18 => C::Adjust { total: Won(10_000 + 5_000 * dice.below(5) as i64) },
        18..20 => C::GiveUp { movement },
        20 => C::RefuseRefund { movement, reason: Reason::Declined, code: None },
        _ => C::ConfirmRefund { movement },
    }
}

#[test]
fn rows_of_an_older_version_are_listed_as_those_of_this_one_once_they_have_changed() {
    let mut moved = 0;
    for seed in 0..10_000 {
        let mut dice = Dice::new(seed + 1);
        let (mut row, upgrade) = (Row::empty(Kind::Payment).unwrap(), dice.below(12));
        let mut listed = BTreeSet::new();
        for step in 0..15 {
            let events = send(&row, &ask("", any_of_payment(&mut dice, 4))).unwrap();
            let before = row.clone();
            row = after(row, &events);
            if step < upgrade {
                listed = listed_before(&row);
                continue;
            }
            // Even one that has not changed can be listed anew.
            if !events.is_empty() || !before.former_tags().is_empty() {
                moved += u32::from(listed != before.tags().into_iter().collect());
                let (leaves, joins) = domain::moves(Some(&before), &row);
                listed.retain(|tag| !leaves.contains(tag));
                listed.extend(joins);
            }
            assert_eq!(listed, row.tags().into_iter().collect(), "seed {seed}, step {step}: {row:?}");
        }
    }
    assert!(moved > 500, "{moved} were listed otherwise");
}

#[test]
fn money_is_conserved() {
    let operator = person(AccountId(Bits([9; 10])), Role::Operator);
    let (mut lost, mut refunded, mut adjusted) = (0, 0, 0);
    for seed in 0..20_000 {
        let mut dice = Dice::new(seed + 1);
        let (mut row, mut bank, mut over) = (Row::empty(Kind::Payment).unwrap(), Bank::default(), false);
        let mut ledger: BTreeMap<String, Row> = BTreeMap::new();
        for _ in 0..30 {
            let command = any_of_payment(&mut dice, 6);
            over |= matches!(command, payment::Command::Refund { .. });
            let events = send(&row, &ask("", command)).unwrap();
            row = after(row, &events);
            for event in &events {
                let Event::Payment(inner) = event else { unreachable!() };
                bank.hears(inner);
                for (kind, key) in domain::projections(Context::Payment, event) {
                    let entry = domain::project(kind, ledger.remove(&key), event, 1).unwrap();
                    ledger.insert(key, entry);
                }
            }
            let Some(shown) = row.show(&operator) else { continue };
            let shown = serde_json::to_value(shown).unwrap();
            let won = |field: &str| shown[field].as_i64().unwrap();
            let kept = won("captured") - won("refunded") - won("refunding");
            assert!(kept >= 0, "seed {seed}: more goes back than came: {shown}");
            assert!(!over || kept == 0, "seed {seed}: the order is over, and {kept} won are kept: {shown}");
            if let Some(Event::Payment(payment::Event::Adjusted { total, .. })) =
                events.iter().find(|e| event_variant(e) == "Payment.Adjusted")
            {
                assert_eq!(kept, total.0, "seed {seed}: the order costs what is kept");
                adjusted += 1;
            }
            assert_eq!(balance(&ledger), won("captured") - won("refunded"), "seed {seed}: the ledger tells another story");
            let Row::Payment(state) = &row else { unreachable!() };
            let (due, open): (BTreeSet<_>, BTreeSet<_>) = (
                state.due().iter().map(|due| due.movement).chain(state.unwanted().iter().map(|due| due.movement)).collect(),
                bank.charges.keys().chain(bank.refunds.keys()).filter(|m| !bank.answered.contains(m)).copied().collect(),
            );
            assert_eq!(due, open, "seed {seed}: what is due or looked up is what the provider has not answered");
            bank.splits(&state.due());
            lost += u32::from(shown["status"] == "voided");
            refunded += u32::from(shown["status"] == "refunded");
        }
    }
    assert!(lost > 1000 && refunded > 1000 && adjusted > 1000, "hardly anything happened: {lost}, {refunded}, {adjusted}");
}

/// A refund that the provider refuses stays due; operators see it, nobody else does, and only what is new of it is told.
#[test]
fn a_refused_refund_is_told_once_and_stays_due_until_it_goes_back() {
    use payment::Command as C;
    let operator = person(AccountId(Bits([9; 10])), Role::Operator);
    let (_, path) = states(Kind::Payment).into_iter().find(|(name, _)| *name == "refunding").unwrap();
    let say = |row: Row, command: C, at_ms: Millis| {
        let events = domain::decide(&row, &command.into(), &Stamp { by: Actor::System, at_ms }).unwrap();
        (after(row, &events), events.len())
    };
    let refuse = |reason| C::RefuseRefund { movement: 2, reason, code: None };
    let seen = |row: &Row, by: &Actor| serde_json::to_value(row.show(by).unwrap()).unwrap()["refused"].clone();
    let listed = |row: &Row| row.tags().into_iter().find(|tag| tag.name == domain::payment::REFUSED).map(|tag| tag.sort);
    let due = |row: &Row| {
        let Row::Payment(state) = row else { unreachable!() };
        state.due().iter().map(|due| (due.movement, due.refused)).collect::<Vec<_>>()
    };

    let row = given(Kind::Payment, &path);
    assert_eq!((listed(&row), seen(&row, &operator), due(&row)), (None, serde_json::Value::Null, vec![(2, false)]));
    let (row, told) = say(row, refuse(Reason::Declined), NOON_MS + 1);
    assert_eq!(told, 1);
    let (row, told) = say(row, refuse(Reason::Declined), NOON_MS + 2);
    assert_eq!(told, 0, "the same again is nothing new");
    let (row, told) = say(row, refuse(Reason::NotPaid), NOON_MS + 3);
    assert_eq!(told, 1, "another reason is");
    let (refund, charge) = (format!("{}-2", order_id()), format!("{}-1", order_id()));
    let written = format!("환불 {refund}");
    let part = serde_json::json!({ "refund": refund, "charge": charge, "amount": 20_000, "cancel_reason": written });
    let refused = serde_json::json!({ "amount": 20_000, "reason": "not_paid", "since_ms": NOON_MS + 1, "parts": [part] });
    assert_eq!((listed(&row), seen(&row, &operator), due(&row)), (Some(NOON_MS + 1), refused, vec![(2, true)]));
    assert_eq!(seen(&row, &person(customer_id().account(), Role::Customer)), serde_json::Value::Null);

    // The provider's own word for it is news, once; that it gives none any more is not.
    let coded = || C::RefuseRefund { movement: 2, reason: Reason::NotPaid, code: Some(text("NOT_CANCELABLE_AMOUNT")) };
    let (row, told) = say(row, coded(), NOON_MS + 3);
    assert_eq!((told, seen(&row, &operator)["code"].as_str()), (1, Some("NOT_CANCELABLE_AMOUNT")));
    let (row, told) = say(row, coded(), NOON_MS + 3);
    assert_eq!(told, 0, "the same word again");
    let (row, told) = say(row, refuse(Reason::NotPaid), NOON_MS + 3);
    assert_eq!((told, seen(&row, &operator)["code"].as_str()), (0, Some("NOT_CANCELABLE_AMOUNT")));

    let (row, told) = say(row, C::ConfirmRefund { movement: 2 }, NOON_MS + 4);
    assert_eq!((told, listed(&row), seen(&row, &operator), due(&row)), (1, None, serde_json::Value::Null, vec![]));
    assert_eq!(say(row, refuse(Reason::Declined), NOON_MS + 5).1, 0, "what went back is not refused any more");
}

/// What nobody waits for any more is looked up and not asked for; when it has come to nothing nobody looks any more, and it
/// goes back if it was approved all the same.
#[test]
fn an_unwanted_charge_is_looked_up_until_it_has_come_to_nothing_and_goes_back_if_it_has_not() {
    let lists = |row: &Row| {
        let Row::Payment(state) = row else { unreachable!() };
        let listed: Vec<_> = row.tags().into_iter().map(|tag| tag.name).filter(|name| name.starts_with("due")).collect();
        let due: Vec<_> = state.due().iter().map(|due| (due.charge.is_some(), due.movement)).collect();
        (
            listed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            due,
            state.unwanted().iter().map(|due| due.movement).collect::<Vec<_>>(),
        )
    };
    let is = |listed: &[&str], due: &[(bool, u32)], unwanted: &[u32]| {
        (listed.iter().map(ToString::to_string).collect::<Vec<_>>(), due.to_vec(), unwanted.to_vec())
    };
    let at = |name: &str| given(Kind::Payment, &states(Kind::Payment).into_iter().find(|(is, _)| *is == name).unwrap().1);
    for (name, listed, due, unwanted) in [
        ("charging", &["due"][..], &[(true, 1)][..], &[][..]),
        ("called off while charging", &["due:unwanted"], &[], &[1]),
        ("called off, and come to nothing", &[], &[], &[]),
        ("come to nothing, approved after all", &["due"], &[(false, 2)], &[]),
        ("extra charge", &["due"], &[(true, 2)], &[]),
        ("extra charge given up", &["due:unwanted"], &[], &[2]),
        ("given up, and come to nothing", &[], &[], &[]),
        ("given up, approved after all", &["due"], &[(false, 3)], &[]),
        ("extra charge, then the order ended", &["due", "due:unwanted"], &[(false, 3)], &[2]),
    ] {
        assert_eq!(lists(&at(name)), is(listed, due, unwanted), "{name}");
    }
}

/// What the provider holds for us, by the ledger's own entries.
fn balance(ledger: &BTreeMap<String, Row>) -> i64 {
    let sum = |row: &Row| {
        let Row::LedgerEntry(entry) = row else { unreachable!() };
        assert!(entry.amount > Won::ZERO && entry.debit != entry.credit, "{entry:?}");
        if entry.debit == LedgerAccount::Provider { entry.amount.0 } else { -entry.amount.0 }
    };
    ledger.values().map(sum).sum()
}

/// The provider cannot charge nothing, so an order costs something even where nothing has a price.
#[test]
fn nothing_is_ordered_for_nothing() {
    let free = store::Dish { price: Price::new(0).unwrap(), choices: vec![], ..dish() };
    let store = store::Profile { menu: vec![free], minimum: Won::ZERO, delivery_fee: Won::ZERO, ..profile() };
    let wish = order::Wish { item: dish().name, quantity: Count::new(1).unwrap(), options: vec![] };
    let price = |wishes: &[order::Wish]| pricing::order(&store, wishes, NOON_MS);
    assert_eq!(price(&[wish]), Err(Refusal::BelowMinimum { minimum: Won(1) }));
    assert_eq!(price(&[]), Err(Refusal::BelowMinimum { minimum: Won(1) }));
}

/// A store that is closed, or has no place in its kitchen, takes no order; what is on its wall may be changed.
#[test]
fn nothing_new_is_ordered_where_none_is_taken() {
    let wish = order::Wish { item: dish().name, quantity: Count::new(1).unwrap(), options: vec![] };
    let capacity = |places| store::Capacity::new(places).unwrap();
    for (store, takes) in [
        (store::Profile { capacity: capacity(1), ..profile() }, true),
        (store::Profile { capacity: capacity(0), ..profile() }, false),
        (store::Profile { door: store::Door::Paused, ..profile() }, false),
        (store::Profile { door: store::Door::Closed, ..profile() }, false),
    ] {
        let changed = pricing::price(&store, std::slice::from_ref(&wish)).unwrap();
        let placed = pricing::order(&store, std::slice::from_ref(&wish), NOON_MS);
        assert_eq!(placed, if takes { Ok(changed) } else { Err(Refusal::StoreClosed {}) }, "{store:?}");
    }
}

/// What is left out is left out whole, the rest costs what it cost, and something is left.
#[test]
fn a_basket_without_some_dishes_is_the_rest() {
    use domain::order::pricing::without;
    let fried = |options: &[&str]| order::Line { options: options.iter().map(|name| text(name)).collect(), ..dishes(2).lines[0].clone() };
    let coke = two_dishes().lines[1].clone();
    let free = order::Line { item: text("단무지"), each: Won::ZERO, ..coke.clone() };
    let basket = |lines: &[order::Line]| {
        let food: Won = lines.iter().map(|line| line.each * line.quantity.get()).sum();
        order::Basket { lines: lines.to_vec(), delivery_fee: Won(3_000), total: food + Won(3_000) }
    };
    let all = basket(&[fried(&["무 추가"]), coke.clone(), fried(&[]), free.clone()]);
    assert_eq!(without(&all, &[text("허니콤보")]), Ok(basket(&[coke.clone(), free.clone()])), "with whatever options");
    assert_eq!(without(&all, &[text("콜라"), text("콜라")]), Ok(basket(&[fried(&["무 추가"]), fried(&[]), free])));
    // What is left may be less than the store's minimum, but not worth nothing.
    assert_eq!(without(&all, &[text("콜라"), text("허니콤보")]), Err(Refusal::NothingLeft {}));
    assert_eq!(without(&all, &[text("없는 메뉴")]), Err(Refusal::NotOrdered { item: text("없는 메뉴") }));
    for single in [basket(&[coke]), basket(&[fried(&["무 추가"]), fried(&[])])] {
        assert_eq!(without(&single, &[]), Err(Refusal::NothingLeft {}), "of one dish there is nothing to leave out");
    }
}

/// Rows of payments that were kept before refusals were remembered are read as they were: without one.
#[test]
fn a_row_from_before_refusals_is_read() {
    for (name, path) in states(Kind::Payment).into_iter().filter(|(name, _)| !name.contains("refused")) {
        let payment = given(Kind::Payment, &path);
        let mut kept = serde_json::to_value(&payment).unwrap();
        assert!(kept.as_object_mut().unwrap().remove("refused").is_some(), "{name}");
        assert_eq!(Row::read(Kind::Payment, &kept).unwrap(), payment, "{name}");
    }
}

/// Rows that were kept before there were offers are read as they were: without one.
#[test]
fn a_row_from_before_offers_is_read() {
    let forget = |kept: &mut serde_json::Value, field: &str| assert!(kept.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    let (_, path) = states(Kind::Order).into_iter().find(|(name, _)| *name == "accepted").unwrap();
    let order = given(Kind::Order, &path);
    let mut kept = serde_json::to_value(&order).unwrap();
    ["offer", "answered"].iter().for_each(|field| forget(&mut kept, field));
    assert_eq!(Row::read(Kind::Order, &kept).unwrap(), order);
    let page = domain::project(Kind::MyPage, None, &samples::events()[0].1, 1).unwrap();
    let mut kept = serde_json::to_value(&page).unwrap();
    ["offer", "change"].iter().for_each(|field| forget(&mut kept["story"], field));
    assert_eq!(Row::read(Kind::MyPage, &kept).unwrap(), page);
}

//! One sample of each command and of each event, and proof that none is missing: the names below are matched without a
//! wildcard, so a new variant does not compile until it is named, and [`unsampled`] tells which names have no sample.

#![allow(dead_code, reason = "each test file uses some of the samples")]

use shared::{
    id::Bits,
    money::Price,
    order::{About, Basket, Drop, Line, Means, Reason, Status},
    store::{Capacity, Choice, Dish, Door, Hours, Profile},
    *,
};
use std::collections::BTreeSet;

/// Noon in Korea on a Wednesday.
pub const NOON_MS: Millis = 1_767_754_800_000;

/// Must never be read by those who have no business with it.
pub const SECRET: &str = "sealed-door-and-phone";

pub fn order_id() -> OrderId {
    OrderId(Bits([1; 10]))
}
pub fn store_id() -> StoreId {
    StoreId(Bits([3; 10]))
}
pub fn owner_id() -> AccountId {
    AccountId(Bits([4; 10]))
}
pub fn customer_id() -> CustomerId {
    CustomerId(Bits([5; 10]))
}
pub fn rider_id() -> RiderId {
    RiderId(Bits([6; 10]))
}
pub fn other_rider_id() -> RiderId {
    RiderId(Bits([7; 10]))
}

pub fn text<const MAX: usize>(words: &str) -> Text<MAX> {
    Text::new(words).unwrap()
}
pub fn minutes(number: u32) -> Minutes {
    Minutes::new(number).unwrap()
}
pub fn contact() -> Sealed {
    Sealed(SECRET.into())
}
pub fn at_store() -> Point {
    Point { lat: 37.4979, lng: 127.0276 }
}

pub fn about() -> About {
    About {
        order: order_id(),
        customer: customer_id(),
        store: store_id(),
        owner: owner_id(),
        store_name: text("교촌"),
        cell: shared::Cell(749, 2540),
    }
}

/// Nobody has ordered it yet; 20,000 won with the fee.
pub fn basket() -> Basket {
    dishes(1)
}

/// So many chickens for 17,000 each, and 3,000 for bringing them.
pub fn dishes(quantity: u32) -> Basket {
    let each = Won(17_000);
    let line = Line { item: text("허니콤보"), quantity: Count::new(quantity).unwrap(), options: vec![text("무 추가")], each };
    Basket { lines: vec![line], delivery_fee: Won(3_000), total: each * quantity + Won(3_000) }
}

/// A chicken as above, and a coke for 2,000 won.
pub fn two_dishes() -> Basket {
    let Basket { mut lines, delivery_fee, total } = dishes(1);
    let each = Won(2_000);
    lines.push(Line { item: text("콜라"), quantity: Count::new(1).unwrap(), options: vec![], each });
    Basket { lines, delivery_fee, total: total + each }
}

pub fn drop() -> Drop {
    let area = Point { lat: 37.5, lng: 127.04 };
    Drop { contact: contact(), area, store_at: at_store(), note: Some(text("문 앞에")), fee: Won(3_000) }
}

pub fn dish() -> Dish {
    let choices = vec![Choice { name: text("무 추가"), price: Price::new(1_000).unwrap() }];
    Dish { name: text("허니콤보"), price: Price::new(16_000).unwrap(), choices, sold_out: false }
}

pub fn profile() -> Profile {
    Profile {
        store: store_id(),
        owner: owner_id(),
        revision: 1,
        name: text("교촌"),
        address: text("서울 강남대로 1"),
        at: at_store(),
        door: Door::Open,
        hours: Some(hours()),
        menu: vec![dish()],
        minimum: Won(10_000),
        delivery_fee: Won(3_000),
        capacity: Capacity::new(10).unwrap(),
        thanks: Some(text("고맙습니다")),
    }
}

/// From ten in the morning to two at night.
pub fn hours() -> Hours {
    Hours { from_minute: Count::new(600).unwrap(), to_minute: Count::new(120).unwrap() }
}

pub fn notice() -> notice::Notice {
    notice::Notice {
        order: order_id(),
        store_name: Some(text("교촌")),
        to: customer_id().account(),
        channel: notice::Channel::Inbox,
        topic: notice::Topic::Placed { total: Won(20_000) },
        at_ms: NOON_MS,
    }
}

/// Everything that a notice may tell, each way in which it is told.
pub fn topics() -> Vec<notice::Topic> {
    use notice::Topic as T;
    let (total, refund, eta_ms) = (Won(20_000), Won(5_000), NOON_MS + 35 * 60_000);
    let reason = || Reason::Said(text("재료가 떨어졌어요"));
    let dishes = |names: &[&str]| names.iter().map(|name| text(name)).collect();
    vec![
        T::PendingPayment { total },
        T::Placed { total },
        T::NewOrder { total },
        T::PaymentFailed { reason: Reason::Declined },
        T::Accepted { eta_ms },
        T::Delayed { minutes: 10, eta_ms },
        T::Rejected { reason: reason(), refund: total },
        T::Cooking {},
        T::Cooked {},
        T::Picked {},
        T::Released {},
        T::Delivered {},
        T::Completed {},
        T::Thanks { words: text("고맙습니다") },
        T::CancelRequested {},
        T::CancelRefused {},
        T::Cancelled { reason: Reason::Unsaid, refund: total },
        T::Cancelled { reason: Reason::NotPaid, refund: Won(0) },
        T::Withdrawn { reason: Reason::NoRider },
        T::ChangeRequested { total },
        T::Changed { total, difference: refund },
        T::Changed { total, difference: Won(-5_000) },
        T::Changed { total, difference: Won(0) },
        T::OrderChanged { total },
        T::ChangeRefused { reason: Reason::AlreadyCooking },
        T::OfferMade { without: dishes(&["치킨", "감자", "콜라", "피자", "#{금액}"]), refund, total },
        T::OfferAccepted { total },
        T::OfferDeclined {},
        T::Refunded { amount: refund },
        T::Overdue {},
        T::Promoted { grade: customer::Grade::Precious },
        T::Reviewed { stars: 5 },
    ]
}

macro_rules! names {
    ($($sum:ident $module:ident { commands: $($command:ident)*; events: $($event:ident)*; })*) => {
        /// The variant of a command.
        pub fn command_variant(command: &Command) -> &'static str {
            match command { $($(Command::$sum($module::Command::$command { .. }) => concat!(stringify!($sum), ".", stringify!($command)),)*)* }
        }
        /// The variant of an event.
        pub fn event_variant(event: &Event) -> &'static str {
            match event {
                $($(Event::$sum($module::Event::$event { .. }) => concat!(stringify!($sum), ".", stringify!($event)),)*)*
                Event::Unreadable(_) => unreachable!("no version writes what it does not understand"),
            }
        }
        const COMMANDS: &[&str] = &[$($(concat!(stringify!($sum), ".", stringify!($command)),)*)*];
        const EVENTS: &[&str] = &[$($(concat!(stringify!($sum), ".", stringify!($event)),)*)*];
    };
}

names! {
    Order order {
        commands: Place Cancel Change Offer AcceptOffer DeclineOffer Confirm ConfirmPaid FailPayment Expire ConfirmAccepted ConfirmDelayed ConfirmRejected ConfirmStarted
            ConfirmCooked ConfirmWithdrawn RefuseCancel ConfirmChanged RefuseChange ConfirmPicked ConfirmReleased ConfirmDelivered Close;
        events: Placed Paid PaymentFailed Accepted Delayed Rejected Started Cooked Picked Released Delivered Completed CancelRequested
            CancelRefused Cancelled ChangeRequested Changed ChangeRefused OfferMade OfferAccepted OfferDeclined;
    }
    Payment payment {
        commands: Request Approve Decline Refund Adjust GiveUp ConfirmRefund RefuseRefund Pay;
        events: Requested Approved Declined Voided RefundRequested RefundRefused Refunded Adjusted AdjustFailed;
    }
    Store store {
        commands: Register SetDish RemoveDish SetSoldOut SetHours Open Close Pause SetTerms SetCapacity SetThanks Admit Release;
        events: Changed Admitted TurnedAway Released;
    }
    Ticket ticket {
        commands: Accept Reject Start Finish Delay Open Withdraw Revise Settle Revert ExpireAnswer MarkOverdue Abandon;
        events: Opened Dropped Accepted Rejected Started Delayed Overdue Finished Withdrawn WithdrawalRefused Revised RevisionRefused
            Settled Reverted Abandoned;
    }
    Rider rider {
        commands: Register Start End Move Take Drop;
        events: Registered Started Ended Moved Took Dropped;
    }
    Delivery delivery {
        commands: Pick Release Deliver Offer MarkReady CallOff Widen GiveUp Abandon;
        events: Offered Ready Picked Released Delivered CalledOff Widened Failed;
    }
    Customer customer {
        commands: Register SetContact SetPreferences Count;
        events: Registered ContactSet PreferencesSet Counted Promoted;
    }
    Review review {
        commands: Invite Write Reply;
        events: Invited Written Replied;
    }
    Notice notice {
        commands: Queue MarkSent MarkSkipped Report;
        events: Queued Sent Skipped Reported;
    }
}

/// The names that have no sample: none, or a test fails.
pub fn unsampled() -> Vec<&'static str> {
    let commands: BTreeSet<_> = commands().iter().map(command_variant).collect();
    let events: BTreeSet<_> = events().iter().map(|(_, event)| event_variant(event)).collect();
    let missing = |all: &[&'static str], sampled: &BTreeSet<&str>| all.iter().copied().filter(|name| !sampled.contains(name)).collect();
    let (mut commands, events): (Vec<_>, Vec<_>) = (missing(COMMANDS, &commands), missing(EVENTS, &events));
    commands.extend(events);
    commands
}

/// Every command, once.
pub fn commands() -> Vec<Command> {
    let (order, customer, store, owner, rider) = (order_id(), customer_id(), store_id(), owner_id(), rider_id());
    let mut all: Vec<Command> = vec![];
    {
        use order::Command::*;
        let place = Place {
            about: about(),
            basket: basket(),
            drop: drop(),
            note: Some(text("덜 맵게")),
            means: Means::Card,
            thanks: Some(text("고맙습니다")),
        };
        let rest = [
            Cancel { reason: Some(text("늦어서")) },
            Change { basket: dishes(2) },
            Offer { without: vec![text("콜라")] },
            AcceptOffer {},
            DeclineOffer {},
            Confirm {},
            ConfirmPaid {},
            FailPayment { reason: Reason::Declined },
            Expire {},
            ConfirmAccepted { cook_minutes: minutes(20) },
            ConfirmDelayed { minutes: minutes(10) },
            ConfirmRejected { reason: Reason::OverCapacity },
            ConfirmStarted {},
            ConfirmCooked {},
            ConfirmWithdrawn { reason: Reason::Unsaid },
            RefuseCancel {},
            ConfirmChanged {},
            RefuseChange { reason: Reason::AlreadyCooking },
            ConfirmPicked { rider },
            ConfirmReleased { rider },
            ConfirmDelivered {},
            Close {},
        ];
        all.push(place.into());
        all.extend(rest.map(Command::from));
    }
    {
        use payment::Command::*;
        let all_of = [
            Request { order, customer, amount: Won(20_000), means: Means::Card },
            Approve { movement: 1 },
            Decline { movement: 1, reason: Reason::Declined },
            Refund { order, customer, reason: Reason::Unsaid },
            Adjust { total: Won(37_000) },
            GiveUp { movement: 2 },
            ConfirmRefund { movement: 2 },
            RefuseRefund { movement: 2, reason: Reason::Declined, code: None },
            Pay {},
        ];
        all.extend(all_of.map(Command::from));
    }
    {
        use store::Command::*;
        let all_of = [
            Register { store, owner, name: text("교촌"), address: text("서울 강남대로 1"), at: at_store() },
            SetDish { dish: dish() },
            RemoveDish { name: text("허니콤보") },
            SetSoldOut { name: text("허니콤보"), sold_out: true },
            SetHours { hours: Some(hours()) },
            Open {},
            Close {},
            Pause {},
            SetTerms { minimum: Price::new(10_000).unwrap(), delivery_fee: Price::new(3_000).unwrap() },
            SetCapacity { capacity: Capacity::new(1).unwrap() },
            SetThanks { text: Some(text("고맙습니다")) },
            Admit { about: about(), basket: basket(), note: Some(text("덜 맵게")) },
            Release { order },
        ];
        all.extend(all_of.map(Command::from));
    }
    {
        use ticket::Command::*;
        let all_of = [
            Accept { cook_minutes: minutes(20) },
            Reject { reason: text("재료가 없어요") },
            Start {},
            Finish {},
            Delay { minutes: minutes(10) },
            Open { about: about(), basket: basket(), note: Some(text("덜 맵게")) },
            Withdraw { about: about(), reason: Reason::Unsaid },
            Revise { about: about(), basket: dishes(2) },
            Settle { about: about() },
            Revert { about: about() },
            ExpireAnswer {},
            MarkOverdue {},
            Abandon {},
        ];
        all.extend(all_of.map(Command::from));
    }
    {
        use rider::Command::*;
        let all_of = [
            Register { rider, name: text("번쩍") },
            Start { at: at_store() },
            End {},
            Move { at: Point { lat: 37.5, lng: 127.0 } },
            Take { order },
            Drop { order },
        ];
        all.extend(all_of.map(Command::from));
    }
    {
        use delivery::Command::*;
        let all_of = [
            Pick {},
            Release {},
            Deliver {},
            Offer { about: about(), drop: drop(), ready_ms: NOON_MS + 1_200_000 },
            MarkReady { about: about() },
            CallOff { about: about() },
            Widen {},
            GiveUp {},
            Abandon {},
        ];
        all.extend(all_of.map(Command::from));
    }
    {
        use customer::Command::*;
        let all_of = [
            Register { customer, name: text("고객"), contact: contact(), lang: Lang::Ko },
            SetContact { contact: Sealed(format!("{SECRET}-2").into()) },
            SetPreferences { lang: Lang::En, progress: false },
            Count { order },
        ];
        all.extend(all_of.map(Command::from));
    }
    {
        use review::Command::*;
        let all_of =
            [Invite { about: about() }, Write { stars: Count::new(5).unwrap(), text: text("최고") }, Reply { text: text("또 오세요") }];
        all.extend(all_of.map(Command::from));
    }
    all.extend(
        [
            notice::Command::Queue { notice: notice() },
            notice::Command::MarkSent { way: Some(notice::Way::Solapi) },
            notice::Command::MarkSkipped { why: Some(notice::Omitted::Shed) },
            notice::Command::Report { outcome: notice::Outcome::Failed },
        ]
        .map(Command::from),
    );
    all
}

/// Every event, at least once; the word says what is special about a sample, when there is more than one.
pub fn events() -> Vec<(&'static str, Event)> {
    let (order, customer, store, rider, at_ms) = (order_id(), customer_id(), store_id(), rider_id(), NOON_MS);
    let mut all: Vec<(&'static str, Event)> = vec![];
    {
        use order::Event::*;
        let (note, thanks): (Option<Text<200>>, Option<Text<200>>) = (Some(text("덜 맵게")), Some(text("고맙습니다")));
        let (about, basket) = (about(), basket());
        let a = || about.clone();
        let of = [
            (
                "",
                Placed {
                    about: a(),
                    basket: basket.clone(),
                    drop: drop(),
                    note: note.clone(),
                    means: Means::Card,
                    thanks: thanks.clone(),
                    at_ms,
                },
            ),
            ("", Paid { about: a(), basket, note, at_ms }),
            ("", PaymentFailed { about: a(), reason: Reason::Declined, at_ms }),
            (
                "",
                Accepted {
                    about: a(),
                    drop: drop(),
                    cook_minutes: minutes(20),
                    status: Status::Accepted,
                    eta_ms: at_ms + 1_500_000,
                    at_ms,
                },
            ),
            ("", Delayed { about: a(), minutes: minutes(10), eta_ms: at_ms + 2_100_000, at_ms }),
            ("", Rejected { about: a(), reason: Reason::SoldOut(text("허니콤보")), refund: Won(20_000), at_ms }),
            ("", Started { about: a(), at_ms }),
            ("", Cooked { about: a(), at_ms }),
            ("", Picked { about: a(), rider, at_ms }),
            ("", Released { about: a(), at_ms }),
            ("", Delivered { about: a(), rider: Some(rider), at_ms }),
            ("", Completed { about: a(), total: Won(20_000), thanks, at_ms }),
            ("", CancelRequested { about: a(), reason: Reason::Said(text("늦어서")), at_ms }),
            ("", CancelRefused { about: a(), status: Status::Cooking, at_ms }),
            ("", Cancelled { about: a(), reason: Reason::Unsaid, refund: Won(20_000), at_ms }),
            ("not paid", Cancelled { about: a(), reason: Reason::NotPaid, refund: Won(0), at_ms }),
            ("", ChangeRequested { about: a(), basket: dishes(2), at_ms }),
            (
                "",
                Changed { about: a(), basket: dishes(2), difference: Won(17_000), status: Status::Accepted, asked_ms: Some(at_ms), at_ms },
            ),
            ("", ChangeRefused { about: a(), reason: Reason::Declined, status: Status::Accepted, asked_ms: Some(at_ms), at_ms }),
            ("", OfferMade { about: a(), basket: dishes(1), without: vec![text("콜라")], refund: Won(2_000), at_ms }),
            ("", OfferAccepted { about: a(), basket: dishes(1), at_ms }),
            ("", OfferDeclined { about: a(), at_ms }),
        ];
        all.extend(of.map(|(word, event)| (word, event.into())));
    }
    {
        use payment::Event::*;
        let of = [
            ("", Requested { order, customer, movement: 1, amount: Won(20_000), means: Means::Card, extra: false, at_ms }),
            ("extra", Requested { order, customer, movement: 2, amount: Won(17_000), means: Means::Card, extra: true, at_ms }),
            ("", Approved { order, customer, movement: 1, amount: Won(20_000), extra: false, at_ms }),
            ("extra", Approved { order, customer, movement: 2, amount: Won(17_000), extra: true, at_ms }),
            ("", Declined { order, customer, movement: 1, reason: Reason::Declined, extra: false, at_ms }),
            ("extra", Declined { order, customer, movement: 2, reason: Reason::Declined, extra: true, at_ms }),
            ("", Voided { order, customer, at_ms }),
            (
                "",
                RefundRequested {
                    order,
                    customer,
                    movement: 3,
                    amount: Won(37_000),
                    reason: Some(Reason::Unsaid),
                    means: Means::Card,
                    at_ms,
                },
            ),
            (
                "",
                RefundRefused {
                    order,
                    customer,
                    movement: 3,
                    amount: Won(37_000),
                    reason: Reason::Declined,
                    code: Some(text("NOT_CANCELABLE_AMOUNT")),
                    at_ms,
                },
            ),
            ("", Refunded { order, customer, movement: 3, amount: Won(37_000), at_ms }),
            ("", Adjusted { order, customer, total: Won(37_000), at_ms }),
            ("", AdjustFailed { order, customer, reason: Reason::Declined, at_ms }),
        ];
        all.extend(of.map(|(word, event)| (word, event.into())));
    }
    {
        use store::Event::*;
        let of = [
            Changed { profile: Box::new(profile()), at_ms },
            Admitted { about: about(), basket: basket(), note: Some(text("덜 맵게")), at_ms },
            TurnedAway { about: about(), reason: Reason::OverCapacity, at_ms },
            Released { store, order, at_ms },
        ];
        all.extend(of.map(|event| ("", event.into())));
    }
    {
        use ticket::Event::*;
        let of = [
            Opened { about: about(), basket: basket(), note: Some(text("덜 맵게")), at_ms },
            Dropped { about: about(), at_ms },
            Accepted { about: about(), cook_minutes: minutes(20), at_ms },
            Rejected { about: about(), reason: Reason::NoAnswer, at_ms },
            Started { about: about(), at_ms },
            Delayed { about: about(), minutes: minutes(10), remaining: minutes(15), at_ms },
            Overdue { about: about(), at_ms },
            Finished { about: about(), at_ms },
            Withdrawn { about: about(), reason: Reason::Unsaid, at_ms },
            WithdrawalRefused { about: about(), at_ms },
            Revised { about: about(), basket: dishes(2), at_ms },
            RevisionRefused { about: about(), reason: Reason::AlreadyCooking, at_ms },
            Settled { about: about(), basket: dishes(2), at_ms },
            Reverted { about: about(), at_ms },
            Abandoned { about: about(), at_ms },
        ];
        all.extend(of.map(|event| ("", event.into())));
    }
    {
        use rider::Event::*;
        let of = [
            Registered { rider, name: text("번쩍"), at_ms },
            Started { rider, at: at_store(), at_ms },
            Ended { rider, at_ms },
            Moved { rider, at: at_store(), at_ms },
            Took { rider, order, at_ms },
            Dropped { rider, order, at_ms },
        ];
        all.extend(of.map(|event| ("", event.into())));
    }
    {
        use delivery::Event::*;
        let of = [
            ("", Offered { about: about(), drop: drop(), ready_ms: at_ms + 1_200_000, at_ms }),
            ("", Ready { about: about(), at_ms }),
            ("", Picked { about: about(), rider, at_ms }),
            ("", Released { about: about(), rider, at_ms }),
            ("", Delivered { about: about(), rider, at_ms }),
            ("", CalledOff { about: about(), at_ms }),
            ("", Widened { about: about(), at_ms }),
            ("nobody came", Failed { about: about(), rider: None, at_ms }),
            ("on the way", Failed { about: about(), rider: Some(rider), at_ms }),
        ];
        all.extend(of.map(|(word, event)| (word, event.into())));
    }
    {
        use customer::{Event::*, Grade};
        let of = [
            Registered { customer, name: text("고객"), contact: contact(), lang: Lang::Ko, at_ms },
            ContactSet { customer, contact: contact(), at_ms },
            PreferencesSet { customer, lang: Lang::En, progress: false, at_ms },
            Counted { customer, order, completed: 3, grade: Grade::Precious, at_ms },
            Promoted { customer, order, grade: Grade::Precious, at_ms },
        ];
        all.extend(of.map(|event| ("", event.into())));
    }
    {
        use review::Event::*;
        let of = [
            Invited { about: about(), at_ms },
            Written { about: about(), stars: Count::new(5).unwrap(), text: text("최고"), at_ms },
            Replied { about: about(), text: text("또 오세요"), at_ms },
        ];
        all.extend(of.map(|event| ("", event.into())));
    }
    let to = customer.account();
    let of = [
        notice::Event::Queued { notice: notice() },
        notice::Event::Sent { order, to, way: Some(notice::Way::Solapi), at_ms },
        notice::Event::Skipped { order, to, why: Some(notice::Omitted::Shed), at_ms },
        notice::Event::Reported { order, to, outcome: notice::Outcome::Failed, at_ms },
    ];
    all.extend(of.map(|event| ("", event.into())));
    all
}

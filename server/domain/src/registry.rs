//! The one list of aggregates, policies and views, and what follows from it: sums over all of them, so that whoever
//! stores, delivers and waits needs to know none by name.

use crate::{Decider, Policy, Reaction, Tag, View, customer, notification, order, payment, rider, store};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shared::{Actor, Command, Context, Event, Kind, Refusal, Sender, Stamp};

macro_rules! registry {
    (
        aggregates { $($agg:ident $decider:ty,)* }
        views { $($view:ident $projector:ty,)* }
        policies { $($policy:ty,)* }
    ) => {
        /// What is kept under a kind and a key: an aggregate's state, or a view's row.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Row {
            $(
                /// The aggregate's state.
                $agg(<$decider as Decider>::State),
            )*
            $(
                /// The view's row.
                $view(<$projector as View>::Row),
            )*
        }

        impl Row {
            /// What nothing is for an aggregate; `None` for a view.
            pub fn empty(kind: Kind) -> Option<Row> {
                match kind {
                    $(Kind::$agg => Some(Row::$agg(Default::default())),)*
                    $(Kind::$view => None,)*
                }
            }

            /// True when rows of this kind are made of the events of their own stream, and of nothing else.
            pub fn is_folded(kind: Kind) -> bool {
                match kind {
                    $(Kind::$agg => true,)*
                    $(Kind::$view => false,)*
                }
            }

            /// Reads a row as it was kept.
            ///
            /// # Errors
            /// The deserializer's.
            pub fn read<'de, D: Deserializer<'de>>(kind: Kind, from: D) -> Result<Row, D::Error> {
                match kind {
                    $(Kind::$agg => <$decider as Decider>::State::deserialize(from).map(Row::$agg),)*
                    $(Kind::$view => <$projector as View>::Row::deserialize(from).map(Row::$view),)*
                }
            }

            /// Under which labels it is listed.
            pub fn tags(&self) -> Vec<Tag> {
                match self {
                    $(Row::$agg(state) => <$decider as Decider>::tags(state),)*
                    $(Row::$view(row) => <$projector as View>::tags(row),)*
                }
            }

            /// Under which labels an older version may have listed it, instead of those of now.
            pub fn former_tags(&self) -> Vec<Tag> {
                match self {
                    $(Row::$agg(state) => <$decider as Decider>::former_tags(state),)*
                    $(Row::$view(_) => vec![],)*
                }
            }

            /// What this reader may see of it; `None` when it is none of theirs.
            pub fn show(&self, actor: &Actor) -> Option<Shown> {
                match self {
                    $(Row::$agg(state) => <$decider as Decider>::show(state, actor).map(Shown::$agg),)*
                    $(Row::$view(row) => <$projector as View>::show(row, actor).map(Shown::$view),)*
                }
            }
        }

        impl Serialize for Row {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Row::$agg(state) => state.serialize(to),)*
                    $(Row::$view(row) => row.serialize(to),)*
                }
            }
        }

        /// What a reader may see of a row.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Shown {
            $(
                /// Of the aggregate.
                $agg(<$decider as Decider>::Shown),
            )*
            $(
                /// Of the view.
                $view(<$projector as View>::Shown),
            )*
        }

        fn decide_any(row: &Row, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
            match (row, command) {
                $((Row::$agg(state), Command::$agg(command)) => {
                    Ok(<$decider as Decider>::decide(state, command, stamp)?.into_iter().map(Event::$agg).collect())
                })*
                _ => unreachable!("a command of {:?} was sent to another kind of row", command.kind()),
            }
        }

        fn obeys(row: &Row, command: &Command, actor: &Actor) -> bool {
            match (row, command) {
                $((Row::$agg(state), Command::$agg(command)) => <$decider as Decider>::obeys(state, command, actor),)*
                _ => false,
            }
        }

        /// The state after an event of its own kind.
        pub fn evolve(row: Row, event: &Event) -> Row {
            match (row, event) {
                $((Row::$agg(state), Event::$agg(event)) => Row::$agg(<$decider as Decider>::evolve(state, event)),)*
                _ => unreachable!("an event of {:?} came to another kind of row", event.kind()),
            }
        }

        /// One sample of each command that people send by `PUT` to an aggregate of this kind.
        pub fn verbs(kind: Kind) -> Vec<Command> {
            match kind {
                $(Kind::$agg => <$decider as Decider>::verbs().into_iter().map(Command::$agg).collect(),)*
                $(Kind::$view => vec![],)*
            }
        }

        /// What a context does when it hears of this.
        pub fn react(context: Context, event: &Event) -> Vec<Reaction> {
            $(if context == <$policy>::CONTEXT {
                return <$policy>::react(event);
            })*
            vec![]
        }

        /// Whose events a context hears, its own aside.
        pub fn sources(context: Context) -> Vec<Context> {
            let mut sources: Vec<Context> = vec![];
            $(if context == <$policy>::CONTEXT { sources.extend(<$policy>::LISTENS); })*
            $(if context == <$projector as View>::KIND.context() { sources.extend(<$projector as View>::LISTENS); })*
            sources.sort();
            sources.dedup();
            sources
        }

        /// The rows of a context's views that an event concerns.
        pub fn projections(context: Context, event: &Event) -> Vec<(Kind, String)> {
            let mut rows = vec![];
            $(if context == <$projector as View>::KIND.context() {
                rows.extend(<$projector as View>::key(event).map(|key| (<$projector as View>::KIND, key)));
            })*
            rows
        }

        /// A view's row after an event; `version` is the event's within its stream.
        pub fn project(kind: Kind, row: Option<Row>, event: &Event, version: u64) -> Option<Row> {
            match (kind, row) {
                $((Kind::$view, None) => <$projector as View>::project(None, event, version).map(Row::$view),)*
                $((Kind::$view, Some(Row::$view(row))) => <$projector as View>::project(Some(row), event, version).map(Row::$view),)*
                (kind, _) => unreachable!("{kind:?} is not the view of this row"),
            }
        }
    };
}

registry! {
    aggregates {
        Order order::Order,
        Payment payment::Payment,
        Store store::Store,
        Ticket store::Ticket,
        Rider rider::Rider,
        Delivery rider::Delivery,
        Customer customer::Customer,
        Review customer::Review,
        Notice notification::Notices,
    }
    views {
        Storefront order::Storefronts,
        LedgerEntry payment::Ledger,
        ShopPage store::ShopPages,
        DeliveryInfo rider::DeliveryInfos,
        MyPage customer::MyPages,
        Preference notification::Preferences,
    }
    policies {
        order::Policies,
        payment::Policies,
        store::Policies,
        rider::Policies,
        customer::Policies,
        notification::Policies,
    }
}

/// The labels that a row leaves with a change, and those that it joins: all anew, if an older version may have listed it
/// otherwise.
pub fn moves(before: Option<&Row>, now: &Row) -> (Vec<Tag>, Vec<Tag>) {
    let (old, former) = before.map_or_else(Default::default, |row| (row.tags(), row.former_tags()));
    let mut joins = now.tags();
    let leaves = old.iter().chain(&former).filter(|tag| !joins.contains(tag)).cloned().collect();
    joins.retain(|tag| !(former.is_empty() && old.contains(tag)));
    (leaves, joins)
}

/// May this happen, and if so, what happens?
///
/// # Errors
/// A person is refused as if the thing were not there when it is not theirs to command; otherwise the rule's no.
pub fn decide(row: &Row, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
    if let Actor::Person { .. } = &stamp.by {
        let allowed = matches!(command.sender(), Sender::Person(role) if stamp.by.is(role));
        if !allowed || !obeys(row, command, &stamp.by) {
            return Err(Refusal::NotFound {});
        }
    }
    decide_any(row, command, stamp)
}

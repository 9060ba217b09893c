//! The store: its profile, its menu, and how many open tickets it takes.

use crate::{
    AccountId, Count, Millis, OrderId, Point, Role, Sender, StoreId, Text, Won,
    money::Price,
    order::{About, Basket, Reason},
};
use serde::{Deserialize, Serialize};

/// An option of a dish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What it is called.
    pub name: Text<60>,
    /// What it adds.
    pub price: Price,
}

/// A dish on the menu.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dish {
    /// What it is called; a store has one dish of a name.
    pub name: Text<60>,
    /// Without options.
    pub price: Price,
    /// What can be added; at most [`Dish::MAX_CHOICES`].
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// True while there is none left.
    #[serde(default)]
    pub sold_out: bool,
}

impl Dish {
    /// More options than this do not fit a screen.
    pub const MAX_CHOICES: usize = 20;
}

/// When a store is open, in minutes of the Korean day. A closing time before the opening time is on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Opens at.
    pub from_minute: Count<0, 1439>,
    /// Closes at.
    pub to_minute: Count<0, 1439>,
}

/// Whether a store takes orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// Takes orders within its hours.
    Open,
    /// For a moment not.
    Paused,
    /// Not.
    #[default]
    Closed,
}

/// A number of tickets. A kitchen with more than a thousand at once is not one kitchen.
pub type Capacity = Count<0, 1000>;

/// All that others may know of a store. It travels whole with each change, so that a copy is made by replacing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Profile {
    /// Which store.
    pub store: StoreId,
    /// Whose.
    pub owner: AccountId,
    /// Counts the changes, so that an older copy never replaces a newer one.
    pub revision: u64,
    /// On the sign.
    pub name: Text<60>,
    /// On the street.
    pub address: Text<200>,
    /// On the map.
    pub at: Point,
    /// Takes orders?
    pub door: Door,
    /// Always, when absent.
    pub hours: Option<Hours>,
    /// The dishes.
    pub menu: Vec<Dish>,
    /// Dishes worth less are not brought.
    pub minimum: Won,
    /// For bringing them.
    pub delivery_fee: Won,
    /// Tickets that may be open at once.
    pub capacity: Capacity,
    /// Said to the customer at the end.
    pub thanks: Option<Text<200>>,
}

impl Profile {
    /// More dishes than this do not fit a menu.
    pub const MAX_DISHES: usize = 200;
}

/// What may be asked of a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Open a business; it starts closed, with an empty menu. The edge fills in who and which.
    Register { store: StoreId, owner: AccountId, name: Text<60>, address: Text<200>, at: Point },
    /// Put a dish on the menu, or change it.
    SetDish { dish: Dish },
    /// Take a dish off the menu.
    RemoveDish { name: Text<60> },
    /// None left, or some again.
    SetSoldOut { name: Text<60>, sold_out: bool },
    /// Set the hours; none means always.
    SetHours {
        #[serde(default)]
        hours: Option<Hours>,
    },
    /// Take orders.
    Open {},
    /// Take no orders.
    Close {},
    /// Take no orders for a moment.
    Pause {},
    /// Set the smallest order and the delivery fee.
    SetTerms { minimum: Price, delivery_fee: Price },
    /// Set how many tickets may be open at once.
    SetCapacity { capacity: Capacity },
    /// Set what is said to the customer at the end.
    SetThanks {
        #[serde(default)]
        text: Option<Text<200>>,
    },
    /// A paid order wants a place.
    Admit { about: About, basket: Basket, note: Option<Text<200>> },
    /// A ticket ended: its place is free.
    Release { order: OrderId },
}

impl Command {
    /// Who may send each.
    pub fn sender(&self) -> Sender {
        match self {
            Command::Admit { .. } | Command::Release { .. } => Sender::System,
            _ => Sender::Person(Role::Owner),
        }
    }
}

/// What can happen to a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The profile is now this.
    Changed { profile: Box<Profile>, at_ms: Millis },
    /// An order has a place.
    Admitted { about: About, basket: Basket, note: Option<Text<200>>, at_ms: Millis },
    /// An order has no place.
    TurnedAway { about: About, reason: Reason, at_ms: Millis },
    /// A place is free again.
    Released { store: StoreId, order: OrderId, at_ms: Millis },
}

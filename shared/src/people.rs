//! Who speaks, and when.

use crate::{AccountId, CustomerId, Millis, RiderId};
use serde::{Deserialize, Serialize};

/// What an account may be. One account can be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Orders food.
    Customer,
    /// Runs a store.
    Owner,
    /// Carries food.
    Rider,
    /// Mends what is stuck.
    Operator,
}

/// Whoever sends a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A person, logged in.
    Person {
        /// Whose token it was.
        account: AccountId,
        /// What the account may be.
        roles: Vec<Role>,
    },
    /// A policy, a timer or a worker.
    System,
}

impl Actor {
    /// True for a person with this role.
    pub fn is(&self, role: Role) -> bool {
        matches!(self, Actor::Person { roles, .. } if roles.contains(&role))
    }

    /// True for the person of this account, in any role.
    pub fn owns(&self, id: AccountId) -> bool {
        matches!(self, Actor::Person { account, .. } if *account == id)
    }

    /// True for a person who is this customer.
    pub fn is_customer(&self, id: CustomerId) -> bool {
        self.is(Role::Customer) && self.owns(id.account())
    }

    /// True for a person who is this rider.
    pub fn is_rider(&self, id: RiderId) -> bool {
        self.is(Role::Rider) && self.owns(id.account())
    }

    /// True for an owner whose account this is.
    pub fn is_owner(&self, id: AccountId) -> bool {
        self.is(Role::Owner) && self.owns(id)
    }

    /// The account; `None` for the system.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Actor::Person { account, .. } => Some(*account),
            Actor::System => None,
        }
    }
}

/// Who may send a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A person with this role, through the edge.
    Person(Role),
    /// Only policies, timers and workers.
    System,
}

/// What the edge stamps on a command: who sent it, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    /// The sender.
    pub by: Actor,
    /// The time at the edge, or of the event that caused the command.
    pub at_ms: Millis,
}

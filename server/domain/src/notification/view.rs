//! How customers want their notices, and where to: this context's own copy.

use crate::{Tag, View};
use serde::{Deserialize, Serialize};
use shared::{Actor, Context, Event, Kind, Lang, Sealed, customer};

/// The view of all customers' wishes.
pub struct Preferences;

/// A reader's wishes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preference {
    /// The language.
    pub lang: Lang,
    /// Are notices of mere progress wanted?
    pub progress: bool,
    /// Where texts go: sealed, and opened only by whoever sends one. Rows that an older version wrote have none.
    #[serde(default)]
    pub contact: Option<Sealed>,
}

impl Default for Preference {
    fn default() -> Self {
        Self { lang: Lang::Ko, progress: true, contact: None }
    }
}

impl View for Preferences {
    const KIND: Kind = Kind::Preference;
    const LISTENS: &'static [Context] = &[Context::Customer];
    type Row = Preference;
    type Shown = Preference;

    fn key(event: &Event) -> Option<String> {
        use customer::Event as E;
        match event {
            Event::Customer(E::Registered { customer, .. } | E::ContactSet { customer, .. } | E::PreferencesSet { customer, .. }) => {
                Some(customer.account().to_string())
            }
            _ => None,
        }
    }

    fn project(row: Option<Preference>, event: &Event, _: u64) -> Option<Preference> {
        use customer::Event as E;
        match event {
            Event::Customer(E::Registered { lang, contact, .. }) => {
                Some(Preference { lang: *lang, progress: true, contact: Some(contact.clone()) })
            }
            Event::Customer(E::ContactSet { contact, .. }) => {
                Some(Preference { contact: Some(contact.clone()), ..row.unwrap_or_default() })
            }
            Event::Customer(E::PreferencesSet { lang, progress, .. }) => {
                Some(Preference { lang: *lang, progress: *progress, ..row.unwrap_or_default() })
            }
            _ => row,
        }
    }

    fn show(_: &Preference, _: &Actor) -> Option<Preference> {
        // Customers read theirs in their profile.
        None
    }

    fn tags(_: &Preference) -> Vec<Tag> {
        vec![]
    }
}

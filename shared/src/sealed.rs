//! What is personal: a phone number and a full address travel sealed, under a key of their person.

use crate::{Point, Text};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A phone number and the full address: who needs them is said in `domain`, case by case.
#[derive(Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// For calls during the delivery.
    pub phone: Phone,
    /// As a rider must read it at the door.
    pub address: Text<200>,
    /// Where the door is.
    pub at: Point,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(..)")
    }
}

/// Digits and hyphens, 9 to 13 of them, such as 010-1234-5678.
#[derive(Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Phone(Box<str>);

impl Phone {
    /// Takes a number as people write it.
    ///
    /// # Errors
    /// Says what a number looks like.
    pub fn new(text: &str) -> Result<Self, String> {
        let ok = (9..=13).contains(&text.len()) && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if ok { Ok(Self(text.into())) } else { Err("a phone number such as 010-1234-5678 is wanted".into()) }
    }

    /// The number as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(..)")
    }
}

impl<'de> Deserialize<'de> for Phone {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(&std::borrow::Cow::<'de, str>::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// A [`Contact`] that only the keeper of its person's key can read. Forgetting the key erases every copy at once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Sealed(pub Box<str>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

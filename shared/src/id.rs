//! Ids: 80 bits, written as a prefix and 16 letters of Crockford's base 32 (<https://www.crockford.com/base32.html>).
//!
//! Everything about one order is keyed by its order id; a customer's and a rider's id repeat the bits of their account.
//! They are distinct types all the same, so that mixing them up is a compile error.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 80 bits in letters of 5 bits.
pub const LETTERS: usize = 16;

/// The bits of an id, whatever it names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bits(pub [u8; 10]);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
        let mut letters = [0u8; LETTERS];
        for (i, letter) in letters.iter_mut().enumerate() {
            *letter = ALPHABET[(number >> (5 * (LETTERS - 1 - i)) & 31) as usize];
        }
        f.write_str(std::str::from_utf8(&letters).map_err(|_| fmt::Error)?)
    }
}

impl Bits {
    /// Reads 16 letters; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LETTERS {
            return None;
        }
        let mut number = 0u128;
        for letter in text.bytes() {
            number = number << 5 | ALPHABET.iter().position(|a| *a == letter)? as u128;
        }
        let mut bits = [0u8; 10];
        bits.copy_from_slice(&number.to_be_bytes()[6..]);
        Some(Self(bits))
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Bits);

        impl $name {
            /// What stands before the letters, with its underscore.
            pub const PREFIX: &'static str = concat!($prefix, "_");

            /// Reads the written form; `None` for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                Bits::parse(text.strip_prefix(Self::PREFIX)?).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", Self::PREFIX, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                Self::parse(&text).ok_or_else(|| de::Error::custom(
                    concat!("an id of the form ", $prefix, "_ and 16 letters is wanted")))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": concat!("^", $prefix, "_[0-9a-hjkmnp-tv-z]{16}$") })
            }
        }
    )* };
}

ids! {
    /// Names an order, its payment, its ticket, its delivery and its review.
    OrderId "ord";
    /// Names a store.
    StoreId "sto";
    /// Names an account: who logs in.
    AccountId "acc";
    /// Names a customer; the bits are those of the account.
    CustomerId "cus";
    /// Names a rider; the bits are those of the account.
    RiderId "rid";
}

impl CustomerId {
    /// The account behind this customer.
    pub fn account(self) -> AccountId {
        AccountId(self.0)
    }
}

impl RiderId {
    /// The account behind this rider.
    pub fn account(self) -> AccountId {
        AccountId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_wrote() {
        for seed in 0..200u8 {
            let id = OrderId(Bits(std::array::from_fn(|i| seed.wrapping_mul(31).wrapping_add((i as u8).wrapping_mul(57)))));
            assert_eq!(OrderId::parse(&id.to_string()), Some(id));
            assert_eq!(serde_json::from_str::<OrderId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "ord_", "ord_0", "sto_0000000000000000", "ord_000000000000000u", "ord_00000000000000000", "ORD_0000000000000000"] {
            assert_eq!(OrderId::parse(text), None, "{text}");
        }
    }
}

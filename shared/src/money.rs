//! Korean won. The won has no minor unit, so an integer is exact.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, iter::Sum, ops};

/// An amount of won, possibly negative as a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Won(pub i64);

impl Won {
    /// The largest amount that may be read in: a hundred million won, far above any order. 30 lines of 99 dishes of
    /// such a price still fit an `i64` eight digits over, so sums cannot overflow.
    pub const MAX: Won = Won(100_000_000);
    /// Nothing.
    pub const ZERO: Won = Won(0);
}

impl<'de> Deserialize<'de> for Won {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let amount = i64::deserialize(d)?;
        if amount.abs() <= Won::MAX.0 * 30 * 99 {
            Ok(Won(amount))
        } else {
            Err(de::Error::custom("an amount of that size is not possible"))
        }
    }
}

impl schemars::JsonSchema for Won {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Won".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "description": "Korean won" })
    }
}

impl fmt::Display for Won {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl ops::Add for Won {
    type Output = Won;
    fn add(self, other: Won) -> Won {
        Won(self.0 + other.0)
    }
}

impl ops::Sub for Won {
    type Output = Won;
    fn sub(self, other: Won) -> Won {
        Won(self.0 - other.0)
    }
}

impl ops::Mul<u32> for Won {
    type Output = Won;
    fn mul(self, times: u32) -> Won {
        Won(self.0 * i64::from(times))
    }
}

impl ops::AddAssign for Won {
    fn add_assign(&mut self, other: Won) {
        self.0 += other.0;
    }
}

impl ops::SubAssign for Won {
    fn sub_assign(&mut self, other: Won) {
        self.0 -= other.0;
    }
}

impl Sum for Won {
    fn sum<I: Iterator<Item = Won>>(amounts: I) -> Won {
        amounts.fold(Won::ZERO, |a, b| a + b)
    }
}

/// A price that a store may set: 0 to a million won.
pub type Price = crate::Count<0, 1_000_000>;

impl From<Price> for Won {
    fn from(price: Price) -> Won {
        Won(i64::from(price.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn won_is_written_in_groups_of_three() {
        for (amount, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (41_000, "41,000"), (-1_234_567, "-1,234,567")] {
            assert_eq!(Won(amount).to_string(), text);
        }
    }
}

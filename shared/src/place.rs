//! Where things are.

use serde::{Deserialize, Deserializer, Serialize, de};

/// A point on the earth, in degrees of WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Point {
    /// Latitude, -90 to 90.
    pub lat: f64,
    /// Longitude, -180 to 180.
    pub lng: f64,
}

impl Point {
    /// Takes a latitude and a longitude; `None` outside their limits.
    pub fn new(lat: f64, lng: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lng)).then_some(Self { lat, lng })
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Raw {
            lat: f64,
            lng: f64,
        }
        let Raw { lat, lng } = Raw::deserialize(d)?;
        Self::new(lat, lng).ok_or_else(|| de::Error::custom("lat from -90 to 90 and lng from -180 to 180 are wanted"))
    }
}

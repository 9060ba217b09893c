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

/// A cell of the map: a twentieth of a degree each way, at least 4 km wide in Korea. Lists and live streams of what is
/// near are kept cell by cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cell(pub i16, pub i16);

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cell:{}:{}", self.0, self.1)
    }
}

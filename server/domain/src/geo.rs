//! Distances.

use shared::{Cell, Point};

/// Kilometres over the ground between two points, by the haversine formula on a sphere of 6,371 km.
pub fn distance_km(a: Point, b: Point) -> f64 {
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let (d_lat, d_lng) = ((b.lat - a.lat).to_radians() / 2.0, (b.lng - a.lng).to_radians() / 2.0);
    let h = d_lat.sin().powi(2) + lat_a.cos() * lat_b.cos() * d_lng.sin().powi(2);
    2.0 * 6371.0 * h.sqrt().min(1.0).asin()
}

/// Minutes by scooter: 5 at the doors and 3 a kilometre, which is 20 km/h through town; never more than 90.
pub fn ride_minutes(from: Point, to: Point) -> i64 {
    (5.0 + 3.0 * distance_km(from, to)).min(90.0) as i64
}

/// The same place, rounded to a hundredth of a degree: about a kilometre, enough to judge a ride, too little to find a door.
pub fn roughly(at: Point) -> Point {
    Point { lat: (at.lat * 100.0).round() / 100.0, lng: (at.lng * 100.0).round() / 100.0 }
}

/// How far a waiting job is shown at first, in kilometres.
pub const NEAR_KM: f64 = 5.0;
/// How far it is shown when nobody near came for it.
pub const WIDE_KM: f64 = 20.0;

/// The cell that a point is in.
pub fn cell(at: Point) -> Cell {
    cell_at(steps(at.lat), steps(at.lng))
}

/// All cells within so many kilometres, the own one included.
pub fn cells_within(at: Point, km: f64) -> Vec<Cell> {
    let steps_lat = (km / 111.0 * 20.0).ceil() as i64;
    // A degree of longitude shrinks towards the poles; beyond 80 degrees nobody delivers.
    let steps_lng = (km / (111.0 * at.lat.to_radians().cos().max(0.17)) * 20.0).ceil() as i64;
    let (lat, lng) = (steps(at.lat), steps(at.lng));
    (-steps_lat..=steps_lat).flat_map(|a| (-steps_lng..=steps_lng).map(move |b| cell_at(lat + a, lng + b))).collect()
}

fn steps(degrees: f64) -> i64 {
    (degrees * 20.0).floor() as i64
}

/// Degrees have their limits, so steps of them fit: 180 degrees are 3,600.
fn cell_at(lat: i64, lng: i64) -> Cell {
    Cell(lat.clamp(-4_000, 4_000) as i16, lng.clamp(-4_000, 4_000) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gangnam_to_hongdae_is_about_eleven_kilometres() {
        let (gangnam, hongdae) = (Point { lat: 37.4979, lng: 127.0276 }, Point { lat: 37.5572, lng: 126.9254 });
        assert!((distance_km(gangnam, hongdae) - 11.1).abs() < 0.3);
        assert_eq!(distance_km(gangnam, gangnam), 0.0);
    }

    #[test]
    fn a_place_within_reach_is_in_one_of_the_cells() {
        let here = Point { lat: 37.4979, lng: 127.0276 };
        for i in 0..3600 {
            let angle = f64::from(i).to_radians() / 10.0;
            let km = f64::from(i % 50) / 10.0;
            let there =
                Point { lat: here.lat + km / 111.2 * angle.sin(), lng: here.lng + km / 111.2 / here.lat.to_radians().cos() * angle.cos() };
            assert!(cells_within(here, NEAR_KM).contains(&cell(there)), "{there:?}");
        }
    }
}

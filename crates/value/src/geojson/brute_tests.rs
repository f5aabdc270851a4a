//! Containment against brute force: another formula for circles, and counted crossings for polygons.

use super::{Geometry, parse};
use crate::geojson::contain::is_within;
use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, prop_assume, proptest};

fn shape(text: &str) -> Geometry {
    parse(text.as_bytes()).unwrap()
}

fn point(longitude: f64, latitude: f64) -> Geometry {
    shape(&format!(r#"{{"type":"Point","coordinates":[{longitude},{latitude}]}}"#))
}

/// Metres between two places, by the haversine.
fn metres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let ((longitude_a, latitude_a), (longitude_b, latitude_b)) = (a, b);
    let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
    let cosines = latitude_a.to_radians().cos() * latitude_b.to_radians().cos();
    let h = half(latitude_a, latitude_b) + cosines * half(longitude_a, longitude_b);
    2.0 * 6_371_000.0 * h.clamp(0.0, 1.0).sqrt().asin()
}

/// Whether a ray from the place to the east crosses the ring an odd number of times, on a flat map.
fn crosses(ring: &[(f64, f64)], (x, y): (f64, f64)) -> bool {
    let edges = ring.iter().zip(ring.iter().skip(1));
    edges.filter(|(a, b)| (a.1 > y) != (b.1 > y) && x < a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0)).count()
        % 2
        == 1
}

/// The distance from the place to the nearest edge, on a flat map.
fn margin(ring: &[(f64, f64)], (x, y): (f64, f64)) -> f64 {
    let edges = ring.iter().zip(ring.iter().skip(1));
    let distances = edges.map(|(a, b)| {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let along = (((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        (x - a.0 - along * dx).hypot(y - a.1 - along * dy)
    });
    distances.fold(f64::INFINITY, f64::min)
}

fn text(ring: &[(f64, f64)]) -> String {
    let corners: Vec<String> = ring.iter().map(|(x, y)| format!("[{x},{y}]")).collect();
    format!("[{}]", corners.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn circles_hold_what_is_near(
        center in (-180.0..180.0f64, -90.0..90.0f64),
        at in (-180.0..180.0f64, -90.0..90.0f64),
        share in 0.0..2.0f64,
    ) {
        let distance = metres(center, at);
        let radius = distance * share;
        prop_assume!((distance - radius).abs() > 0.01 && distance > 0.01);
        let circle = shape(&format!(r#"{{"type":"AeroCircle","coordinates":[[{},{}],{radius}]}}"#, center.0, center.1));
        let place = point(at.0, at.1);
        prop_assert_eq!(is_within(&place, &circle), distance < radius);
        prop_assert_eq!(is_within(&circle, &place), distance < radius);
    }

    /// Small polygons near the equator: there the earth is flat enough, away from the edges.
    #[test]
    fn polygons_hold_what_rays_say(
        middle in (-170.0..170.0f64, -5.0..5.0f64),
        radii in prop::collection::vec(0.2..1.0f64, 3..12),
        hole in prop::option::of(0.2..0.9f64),
        at in (-1.0..1.0f64, -1.0..1.0f64),
        backwards in proptest::bool::ANY,
    ) {
        let size = 0.5;
        let count = f64::from(u8::try_from(radii.len()).unwrap());
        let ring = |scale: f64| {
            let corner = |(part, radius): (usize, &f64)| {
                let angle = std::f64::consts::TAU * f64::from(u8::try_from(part).unwrap()) / count;
                (middle.0 + size * scale * radius * angle.cos(), middle.1 + size * scale * radius * angle.sin())
            };
            let mut corners: Vec<(f64, f64)> = radii.iter().enumerate().map(corner).collect();
            corners.push(corners[0]);
            if backwards {
                corners.reverse();
            }
            corners
        };
        let place = (middle.0 + at.0 * size, middle.1 + at.1 * size);
        let outer = ring(1.0);
        let holes: Vec<Vec<(f64, f64)>> = hole.into_iter().map(ring).collect();
        let rings: Vec<&Vec<(f64, f64)>> = std::iter::once(&outer).chain(&holes).collect();
        prop_assume!(rings.iter().all(|ring| margin(ring, place) > 0.001));
        let wanted = crosses(&outer, place) && !holes.iter().any(|hole| crosses(hole, place));
        let rings: Vec<String> = rings.into_iter().map(|ring| text(ring)).collect();
        let polygon = shape(&format!(r#"{{"type":"Polygon","coordinates":[{}]}}"#, rings.join(",")));
        prop_assert_eq!(is_within(&point(place.0, place.1), &polygon), wanted);
    }
}

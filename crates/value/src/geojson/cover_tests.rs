//! Coverings: those that a real server answered, and that they are never too small.

use super::{Geometry, Position, cells, is_within, parse};
use proptest::prelude::{prop, proptest};

/// The range of smallest cells in a cell.
fn range(cell: [u8; 8]) -> std::ops::RangeInclusive<u64> {
    let id = u64::from_be_bytes(cell);
    let below = (id & id.wrapping_neg()) - 1;
    id - below..=id + below
}

fn hex(text: &str) -> Vec<String> {
    let cells = cells(text.as_bytes()).unwrap();
    cells.iter().map(|cell| format!("{:x}", u64::from_be_bytes(*cell))).collect()
}

/// `golden/geo-values`.
#[test]
fn cells_are_those_of_a_real_server() {
    assert_eq!(hex(r#"{"type":"Point","coordinates":[-122.0, 37.5]}"#), ["808fb8a247954393"]);
    assert_eq!(hex(r#"{"type":"Point","coordinates":[0, 90]}"#), ["5000000000000001"]);
    assert_eq!(hex(r#"{"type":"Point","coordinates":[180, 0]}"#), ["6fffffffffffffff"]);
    assert_eq!(
        hex(r#"{"type":"AeroCircle","coordinates":[[-122.0, 37.5], 1000]}"#),
        [
            "808fb890b0000000",
            "808fb89700000000",
            "808fb89c00000000",
            "808fb8a400000000",
            "808fb8a8b0000000",
            "808fb8af00000000",
            "808fb8b100000000",
            "808fb8bc00000000",
            "808fc758c0000000",
            "808fc75f00000000",
            "808fc76100000000",
            "808fc76300000000",
        ]
    );
    let triangle = "[[-122.5, 37.0], [-121.0, 37.0], [-121.0, 38.08], [-122.5, 37.0]]";
    assert_eq!(
        hex(&format!(r#"{{"type":"MultiPolygon","coordinates":[[{triangle}]]}}"#)),
        [
            "808e140000000000",
            "808e1c0000000000",
            "808e300000000000",
            "808e500000000000",
            "808ef00000000000",
            "808fb00000000000",
            "808fd00000000000",
            "8090400000000000",
            "8091c00000000000",
        ]
    );
    assert!(hex(r#"{"type":"AeroCircle","coordinates":[[-122.0, 37.5], -5]}"#).is_empty());
}

fn point(longitude: f64, latitude: f64) -> String {
    format!(r#"{{"type":"Point","coordinates":[{longitude},{latitude}]}}"#)
}

/// Whether a covering is large enough for a point.
fn covers(region: &str, longitude: f64, latitude: f64) -> bool {
    let shape = parse(region.as_bytes()).unwrap();
    let inside = is_within(&shape, &Geometry::Point(Position { longitude, latitude }));
    let [leaf] = cells(point(longitude, latitude).as_bytes()).unwrap()[..] else { return false };
    let covered = cells(region.as_bytes()).unwrap();
    !inside || covered.into_iter().any(|cell| range(cell).contains(&u64::from_be_bytes(leaf)))
}

proptest! {
    #[test]
    fn circles_are_covered(
        center in (-180.0..180.0f64, -90.0..90.0f64),
        radius in 0.0..3.0e7f64,
        at in prop::collection::vec((-180.0..180.0f64, -90.0..90.0f64), 20),
    ) {
        let (longitude, latitude) = center;
        let circle = format!(r#"{{"type":"AeroCircle","coordinates":[[{longitude},{latitude}],{radius}]}}"#);
        assert!(covers(&circle, longitude, latitude));
        assert!(at.into_iter().all(|(longitude, latitude)| covers(&circle, longitude, latitude)));
    }

    #[test]
    fn polygons_are_covered(
        middle in (-180.0..180.0f64, -85.0..85.0f64),
        size in 0.001..40.0f64,
        radii in prop::collection::vec(0.1..1.0f64, 3..9),
        hole in prop::option::of(0.1..0.9f64),
        at in prop::collection::vec((-1.0..1.0f64, -1.0..1.0f64), 20),
    ) {
        let corner = |part: usize, radius: f64| {
            let angle = std::f64::consts::TAU * part as f64 / radii.len() as f64;
            let longitude = (middle.0 + size * radius * angle.cos()).clamp(-180.0, 180.0);
            let latitude = (middle.1 + size * radius * angle.sin()).clamp(-90.0, 90.0);
            format!("[{longitude},{latitude}]")
        };
        let ring = |scale: f64| {
            let mut corners: Vec<_> =
                radii.iter().enumerate().map(|(part, radius)| corner(part, scale * radius)).collect();
            corners.push(corners[0].clone());
            format!("[{}]", corners.join(","))
        };
        let hole = hole.map(|scale| format!(",{}", ring(scale * 0.5))).unwrap_or_default();
        let polygon = format!(r#"{{"type":"Polygon","coordinates":[{}{hole}]}}"#, ring(1.0));
        if parse(polygon.as_bytes()).is_ok() {
            for (x, y) in at {
                let longitude = (middle.0 + x * size).clamp(-180.0, 180.0);
                let latitude = (middle.1 + y * size).clamp(-90.0, 90.0);
                assert!(covers(&polygon, longitude, latitude), "{polygon} {longitude} {latitude}");
            }
        }
    }
}

#[test]
fn very_many_corners_are_covered_roughly_and_quickly() {
    let corners = 20_000;
    let corner = |part: usize| {
        let angle = std::f64::consts::TAU * f64::from(u32::try_from(part % corners).unwrap()) / 20_000.0;
        format!("[{},{}]", 10.0 * angle.cos(), 10.0 * angle.sin())
    };
    let ring: Vec<_> = (0..=corners).map(corner).collect();
    let polygon = format!(r#"{{"type":"Polygon","coordinates":[[{}]]}}"#, ring.join(","));
    assert!(covers(&polygon, 0.0, 0.0));
    assert!(covers(&polygon, 9.9, 0.1));
}

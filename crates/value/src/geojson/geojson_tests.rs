//! Which GeoJSON texts are accepted (`guide/protocol.md` part 7.1, and what a real server answered).

use super::{admit, cells, is_within, parse, stored_cells};
use crate::Refusal;
use proptest::prelude::{any, prop, proptest};

const SQUARE: &str = "[[0,0],[10,0],[10,10],[0,10],[0,0]]";
const HOLE: &str = "[[1,1],[1,2],[2,2],[1,1]]";

fn accepted(text: &str) -> bool {
    parse(text.as_bytes()).is_ok()
}

#[test]
fn the_known_geometries_are_accepted() {
    assert!(accepted(r#"{"type":"Point","coordinates":[-180,90]}"#));
    assert!(accepted(r#" { "coordinates" : [1.5e0, -2] , "extra": null, "type" : "Point" } "#));
    assert!(accepted(&format!(r#"{{"type":"Polygon","coordinates":[{SQUARE}]}}"#)));
    assert!(accepted(&format!(r#"{{"type":"Polygon","coordinates":[{SQUARE},{HOLE}]}}"#)));
    assert!(accepted(&format!(r#"{{"type":"MultiPolygon","coordinates":[[{SQUARE}],[{HOLE}]]}}"#)));
    assert!(accepted(r#"{"type":"AeroCircle","coordinates":[[-122.0,37.5],1000]}"#));
    assert!(accepted(r#"{"type":"AeroCircle","coordinates":[[-122.0,37.5],-5]}"#));
    assert!(accepted(
        r#"{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{}}"#
    ));
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"coordinates":[1,2]}"#,
        r#"{"type":"Point"}"#,
        r#"{"type":"Point","coordinates":[0,91]}"#,
        r#"{"type":"Point","coordinates":[181,0]}"#,
        r#"{"type":"Point","coordinates":[0]}"#,
        r#"{"type":"Point","coordinates":[0,1,2]}"#,
        r#"{"type":"Point","coordinates":["a","b"]}"#,
        r#"{"type":"Point","coordinates":[1,2]}x"#,
        r#"{"type":"Foo","coordinates":[0,1]}"#,
        r#"{"type":"LineString","coordinates":[[0,1],[1,2]]}"#,
        r#"{"type":"Polygon","coordinates":[]}"#,
        r#"{"type":"Polygon","coordinates":[[]]}"#,
        r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[0,0]]]}"#,
        r#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1]]]}"#,
        r#"{"type":"MultiPolygon","coordinates":[]}"#,
        r#"{"type":"AeroCircle","coordinates":[[0,0]]}"#,
        r#"{"type":"FeatureCollection","features":[]}"#,
        r#"{"type":"Feature","geometry":{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]}}}"#,
    ] {
        assert!(!accepted(text), "{text}");
    }
}

#[test]
fn rings_may_not_cross_themselves() {
    assert!(!accepted(r#"{"type":"Polygon","coordinates":[[[0,0],[2,2],[2,0],[0,2],[0,0]]]}"#));
    assert!(!accepted(r#"{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,0],[1,0],[0,0]]]}"#));
}

#[test]
fn the_text_is_stored_as_sent_with_a_flag_for_regions() {
    let point = br#"{"type": "Point", "coordinates": [0, 0]}"#;
    let circle = br#"{"type":"AeroCircle","coordinates":[[1,2],3]}"#;
    for (text, flags) in [(&point[..], 0u8), (circle, 1)] {
        let cells = cells(text).unwrap();
        let count = u8::try_from(cells.len()).unwrap();
        let mut out = Vec::new();
        // Cells that a client sends are ignored.
        let sent = [&[9, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8][..], text].concat();
        assert_eq!(admit(&sent, &mut out), Ok(()));
        assert_eq!(out, [&[flags, 0, count][..], cells.as_flattened(), text].concat());
        assert_eq!(stored_cells(&out), cells);
    }
    for bytes in [&[][..], &[0, 0], &[0, 0, 9, b'{', b'}']] {
        assert_eq!(admit(bytes, &mut Vec::new()), Err(Refusal::GeoJson));
    }
}

fn within(a: &str, b: &str) -> bool {
    let geometry = |text: &str| parse(text.as_bytes()).expect("valid");
    is_within(&geometry(a), &geometry(b))
}

fn point(longitude: f64, latitude: f64) -> String {
    format!(r#"{{"type":"Point","coordinates":[{longitude},{latitude}]}}"#)
}

#[test]
fn polygons_contain_points_in_either_orientation() {
    let reversed = "[[0,0],[0,10],[10,10],[10,0],[0,0]]";
    for ring in [SQUARE, reversed] {
        let polygon = format!(r#"{{"type":"Polygon","coordinates":[{ring},{HOLE}]}}"#);
        for (longitude, latitude, inside) in [
            (5.0, 5.0, true),
            (1.2, 1.8, false),
            (11.0, 5.0, false),
            (-175.0, -5.0, false),
            (5.0, -5.0, false),
        ] {
            assert_eq!(within(&point(longitude, latitude), &polygon), inside, "{longitude} {latitude}");
            assert_eq!(within(&polygon, &point(longitude, latitude)), inside);
        }
    }
}

#[test]
fn edges_are_great_circles_and_the_dateline_is_no_border() {
    // A great circle between two places at 50 degrees north bulges toward the pole.
    let wide = r#"{"type":"Polygon","coordinates":[[[-60,40],[60,40],[60,50],[-60,50],[-60,40]]]}"#;
    assert!(within(&point(0.0, 63.0), wide));
    assert!(!within(&point(0.0, 45.0), wide));
    let dateline = r#"{"type":"Polygon","coordinates":[[[170,-5],[-170,-5],[-170,5],[170,5],[170,-5]]]}"#;
    assert!(within(&point(180.0, 0.0), dateline) && within(&point(-175.0, 1.0), dateline));
    assert!(!within(&point(0.0, 0.0), dateline));
}

#[test]
fn circles_contain_what_is_near() {
    let circle = r#"{"type":"AeroCircle","coordinates":[[-122.0,37.5],1000]}"#;
    assert!(within(&point(-122.0, 37.5), circle));
    assert!(within(&point(-122.0, 37.508), circle));
    assert!(!within(&point(-122.0, 37.51), circle));
    let nothing = r#"{"type":"AeroCircle","coordinates":[[-122.0,37.5],-5]}"#;
    assert!(!within(&point(-122.0, 37.5), nothing));
    assert!(!within(circle, circle) && !within(&point(1.0, 1.0), &point(1.0, 1.0)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = admit(&bytes, &mut Vec::new());
    }
}

//! Whether a region contains a point.
//!
//! Edges are great circles, and a ring means the smaller of the two areas that it separates. A point is inside a ring
//! when the ring, seen from the point, turns once around it. Distances are on a sphere of 6371 km.

use super::ring::{Vector, cross, dot, unit_vector};
use super::{Geometry, Position};
use std::f64::consts::PI;

/// Radius of the sphere on which circles are measured, in metres.
pub(super) const EARTH_RADIUS_M: f64 = 6_371_000.0;

/// Whether one of the two is a point and the other a region that contains it.
#[must_use]
pub fn is_within(a: &Geometry, b: &Geometry) -> bool {
    match (a, b) {
        (Geometry::Point(point), region @ (Geometry::Polygons(_) | Geometry::Circle { .. }))
        | (region @ (Geometry::Polygons(_) | Geometry::Circle { .. }), Geometry::Point(point)) => {
            contains(region, point)
        }
        (Geometry::Point(_), Geometry::Point(_))
        | (
            Geometry::Polygons(_) | Geometry::Circle { .. },
            Geometry::Polygons(_) | Geometry::Circle { .. },
        ) => false,
    }
}

fn contains(region: &Geometry, point: &Position) -> bool {
    let point = unit_vector(point);
    match region {
        Geometry::Point(_) => false,
        Geometry::Circle { center, radius_m } => {
            angle(&unit_vector(center), &point) * EARTH_RADIUS_M <= *radius_m
        }
        Geometry::Polygons(polygons) => polygons.iter().any(|rings| {
            let Some((outer, holes)) = rings.split_first() else { return false };
            encloses(outer, &point) && !holes.iter().any(|hole| encloses(hole, &point))
        }),
    }
}

/// Whether a closed ring turns around the point, on the ring's smaller side.
fn encloses(ring: &[Position], point: &Vector) -> bool {
    let corners: Vec<Vector> = ring.iter().map(unit_vector).collect();
    turns_around(&corners, point)
}

/// The same for the unit vectors of a closed ring.
pub(super) fn turns_around(corners: &[Vector], point: &Vector) -> bool {
    let mut turned = 0.0;
    let mut area = [0.0; 3];
    let mut middle = [0.0; 3];
    for (a, b) in corners.iter().zip(corners.iter().skip(1)) {
        let normal = cross(a, b);
        turned += dot(point, &normal).atan2(dot(a, b) - dot(point, a) * dot(point, b));
        area = add(&area, &normal);
        middle = add(&middle, a);
    }
    // Around the point's antipode the ring turns as well, but the other way: the orientation of the ring, seen from
    // above its middle, tells which of the two it is.
    let orientation = dot(&area, &middle).signum();
    turned * orientation > PI
}

/// The angle between two unit vectors, in radians.
fn angle(a: &Vector, b: &Vector) -> f64 {
    let normal = cross(a, b);
    dot(&normal, &normal).sqrt().atan2(dot(a, b))
}

fn add(a: &Vector, b: &Vector) -> Vector {
    let ([ax, ay, az], [bx, by, bz]) = (a, b);
    [ax + bx, ay + by, az + bz]
}

//! Which rings of a polygon are valid: closed, at least a triangle, and not crossing themselves.
//!
//! Edges are great circles, so the crossing test works on unit vectors, not on degrees. It looks at every pair of
//! edges, which is only done for rings of ordinary size: a ring with more than [`PAIRWISE_LIMIT`] corners is taken
//! on trust rather than given minutes of work.

use super::Position;

/// Most corners of a ring whose edges are compared with each other.
const PAIRWISE_LIMIT: usize = 1024;

/// A vector in space; positions are unit vectors.
pub(super) type Vector = [f64; 3];

/// Whether a list of positions is a valid ring.
pub(super) fn is_valid(ring: &[Position]) -> bool {
    let [first, .., last] = ring else { return false };
    let corners: Vec<Vector> = ring.iter().skip(1).map(unit_vector).collect();
    first == last && corners.len() >= 3 && (corners.len() > PAIRWISE_LIMIT || is_simple(&corners))
}

/// Whether no two edges of the closed ring cross and no corner is used twice.
fn is_simple(corners: &[Vector]) -> bool {
    let ends = corners.iter().skip(1).chain(corners.first());
    let edges: Vec<(&Vector, &Vector)> = corners.iter().zip(ends).collect();
    let mut rest = edges.iter();
    while let Some((a, b)) = rest.next() {
        let clash = |(c, d): &(&Vector, &Vector)| a == c || crosses(a, b, c, d);
        if rest.clone().any(clash) {
            return false;
        }
    }
    true
}

/// Whether edge AB crosses edge CD at a point inside both.
pub(super) fn crosses(a: &Vector, b: &Vector, c: &Vector, d: &Vector) -> bool {
    let (acb, cbd) = (turn(a, c, b), turn(c, b, d));
    let (bda, dac) = (turn(b, d, a), turn(d, a, c));
    let clockwise = acb > 0.0 && cbd > 0.0 && bda > 0.0 && dac > 0.0;
    let counter_clockwise = acb < 0.0 && cbd < 0.0 && bda < 0.0 && dac < 0.0;
    clockwise || counter_clockwise
}

/// Positive when A, B, C turn to the left, negative when to the right, zero on one great circle.
fn turn(a: &Vector, b: &Vector, c: &Vector) -> f64 {
    dot(&cross(a, b), c)
}

/// The vector product.
pub(super) fn cross(a: &Vector, b: &Vector) -> Vector {
    let ([ax, ay, az], [bx, by, bz]) = (a, b);
    [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]
}

/// The scalar product.
pub(super) fn dot(a: &Vector, b: &Vector) -> f64 {
    let ([ax, ay, az], [bx, by, bz]) = (a, b);
    ax * bx + ay * by + az * bz
}

/// The point of the unit sphere at a position.
pub(super) fn unit_vector(position: &Position) -> Vector {
    let (sin_longitude, cos_longitude) = position.longitude.to_radians().sin_cos();
    let (sin_latitude, cos_latitude) = position.latitude.to_radians().sin_cos();
    [cos_latitude * cos_longitude, cos_latitude * sin_longitude, sin_latitude]
}

//! Cells of the sphere (S2): the smallest one around a point, and a few that cover a region together.
//!
//! The limits are a real server's defaults, so that values are stored and sent as it does it. A covering may be too
//! large, never too small. What it costs is bounded: of a shape with very many corners only the bounding rectangle is
//! covered.

use super::contain::{EARTH_RADIUS_M, turns_around};
use super::ring::{Vector, crosses, dot, unit_vector};
use super::{Geometry, Position};
use s2::cap::Cap;
use s2::cell::Cell;
use s2::cellid::CellID;
use s2::latlng::LatLng;
use s2::point::Point;
use s2::rect::Rect;
use s2::rect_bounder::RectBounder;
use s2::region::{Region, RegionCoverer};
use s2::s1;
use std::f64::consts::PI;

/// How regions are covered.
const COVERER: RegionCoverer = RegionCoverer { min_level: 1, max_level: 20, level_mod: 1, max_cells: 12 };
/// Most corners of a shape that is looked at corner by corner.
const CORNERS_MAX: usize = 1024;
/// How much larger cells are taken than they are, in radians: well above what floats lose, well below a cell.
const MARGIN: f64 = 1e-13;
const POLES: [Vector; 2] = [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]];

/// The cells of a geometry, as big-endian ids. Nothing is covered by none.
pub(super) fn cells(geometry: &Geometry) -> Vec<[u8; 8]> {
    let covering = match geometry {
        Geometry::Point(position) => return vec![CellID::from(lat_lng(position)).0.to_be_bytes()],
        Geometry::Circle { radius_m, .. } if *radius_m < 0.0 => return Vec::new(),
        Geometry::Circle { center, radius_m } => {
            let radians = (radius_m / EARTH_RADIUS_M).min(PI);
            let center = Point::from(lat_lng(center));
            COVERER.covering(&Cap::from_center_angle(&center, &s1::Angle::from(s1::Rad(radians))))
        }
        Geometry::Polygons(polygons) => {
            let shape = Shape::new(polygons);
            if shape.corner_count() > CORNERS_MAX {
                COVERER.covering(&shape.bound)
            } else {
                COVERER.covering(&shape)
            }
        }
    };
    covering.0.iter().map(|cell| cell.0.to_be_bytes()).collect()
}

fn lat_lng(position: &Position) -> LatLng {
    LatLng::from_degrees(position.latitude, position.longitude)
}

/// A closed ring as unit vectors.
type Ring = Vec<Vector>;

/// Polygons with what the coverer asks about them.
struct Shape {
    /// Outer ring and holes of each.
    polygons: Vec<(Ring, Vec<Ring>)>,
    bound: Rect,
}

impl Shape {
    fn new(polygons: &[Vec<Vec<Position>>]) -> Shape {
        let vectors = |ring: &Vec<Position>| ring.iter().map(unit_vector).collect();
        let split = polygons.iter().filter_map(|rings| rings.split_first());
        let bound =
            split.clone().map(|(outer, _)| bound(outer)).fold(Rect::empty(), |sum, one| sum.union(&one));
        let polygons =
            split.map(|(outer, holes)| (vectors(outer), holes.iter().map(vectors).collect())).collect();
        Shape { polygons, bound }
    }

    fn corner_count(&self) -> usize {
        let rings = self.polygons.iter().flat_map(|(outer, holes)| holes.iter().chain([outer]));
        rings.map(Vec::len).sum()
    }
}

/// A rectangle around a ring.
fn bound(ring: &[Position]) -> Rect {
    let mut bounder = RectBounder::new();
    ring.iter().for_each(|position| bounder.add_point(&Point::from(lat_lng(position))));
    let mut bound = bounder.get_bound();
    let corners: Ring = ring.iter().map(unit_vector).collect();
    let [north, south] = POLES.map(|pole| turns_around(&corners, &pole));
    if north || south {
        bound.lng = Rect::full().lng;
    }
    if north {
        bound.lat.hi = Rect::full().lat.hi;
    }
    if south {
        bound.lat.lo = Rect::full().lat.lo;
    }
    bound
}

impl Region for Shape {
    fn cap_bound(&self) -> Cap {
        self.bound.cap_bound()
    }

    fn rect_bound(&self) -> Rect {
        self.bound.clone()
    }

    fn contains_cell(&self, cell: &Cell) -> bool {
        let cell = Square::new(cell);
        self.polygons
            .iter()
            .any(|(outer, holes)| cell.is_inside(outer) && !holes.iter().any(|hole| cell.meets(hole)))
    }

    fn intersects_cell(&self, cell: &Cell) -> bool {
        let cell = Square::new(cell);
        self.polygons
            .iter()
            .any(|(outer, holes)| cell.meets(outer) && !holes.iter().any(|hole| cell.is_inside(hole)))
    }
}

/// A cell as a ring of four corners, a hair larger than it is: what touches a cell from outside may be judged to be
/// in it.
struct Square<'c> {
    cell: &'c Cell,
    ring: [Vector; 5],
}

impl Square<'_> {
    fn new(cell: &Cell) -> Square<'_> {
        let Point(center) = cell.center();
        let [a, b, c, d] = cell.vertices().map(|Point(corner)| {
            let away = [corner.x - center.x, corner.y - center.y, corner.z - center.z];
            let step = MARGIN / dot(&away, &away).sqrt();
            let [x, y, z] = away;
            [corner.x + x * step, corner.y + y * step, corner.z + z * step]
        });
        Square { cell, ring: [a, b, c, d, a] }
    }

    /// Whether a ring's inside and the cell have something in common.
    fn meets(&self, ring: &Ring) -> bool {
        self.has_corner_of(ring)
            || self.ring.iter().any(|corner| turns_around(ring, corner))
            || self.crosses(ring)
    }

    /// Whether a ring's inside has all of the cell.
    fn is_inside(&self, ring: &Ring) -> bool {
        self.ring.iter().all(|corner| turns_around(ring, corner))
            && !self.has_corner_of(ring)
            && !self.crosses(ring)
    }

    fn has_corner_of(&self, ring: &Ring) -> bool {
        ring.iter().any(|[x, y, z]| self.cell.contains_point(&Point::from_coords(*x, *y, *z)))
    }

    fn crosses(&self, ring: &Ring) -> bool {
        edges(ring).any(|(a, b)| edges(&self.ring).any(|(c, d)| crosses(a, b, c, d)))
    }
}

/// The edges of a closed ring.
fn edges(ring: &[Vector]) -> impl Iterator<Item = (&Vector, &Vector)> {
    ring.iter().zip(ring.iter().skip(1))
}

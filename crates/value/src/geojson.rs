//! `GeoJSON` bins: which texts are accepted, and how they are stored.
//!
//! Accepted are the geometries that the protocol knows (`guide/protocol.md` part 7.1): Point, Polygon with holes,
//! `MultiPolygon`, `AeroCircle`, and a Feature around one of them. Longitude comes first; both coordinates are in
//! degrees and in range; rings are closed and don't cross themselves. The text is kept byte for byte.
//!
//! Stored are the flags (1 for a region, 0 for a point), the number of cells, the cells and the text. The cell of a
//! point and the cells that cover a region are what a secondary index enters.

mod contain;
mod cover;
mod ring;

#[cfg(test)]
mod brute_tests;
#[cfg(test)]
mod cover_tests;
#[cfg(test)]
mod geojson_tests;

pub use contain::is_within;

use crate::Refusal;
use crate::msgpack::element::geo_text;
use serde_json::{Map, Value};

/// Flag of a stored value: the geometry is a region.
const FLAG_REGION: u8 = 1;

/// A geometry that the protocol knows. Coordinates are in degrees, longitude first.
#[derive(Debug, Clone, PartialEq)]
pub enum Geometry {
    /// A point.
    Point(Position),
    /// Polygons, each a closed outer ring followed by its holes.
    Polygons(Vec<Vec<Vec<Position>>>),
    /// Everything within a distance of a point.
    Circle {
        /// The centre.
        center: Position,
        /// The radius in metres; a negative one contains nothing.
        radius_m: f64,
    },
}

/// A position on the sphere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Longitude in degrees, -180 to 180.
    pub longitude: f64,
    /// Latitude in degrees, -90 to 90.
    pub latitude: f64,
}

/// Checks a particle that a client wrote and appends its stored form.
pub fn admit(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let text = geo_text(bytes);
    append(text, out)
}

/// Checks a text and appends the particle that is stored for it.
pub fn append(text: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let geometry = parse(text)?;
    let flags = match geometry {
        Geometry::Point(_) => 0,
        Geometry::Polygons(_) | Geometry::Circle { .. } => FLAG_REGION,
    };
    let cells = cover::cells(&geometry);
    let count = u16::try_from(cells.len()).map_err(|_| Refusal::GeoJson)?;
    out.push(flags);
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(cells.as_flattened());
    out.extend_from_slice(text);
    Ok(())
}

/// The cells of a stored value, as big-endian ids.
#[must_use]
pub fn stored_cells(bytes: &[u8]) -> &[[u8; 8]] {
    let [_, high, low, rest @ ..] = bytes else { return &[] };
    let (cells, _) = rest.as_chunks();
    cells.get(..usize::from(u16::from_be_bytes([*high, *low]))).unwrap_or_default()
}

/// The cells of the geometry that a text describes, as big-endian ids: the one that a point lies in, or some that
/// cover a region.
pub fn cells(text: &[u8]) -> Result<Vec<[u8; 8]>, Refusal> {
    parse(text).map(|geometry| cover::cells(&geometry))
}

/// The geometry that a text describes.
pub fn parse(text: &[u8]) -> Result<Geometry, Refusal> {
    let value: Value = serde_json::from_slice(text).map_err(|_| Refusal::GeoJson)?;
    geometry(&value).ok_or(Refusal::GeoJson)
}

fn geometry(value: &Value) -> Option<Geometry> {
    let object = value.as_object()?;
    if object.get("type")?.as_str()? == "Feature" {
        bare(object.get("geometry")?.as_object()?)
    } else {
        bare(object)
    }
}

/// A geometry without a Feature around it.
fn bare(object: &Map<String, Value>) -> Option<Geometry> {
    let coordinates = object.get("coordinates")?;
    match object.get("type")?.as_str()? {
        "Point" => position(coordinates).map(Geometry::Point),
        "Polygon" => Some(Geometry::Polygons(vec![polygon(coordinates)?])),
        "MultiPolygon" => {
            let polygons = non_empty(coordinates)?.iter().map(polygon).collect::<Option<Vec<_>>>()?;
            Some(Geometry::Polygons(polygons))
        }
        "AeroCircle" => {
            let [center, radius] = coordinates.as_array()?.as_slice() else { return None };
            Some(Geometry::Circle { center: position(center)?, radius_m: radius.as_f64()? })
        }
        _ => None,
    }
}

fn polygon(value: &Value) -> Option<Vec<Vec<Position>>> {
    non_empty(value)?.iter().map(ring).collect()
}

fn ring(value: &Value) -> Option<Vec<Position>> {
    let ring = value.as_array()?.iter().map(position).collect::<Option<Vec<_>>>()?;
    ring::is_valid(&ring).then_some(ring)
}

fn position(value: &Value) -> Option<Position> {
    let [longitude, latitude] = value.as_array()?.as_slice() else { return None };
    let position = Position { longitude: longitude.as_f64()?, latitude: latitude.as_f64()? };
    let in_range =
        (-180.0..=180.0).contains(&position.longitude) && (-90.0..=90.0).contains(&position.latitude);
    in_range.then_some(position)
}

fn non_empty(value: &Value) -> Option<&Vec<Value>> {
    value.as_array().filter(|values| !values.is_empty())
}

//! Which secondary index a query reads, and which of its entries.
//!
//! An entry found by its key is only a candidate: strings and blobs are entered by hash, shapes by cells, and a record
//! with several matching elements has several entries. [`Selection::selects`] asks the record itself, and accepts it
//! at its first matching entry only, so that a query returns each record once however it is cut into pages.

use crate::namespace::Namespace;
use crate::sindex::{Collection, Definition, Index, Value, ValueType, hash_of};
use shipload_store::RecordRef;
use shipload_value::ParticleType;
use shipload_value::geojson::{self, Geometry};
use shipload_wire::code::ResultCode;
use shipload_wire::query::IndexRange;
use shipload_wire::{Fields, PartitionQuery};
use std::sync::Arc;

/// Levels of cells below the six faces.
const CELL_LEVEL_MAX: u32 = 30;

/// Disjoint ranges of keys, ascending, both ends included.
type Ranges = Vec<(i64, i64)>;

/// An index and the part of it that a query wants.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) index: Arc<Index>,
    ranges: Ranges,
    wanted: Wanted,
}

/// What a value must be.
#[derive(Debug)]
enum Wanted {
    /// A number in a range.
    Number,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A point in this region, or a region around this point.
    Geo(Geometry),
}

impl Selection {
    /// The selection that a query asks for; none without an index range.
    ///
    /// # Errors
    /// 4 for fields that make no sense, 201 when no index serves them, 203 when the index is not complete.
    pub(crate) fn asked(
        namespace: &Namespace,
        fields: &Fields<'_>,
        query: &PartitionQuery<'_>,
    ) -> Result<Option<Selection>, ResultCode> {
        let Some(range) = fields.index_range else { return Ok(None) };
        let range = IndexRange::decode(range).map_err(|error| error.result_code())?;
        let (value_type, ranges, wanted) = bounds(&range)?;
        if query.bvals().len() != query.digests().len() {
            return Err(ResultCode::Parameter);
        }
        let index = find(namespace, fields, range.bin, value_type)?;
        if index.is_readable() {
            Ok(Some(Selection { index, ranges, wanted }))
        } else {
            Err(ResultCode::IndexNotReadable)
        }
    }

    /// The ranges of keys.
    pub(crate) fn ranges(&self) -> &[(i64, i64)] {
        &self.ranges
    }

    /// Whether the record is wanted, and wanted because of this entry.
    pub(crate) fn selects(&self, namespace: &Namespace, key: i64, record: &RecordRef<'_>) -> bool {
        if self.index.definition.collection == Collection::Default && matches!(self.wanted, Wanted::Number) {
            return true;
        }
        let mut first: Option<i64> = None;
        namespace.visit_index(&self.index, record, &mut |value| {
            if self.wanted.holds(value) {
                value.keys(&mut |key| {
                    if self.holds(key) && first.is_none_or(|first| key < first) {
                        first = Some(key);
                    }
                });
            }
        });
        first == Some(key)
    }

    fn holds(&self, key: i64) -> bool {
        let behind = self.ranges.partition_point(|(first, _)| *first <= key);
        behind.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|(_, last)| key <= *last)
    }
}

impl Wanted {
    fn holds(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Wanted::Number, Value::Int(_)) => true,
            (Wanted::Bytes(wanted), Value::Bytes(bytes)) => wanted == bytes,
            (Wanted::Geo(wanted), Value::Geo(text, _)) => {
                geojson::parse(text).is_ok_and(|shape| geojson::is_within(&shape, wanted))
            }
            (Wanted::Number | Wanted::Bytes(_) | Wanted::Geo(_), _) => false,
        }
    }
}

/// The index that serves a query: named, or with the definition that the fields describe.
fn find(
    namespace: &Namespace,
    fields: &Fields<'_>,
    bin: &[u8],
    value_type: ValueType,
) -> Result<Arc<Index>, ResultCode> {
    let collection = match fields.index_type {
        None => Collection::Default,
        Some([number]) => Collection::from_number(*number).ok_or(ResultCode::IndexNotFound)?,
        Some(_) => return Err(ResultCode::Parameter),
    };
    let context = fields.index_context.unwrap_or_default();
    if fields.index_context.is_some() && !shipload_value::cdt::is_context(context) {
        return Err(ResultCode::Parameter);
    }
    let text = |bytes| core::str::from_utf8(bytes).map_err(|_| ResultCode::Parameter);
    let set = fields.set.filter(|set| !set.is_empty()).map(text).transpose()?;
    let fits = |definition: &Definition| {
        definition.collection == collection
            && definition.value_type == Some(value_type)
            && definition.set.as_deref() == set
    };
    if let Some(name) = fields.index_name {
        if !bin.is_empty() {
            return Err(ResultCode::Parameter);
        }
        let index = namespace.sindexes.find(text(name)?).ok_or(ResultCode::Parameter)?;
        return if fits(&index.definition) { Ok(index) } else { Err(ResultCode::IndexNotFound) };
    }
    let expression = fields.index_expression.unwrap_or_default();
    let same_source = |definition: &Definition| {
        if expression.is_empty() {
            definition.bin.as_deref().map(str::as_bytes) == Some(bin) && definition.context == context
        } else {
            definition.expression == expression
        }
    };
    let indexes = namespace.sindexes.list();
    let found = indexes.iter().find(|index| fits(&index.definition) && same_source(&index.definition));
    found.cloned().ok_or(ResultCode::IndexNotFound)
}

/// What the two ends of a range mean: a type, ranges of keys, and what else a value must be.
fn bounds(range: &IndexRange<'_>) -> Result<(ValueType, Ranges, Wanted), ResultCode> {
    let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).map_err(|_| ResultCode::Parameter);
    match ParticleType::from_number(range.kind) {
        Some(ParticleType::Integer) => {
            let (begin, end) = (number(range.begin)?, number(range.end)?);
            if begin > end {
                return Err(ResultCode::Parameter);
            }
            Ok((ValueType::Numeric, vec![(begin, end)], Wanted::Number))
        }
        Some(kind @ (ParticleType::String | ParticleType::Blob)) => {
            if range.begin != range.end {
                return Err(ResultCode::Parameter);
            }
            let value_type = if kind == ParticleType::String { ValueType::Text } else { ValueType::Blob };
            let key = hash_of(range.begin);
            Ok((value_type, vec![(key, key)], Wanted::Bytes(range.begin.to_vec())))
        }
        Some(ParticleType::GeoJson) => {
            let shape = geojson::parse(range.begin).map_err(|_| ResultCode::Parameter)?;
            let cells = geojson::cells(range.begin).map_err(|_| ResultCode::Parameter)?;
            let cells = cells.into_iter().map(u64::from_be_bytes);
            let mut ranges: Ranges = match shape {
                Geometry::Point(_) => cells.flat_map(around).collect(),
                Geometry::Polygons(_) | Geometry::Circle { .. } => cells.map(inside).collect(),
            };
            ranges.sort_unstable();
            Ok((ValueType::Geo, ranges, Wanted::Geo(shape)))
        }
        Some(_) | None => Err(ResultCode::Parameter),
    }
}

/// The keys of all cells in a cell.
fn inside(cell: u64) -> (i64, i64) {
    // The lowest bit set tells the level: the cells inside differ only below it.
    let below = (cell & cell.wrapping_neg()).saturating_sub(1);
    ((cell - below).cast_signed(), (cell | below).cast_signed())
}

/// The keys of a smallest cell and of all cells around it, each as a range.
fn around(cell: u64) -> impl Iterator<Item = (i64, i64)> {
    (0..=CELL_LEVEL_MAX).map(move |level| {
        let lowest = 1u64 << (2 * level);
        let parent = ((cell & lowest.wrapping_neg()) | lowest).cast_signed();
        (parent, parent)
    })
}

#[cfg(test)]
mod tests {
    use super::{around, inside};

    #[test]
    fn cells_nest() {
        let leaf = 0x808f_b8a2_4795_4393u64;
        let parents: Vec<_> = around(leaf).collect();
        assert_eq!(parents.len(), 31);
        assert_eq!(parents[0], (leaf.cast_signed(), leaf.cast_signed()));
        for (parent, _) in parents {
            let (first, last) = inside(parent.cast_unsigned());
            assert!((first..=last).contains(&leaf.cast_signed()));
        }
    }
}

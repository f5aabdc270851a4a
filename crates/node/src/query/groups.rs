//! Measures of records where they are: counts, sums and extremes by group instead of rows.
//!
//! What has been measured leaves in messages that also say how far was read, so that whoever asked counts every record
//! once however the query ends: a message that was not received was not measured. See [`shipload_wire::groups`].

mod state;

use super::answer::Shape;
use shipload_store::RecordRef;
use shipload_value::expr::{Clock, Kind, Program, RecordView};
use shipload_value::{Digest, ParticleType, PartitionId};
use shipload_wire::ResultCode;
use shipload_wire::groups::{self, CellType, Cells};
use shipload_wire::rows;
use smallvec::SmallVec;
use state::State;
use std::collections::HashMap;

/// About how many bytes are held before a message is due.
const FULL_BYTES: usize = 1 << 20;
/// What a group counts for beside its keys.
const GROUP_BYTES: usize = 64;

/// A cell: particle number and bytes.
type Cell<'r> = Option<(u8, &'r [u8])>;

/// What is measured since the last message.
#[derive(Debug)]
pub(super) struct Groups {
    wanted: groups::Groups,
    /// What is computed of each record.
    programs: Vec<Program>,
    /// The place of each group by the cells of its keys.
    places: HashMap<Box<[u8]>, usize>,
    /// For each group one state for each measure.
    states: Vec<State>,
    /// Rows that are not measured.
    rows: Vec<u8>,
    row_count: u32,
    /// Partitions that are read to their end.
    done: Vec<u16>,
    /// Bytes of groups that are held, about.
    weight: usize,
    measured: usize,
    /// Nearly every record would be a group.
    give_rows: bool,
    key: Vec<u8>,
}

impl Groups {
    /// Nothing measured yet.
    ///
    /// # Errors
    /// For an expression that does not give floats.
    pub(super) fn new(wanted: groups::Groups) -> Result<Groups, ResultCode> {
        let program = |packed: &Vec<u8>| {
            let program = Program::compile(packed).map_err(|_| ResultCode::Parameter)?;
            if program.kind() == Kind::Float { Ok(program) } else { Err(ResultCode::Parameter) }
        };
        let programs = wanted.expressions.iter().map(program).collect::<Result<_, _>>()?;
        Ok(Groups {
            wanted,
            programs,
            places: HashMap::new(),
            states: Vec::new(),
            rows: Vec::new(),
            row_count: 0,
            done: Vec::new(),
            weight: 0,
            measured: 0,
            give_rows: false,
            key: Vec::new(),
        })
    }

    /// Whether a message is due.
    pub(super) fn is_full(&self) -> bool {
        self.weight.saturating_add(self.rows.len()) >= FULL_BYTES
    }

    /// Measures a record, or keeps its row for whoever asked; false for one that the filter leaves out.
    pub(super) fn take(
        &mut self,
        shape: &Shape<'_>,
        record: &RecordRef<'_>,
        passes: impl FnOnce() -> bool,
        (view, clock): (&dyn RecordView, Clock),
    ) -> bool {
        let computed: SmallVec<[Option<[u8; 8]>; 4]>;
        let mut cells: SmallVec<[Cell<'_>; 16]> = SmallVec::new();
        shape.cells(record, |cell| cells.push(cell));
        let is_keyed = record.key().is_some();
        let fits = self.wanted.cells.iter().zip(&cells).all(|(wanted, cell)| fits(*wanted, *cell, is_keyed));
        // The filter says nothing about cells of other types.
        if fits && !passes() {
            return false;
        }
        if !fits || self.give_rows {
            shape.append(&mut self.rows, record);
            self.row_count = self.row_count.saturating_add(1);
            return true;
        }
        let floats = self.programs.iter().map(|program| program.float(view, clock));
        computed = floats.map(|float| float.map(f64::to_be_bytes)).collect();
        let double = ParticleType::Double.number();
        cells.extend(computed.iter().map(|bytes| bytes.as_ref().map(|bytes| (double, bytes.as_slice()))));
        self.measure(&cells);
        true
    }

    fn measure(&mut self, cells: &[Cell<'_>]) {
        let count = self.wanted.measures.len();
        let cell = |bin: u8| cells.get(usize::from(bin)).copied().flatten();
        self.key.clear();
        self.wanted.keys.iter().for_each(|bin| rows::cell(&mut self.key, cell(*bin)));
        // Looking for an empty key would cost more than all the rest: comparing no bytes at no address is slow.
        let known = match self.key.as_slice() {
            [] => (!self.places.is_empty()).then_some(0),
            key => self.places.get(key).copied(),
        };
        let place = match known {
            Some(place) => place,
            None => {
                let place = self.places.len();
                self.places.insert(self.key.as_slice().into(), place);
                let types = &self.wanted.cells;
                let ty = |bin: u8| types.get(usize::from(bin)).map_or(CellType::Long, |cells| cells.ty);
                let fresh = self.wanted.measures.iter().map(|(measure, bin)| State::new(*measure, ty(*bin)));
                self.states.extend(fresh);
                self.weight += self.key.len() + GROUP_BYTES + count * size_of::<State>();
                place
            }
        };
        self.measured += 1;
        let states = self.states.iter_mut().skip(place * count).take(count);
        for (state, (_, bin)) in states.zip(&self.wanted.measures) {
            self.weight += state.observe(cell(*bin));
        }
    }

    /// Notes that a partition is read to its end.
    pub(super) fn finish(&mut self, partition: PartitionId) {
        self.done.push(partition.number());
    }

    /// Appends what was measured as a message, and begins anew.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>, after: Option<Digest>) {
        let count = self.places.len();
        if self.done.is_empty() && count == 0 && self.row_count == 0 {
            return;
        }
        let per_group = self.wanted.measures.len();
        let groups = |out: &mut Vec<u8>| {
            for (key, place) in &self.places {
                out.extend_from_slice(key);
                let states = self.states.iter().skip(place * per_group).take(per_group);
                states.for_each(|state| state.append(out));
            }
        };
        let number = u32::try_from(count).unwrap_or(u32::MAX);
        let after = after.map(|digest| digest.0);
        groups::append(out, &self.done, after.as_ref(), (self.row_count, &self.rows), (number, groups));
        self.give_rows |= self.is_full() && count > self.measured / 2;
        self.places.clear();
        self.states.clear();
        self.rows.clear();
        self.done.clear();
        (self.row_count, self.weight, self.measured) = (0, 0, 0);
    }
}

/// Whether a cell is what the request says, or not there at all.
fn fits(wanted: Cells, cell: Cell<'_>, is_keyed: bool) -> bool {
    let Some((kind, bytes)) = cell else { return !(wanted.may_be_key && is_keyed) };
    let whole =
        || bytes.try_into().ok().filter(|_| kind == ParticleType::Integer.number()).map(i64::from_be_bytes);
    match wanted.ty {
        CellType::Long => whole().is_some(),
        CellType::Int => whole().is_some_and(|number| i32::try_from(number).is_ok()),
        CellType::Short => whole().is_some_and(|number| i16::try_from(number).is_ok()),
        CellType::Byte => whole().is_some_and(|number| i8::try_from(number).is_ok()),
        // What is no number has no order.
        CellType::Double => kind == ParticleType::Double.number() && number(bytes).is_some(),
        CellType::Text => kind == ParticleType::String.number() && core::str::from_utf8(bytes).is_ok(),
        CellType::Bool => kind == ParticleType::Bool.number() && matches!(bytes, [0 | 1]),
    }
}

fn number(bytes: &[u8]) -> Option<f64> {
    bytes.try_into().ok().map(f64::from_be_bytes).filter(|number| !number.is_nan())
}

//! What one measure of one group has come to.

use super::Cell;
use shipload_value::ParticleType;
use shipload_wire::groups::{CellType, Measure};
use shipload_wire::rows;

/// A count, a sum or an extreme.
#[derive(Debug)]
pub(super) enum State {
    Rows(u64),
    Values(u64),
    Sum(Option<i64>),
    DoubleSum(Option<f64>),
    Whole(Extreme<i64>),
    Double(Extreme<f64>),
    Text(Extreme<Box<[u8]>>),
}

/// The best one so far.
#[derive(Debug)]
pub(super) struct Extreme<T> {
    best: Option<T>,
    greatest: bool,
}

impl<T> Extreme<T> {
    fn is_better(&self, than: impl FnOnce(&T) -> core::cmp::Ordering) -> bool {
        let wanted = if self.greatest { core::cmp::Ordering::Greater } else { core::cmp::Ordering::Less };
        self.best.as_ref().is_none_or(|best| than(best) == wanted)
    }
}

impl State {
    /// Nothing measured yet, of cells of this type.
    pub(super) fn new(measure: Measure, ty: CellType) -> State {
        let greatest = measure == Measure::Max;
        match measure {
            Measure::Rows => State::Rows(0),
            Measure::Values => State::Values(0),
            Measure::Sum => State::Sum(None),
            Measure::DoubleSum => State::DoubleSum(None),
            Measure::Min | Measure::Max => match ty {
                CellType::Double => State::Double(Extreme { best: None, greatest }),
                CellType::Text => State::Text(Extreme { best: None, greatest }),
                CellType::Byte | CellType::Short | CellType::Int | CellType::Long | CellType::Bool => {
                    State::Whole(Extreme { best: None, greatest })
                }
            },
        }
    }

    /// Takes a row's cell into account, whose type has been looked at. Tells how many bytes it holds more.
    #[inline]
    pub(super) fn observe(&mut self, cell: Cell<'_>) -> usize {
        if let State::Rows(count) = self {
            *count += 1;
            return 0;
        }
        let Some((kind, bytes)) = cell else { return 0 };
        let whole = || bytes.try_into().map_or(0, i64::from_be_bytes);
        let double = || bytes.try_into().map_or(0.0, f64::from_be_bytes);
        match self {
            State::Rows(_) => {}
            State::Values(count) => *count += 1,
            State::Sum(sum) => *sum = Some(sum.unwrap_or(0).wrapping_add(whole())),
            State::DoubleSum(sum) => {
                let is_whole = kind == ParticleType::Integer.number();
                *sum = Some(sum.unwrap_or(0.0) + if is_whole { whole() as f64 } else { double() });
            }
            State::Whole(extreme) => {
                let value = whole();
                if extreme.is_better(|best| value.cmp(best)) {
                    extreme.best = Some(value);
                }
            }
            State::Double(extreme) => {
                let value = double();
                if extreme.is_better(|best| value.total_cmp(best)) {
                    extreme.best = Some(value);
                }
            }
            State::Text(extreme) => {
                if extreme.is_better(|best| bytes.cmp(best)) {
                    let before = extreme.best.as_ref().map_or(0, |best| best.len());
                    extreme.best = Some(bytes.into());
                    return bytes.len().saturating_sub(before);
                }
            }
        }
        0
    }

    /// Appends it as a cell.
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        let whole = |out: &mut Vec<u8>, value: Option<i64>| {
            let bytes = value.map(i64::to_be_bytes);
            rows::cell(out, bytes.as_ref().map(|bytes| (ParticleType::Integer.number(), bytes.as_slice())));
        };
        let double = |out: &mut Vec<u8>, value: Option<f64>| {
            let bytes = value.map(f64::to_be_bytes);
            rows::cell(out, bytes.as_ref().map(|bytes| (ParticleType::Double.number(), bytes.as_slice())));
        };
        match self {
            State::Rows(count) | State::Values(count) => whole(out, Some(count.cast_signed())),
            State::Sum(sum) => whole(out, *sum),
            State::DoubleSum(sum) => double(out, *sum),
            State::Whole(extreme) => whole(out, extreme.best),
            State::Double(extreme) => double(out, extreme.best),
            State::Text(extreme) => {
                let best = extreme.best.as_deref();
                rows::cell(out, best.map(|bytes| (ParticleType::String.number(), bytes)));
            }
        }
    }
}

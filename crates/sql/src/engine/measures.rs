//! What an aggregation wants of its input, as nodes can measure it.

use super::arrow::data_type;
use super::provider::Source;
use crate::column_type::Type;
use crate::execute::push as packed;
use crate::value::{Value, particle};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};
use datafusion::physical_plan::ExecutionPlan as _;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::udaf::AggregateFunctionExpr;
use shipload_wire::groups::{CellType, Cells, Groups, Measure};
use std::sync::Arc;

/// Bins of one request.
const BINS_MAX: usize = 200;
/// Expressions of one request.
const EXPRESSIONS_MAX: usize = 32;
/// The measure of rows needs no bin.
const NO_BIN: u8 = u8::MAX;

/// What a column of some step's input comes from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A column of the scan, and the type that it was turned into on the way.
    Cell(usize, Option<DataType>),
    /// Floats that are computed of columns of the scan: a packed expression.
    Double(Vec<u8>),
}

/// What is known of the columns of some step's input.
#[derive(Debug, Clone)]
pub(super) struct Origins {
    pub(super) source: Arc<Source>,
    pub(super) columns: Vec<Option<Origin>>,
}

impl Origins {
    /// The columns of a scan.
    pub(super) fn of_scan(source: &Arc<Source>) -> Origins {
        let columns = (0..source.parts.len()).map(|column| Some(Origin::Cell(column, None))).collect();
        Origins { source: Arc::clone(source), columns }
    }

    /// What an expression comes from; none when nodes can't tell.
    pub(super) fn of(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<Origin> {
        if let Some(column) = expr.downcast_ref::<Column>() {
            return self.columns.get(column.index()).cloned().flatten();
        }
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            return match self.of(cast.expr())? {
                Origin::Cell(column, None) => Some(Origin::Cell(column, Some(cast.cast_type().clone()))),
                Origin::Cell(..) | Origin::Double(_) => None,
            };
        }
        let binary = expr.downcast_ref::<BinaryExpr>()?;
        let code = match binary.op() {
            Operator::Plus => packed::ADD,
            Operator::Minus => packed::SUBTRACT,
            Operator::Multiply => packed::MULTIPLY,
            _ => return None,
        };
        let operands = [self.double(binary.left())?, self.double(binary.right())?];
        Some(Origin::Double(packed::call(code, &operands)))
    }

    /// An expression of floats, packed.
    fn double(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<Vec<u8>> {
        if let Some(literal) = expr.downcast_ref::<Literal>() {
            let ScalarValue::Float64(Some(value)) = literal.value() else { return None };
            return Some(particle::packed(&Value::Double(*value)));
        }
        let (column, cast) = match self.of(expr)? {
            Origin::Double(packed) => return Some(packed),
            Origin::Cell(column, cast) => (column, cast),
        };
        let part = self.source.parts.get(column)?;
        let name = part.path.first()?;
        match cast {
            None if part.ty == Type::Double => Some(packed::bin(name, packed::FLOAT)),
            Some(DataType::Float64) if is_number(&part.ty) => {
                Some(packed::call(packed::TO_FLOAT, &[packed::bin(name, packed::WHOLE)]))
            }
            _ => None,
        }
    }
}

/// Whole numbers that are nothing else.
pub(super) fn is_number(ty: &Type) -> bool {
    matches!(ty, Type::Byte | Type::Short | Type::Int | Type::Long)
}

/// What nodes are asked for.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) wanted: Groups,
    /// The types of a group's cells: keys, then measures.
    pub(super) types: Vec<Type>,
}

/// What an aggregation over columns of a scan wants; none when nodes can't measure it.
pub(super) fn measured(aggregate: &AggregateExec, origins: &Origins) -> Option<Measured> {
    let source = &origins.source;
    let places = source.layout.as_ref()?.cells()?;
    let bins = source.layout.as_ref()?.bins().len();
    if bins != places.len() || bins > BINS_MAX {
        return None;
    }
    let mut cells = vec![None; bins];
    for ((bin, may_be_key), part) in places.iter().zip(&source.parts) {
        *cells.get_mut(*bin)? = Some(Cells { ty: cell_type(&part.ty)?, may_be_key: *may_be_key });
    }
    let cells = cells.into_iter().collect::<Option<Vec<_>>>()?;
    let mut columns = Columns { origins, places: &places, bins, expressions: Vec::new() };
    let (mut keys, mut measures, mut types) = (Vec::new(), Vec::new(), Vec::new());
    for (expr, _) in aggregate.group_expr().expr() {
        let (bin, ty) = columns.plain(expr)?;
        if ty == Type::Double {
            return None;
        }
        keys.push(bin);
        types.push(ty);
    }
    for call in aggregate.aggr_expr() {
        for (measure, bin, ty) in columns.measures(call)? {
            measures.push((measure, bin));
            types.push(ty);
        }
    }
    let schema = aggregate.schema();
    let fits = schema.fields().iter().zip(&types).all(|(field, ty)| {
        let made = data_type(ty);
        let counted = *field.data_type() == DataType::UInt64 && made == DataType::Int64;
        counted || *field.data_type() == made
    });
    let whole = schema.fields().len() == types.len() && fits;
    let expressions = columns.expressions;
    whole.then_some(Measured { wanted: Groups { cells, keys, measures, expressions }, types })
}

/// What cells of a column must be so that their meaning is the same for a node.
fn cell_type(ty: &Type) -> Option<CellType> {
    Some(match ty {
        Type::Byte => CellType::Byte,
        Type::Short => CellType::Short,
        Type::Int => CellType::Int,
        Type::Long | Type::TimestampTz | Type::Timestamp | Type::Date => CellType::Long,
        Type::Double => CellType::Double,
        Type::Text | Type::Varchar(_) => CellType::Text,
        Type::Bool => CellType::Bool,
        _ => return None,
    })
}

struct Columns<'a> {
    origins: &'a Origins,
    /// The bin of each column of the scan.
    places: &'a [(usize, bool)],
    bins: usize,
    /// What is computed, counted on after the bins.
    expressions: Vec<Vec<u8>>,
}

impl Columns<'_> {
    /// The bin of a column that is nothing but that.
    fn plain(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<(u8, Type)> {
        let Origin::Cell(column, None) = self.origins.of(expr)? else { return None };
        let (bin, _) = self.places.get(column)?;
        Some((u8::try_from(*bin).ok()?, self.origins.source.parts.get(column)?.ty.clone()))
    }

    /// Where numbers are, and whether these are to be whole ones.
    fn number(&mut self, expr: &Arc<dyn PhysicalExpr>) -> Option<(u8, bool)> {
        let (column, cast) = match self.origins.of(expr)? {
            Origin::Double(packed) => return Some((self.expression(packed)?, false)),
            Origin::Cell(column, cast) => (column, cast),
        };
        let (bin, _) = self.places.get(column)?;
        let ty = &self.origins.source.parts.get(column)?.ty;
        let bin = u8::try_from(*bin).ok()?;
        match cast.unwrap_or_else(|| data_type(ty)) {
            DataType::Int64 if is_number(ty) => Some((bin, true)),
            DataType::Float64 if is_number(ty) || *ty == Type::Double => Some((bin, false)),
            _ => None,
        }
    }

    /// The place of an expression.
    fn expression(&mut self, packed: Vec<u8>) -> Option<u8> {
        let known = self.expressions.iter().position(|known| *known == packed);
        let place = known.unwrap_or_else(|| {
            self.expressions.push(packed);
            self.expressions.len().saturating_sub(1)
        });
        let fits = self.expressions.len() <= EXPRESSIONS_MAX;
        u8::try_from(self.bins.saturating_add(place)).ok().filter(|_| fits)
    }

    /// The measures whose cells are the columns of a call's state.
    fn measures(&mut self, call: &AggregateFunctionExpr) -> Option<Vec<(Measure, u8, Type)>> {
        if call.is_distinct() || !call.order_bys().is_empty() {
            return None;
        }
        let args = call.expressions();
        let [arg] = args.as_slice() else { return None };
        let extreme = |columns: &Self, measure| columns.plain(arg).map(|(bin, ty)| vec![(measure, bin, ty)]);
        let sum = |(bin, whole)| match whole {
            true => (Measure::Sum, bin, Type::Long),
            false => (Measure::DoubleSum, bin, Type::Double),
        };
        match call.fun().name() {
            "count" => match arg.downcast_ref::<Literal>() {
                Some(literal) if !literal.value().is_null() => {
                    Some(vec![(Measure::Rows, NO_BIN, Type::Long)])
                }
                Some(_) => None,
                None => Some(vec![(Measure::Values, self.plain(arg)?.0, Type::Long)]),
            },
            "sum" => Some(vec![sum(self.number(arg)?)]),
            "avg" => {
                let (bin, whole) = self.number(arg)?;
                (!whole).then(|| vec![(Measure::Values, bin, Type::Long), sum((bin, false))])
            }
            "min" => extreme(self, Measure::Min),
            "max" => extreme(self, Measure::Max),
            _ => None,
        }
    }
}

//! Aggregations that nodes do: the step of a plan that measures rows is replaced by one that asks nodes for what they
//! have measured, wherever these can tell exactly which rows are meant and what is wanted of them.

use super::filters::{code_of, value_of};
use super::groups_exec::GroupsExec;
use super::measures::{Origin, Origins, is_number, measured};
use super::scan_exec::ScanExec;
use crate::column_type::Type;
use crate::execute::push::{
    self, EQUAL, GREATER, GREATER_OR_EQUAL, IN_MAX, LESS, LESS_OR_EQUAL, NOT_EQUAL, mirrored,
};
use crate::value::Value;
use crate::value::moment::DAY_MS;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, InListExpr, IsNotNullExpr, IsNullExpr, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use std::sync::Arc;

/// The rule.
#[derive(Debug)]
pub(super) struct MeasureAtNodes;

impl PhysicalOptimizerRule for MeasureAtNodes {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let replaced = plan.transform_down(|plan| match replacement(&plan) {
            Some(exec) => Ok(Transformed::new(exec, true, TreeNodeRecursion::Jump)),
            None => Ok(Transformed::no(plan)),
        });
        replaced.map(|transformed| transformed.data)
    }

    fn name(&self) -> &'static str {
        "MeasureAtNodes"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn replacement(plan: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    let aggregate = plan.downcast_ref::<AggregateExec>()?;
    let filtered = aggregate.filter_expr().iter().any(Option::is_some);
    let grouped = aggregate.group_expr();
    if *aggregate.mode() != AggregateMode::Partial || grouped.has_grouping_set() || filtered {
        return None;
    }
    let Chain { origins, filter } = chain(aggregate.input())?;
    let measured = measured(aggregate, &origins)?;
    Some(Arc::new(GroupsExec::new(plan, origins.source, measured, filter)))
}

/// What lies between an aggregation and the scan that it reads.
struct Chain {
    /// What comes out.
    origins: Origins,
    /// All conditions on the way, for nodes; empty for none.
    filter: Vec<u8>,
}

fn chain(plan: &Arc<dyn ExecutionPlan>) -> Option<Chain> {
    if let Some(scan) = plan.downcast_ref::<ScanExec>() {
        let source = scan.source()?;
        // Each column is a cell.
        source.layout.as_ref()?.cells()?;
        return Some(Chain { origins: Origins::of_scan(source), filter: Vec::new() });
    }
    if let Some(exec) = plan.downcast_ref::<FilterExec>() {
        let mut below = chain(exec.input())?;
        if exec.fetch().is_some() {
            return None;
        }
        let exact = Exact(&below.origins).pack(exec.predicate())?;
        below.filter = push::both(below.filter, exact);
        if let Some(projection) = exec.projection() {
            let columns = &below.origins.columns;
            let kept = projection.iter().map(|column| columns.get(*column).cloned().flatten()).collect();
            below.origins.columns = kept;
        }
        return Some(below);
    }
    if let Some(exec) = plan.downcast_ref::<ProjectionExec>() {
        let mut below = chain(exec.input())?;
        below.origins.columns = exec.expr().iter().map(|one| below.origins.of(&one.expr)).collect();
        return Some(below);
    }
    below(plan).and_then(chain)
}

/// The input of a step that hands rows on as they are.
pub(super) fn below(plan: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    let hands_on = plan.is::<RepartitionExec>() || plan.is::<CooperativeExec>();
    plan.children().into_iter().next().filter(|_| hands_on)
}

/// Conditions that nodes judge as the engine does, for records whose cells are of their columns' types.
struct Exact<'a>(&'a Origins);

impl Exact<'_> {
    fn pack(&self, condition: &Arc<dyn PhysicalExpr>) -> Option<Vec<u8>> {
        if let Some(binary) = condition.downcast_ref::<BinaryExpr>() {
            let (left, right) = (binary.left(), binary.right());
            return match binary.op() {
                Operator::And => Some(push::both(self.pack(left)?, self.pack(right)?)),
                Operator::Or => Some(push::either(self.pack(left)?, self.pack(right)?)),
                op => {
                    let code = code_of(*op)?;
                    match (literal(left), literal(right)) {
                        (None, Some(value)) => self.compare(left, code, value),
                        (Some(value), None) => self.compare(right, mirrored(code), value),
                        _ => None,
                    }
                }
            };
        }
        if let Some(list) = condition.downcast_ref::<InListExpr>() {
            if list.negated() || list.len() > IN_MAX {
                return None;
            }
            let all = list.list().iter().map(|item| self.compare(list.expr(), EQUAL, literal(item)?));
            return all.collect::<Option<Vec<_>>>()?.into_iter().reduce(push::either);
        }
        if let Some(null) = condition.downcast_ref::<IsNullExpr>() {
            return Some(push::is_there(&self.column(null.arg())?.0, false));
        }
        let there = condition.downcast_ref::<IsNotNullExpr>()?;
        Some(push::is_there(&self.column(there.arg())?.0, true))
    }

    /// Name and type of a column.
    fn column(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<(String, Type)> {
        let Origin::Cell(column, cast) = self.0.of(expr)? else { return None };
        let part = self.0.source.parts.get(column)?;
        // Whole numbers stay the same in a wider type.
        let same = cast.is_none_or(|cast| is_number(&part.ty) && cast == DataType::Int64);
        same.then(|| (part.path.first().cloned().unwrap_or_default(), part.ty.clone()))
    }

    fn compare(&self, expr: &Arc<dyn PhysicalExpr>, code: i64, value: &ScalarValue) -> Option<Vec<u8>> {
        let (name, ty) = self.column(expr)?;
        let bin = |code, value: Value| push::compare_bin(&name, &ty, code, &value);
        match (&ty, value) {
            (Type::Date, ScalarValue::Date32(Some(day))) => {
                // A day is all its milliseconds.
                let first = i64::from(*day).checked_mul(DAY_MS)?;
                let (first, next) = (Value::Int(first), Value::Int(first.checked_add(DAY_MS)?));
                match code {
                    LESS => bin(LESS, first),
                    LESS_OR_EQUAL => bin(LESS, next),
                    GREATER => bin(GREATER_OR_EQUAL, next),
                    GREATER_OR_EQUAL => bin(GREATER_OR_EQUAL, first),
                    EQUAL => Some(push::both(bin(GREATER_OR_EQUAL, first)?, bin(LESS, next)?)),
                    NOT_EQUAL => Some(push::either(bin(LESS, first)?, bin(GREATER_OR_EQUAL, next)?)),
                    _ => None,
                }
            }
            // A constant may be cut to the column's length.
            (Type::Date | Type::Varchar(_), _) => None,
            _ => bin(code, value_of(value)?),
        }
    }
}

fn literal(expr: &Arc<dyn PhysicalExpr>) -> Option<&ScalarValue> {
    Some(expr.downcast_ref::<Literal>()?.value())
}

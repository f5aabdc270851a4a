//! Moments beside whole numbers: these are milliseconds since 1970, as clients of Crate send moments.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, ExprSchema, Result};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Between, Expr, ExprSchemable as _, LogicalPlan, cast};
use datafusion::optimizer::AnalyzerRule;
use sqlparser::ast::BinaryOperator as Op;

/// Comparisons whose other side is a moment.
#[derive(Debug)]
pub(super) struct NumbersAsMoments;

/// The type that a number must have beside a value of this type; none where it may stay one.
fn moment(other: &DataType) -> Option<DataType> {
    match other {
        DataType::Timestamp(_, zone) => Some(DataType::Timestamp(TimeUnit::Millisecond, zone.clone())),
        DataType::Date32 => Some(DataType::Timestamp(TimeUnit::Millisecond, None)),
        _ => None,
    }
}

/// A number beside a value of this type; anything else stays what it is. A type that can't be told is none's.
fn beside(expr: Expr, other: Option<&DataType>, schema: &dyn ExprSchema) -> Expr {
    let is_number = || expr.get_type(schema).is_ok_and(|ty| ty.is_integer());
    match other.and_then(moment).filter(|_| is_number()) {
        Some(wanted) => cast(expr, wanted),
        None => expr,
    }
}

impl ExprPlanner for NumbersAsMoments {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if !matches!(expr.op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq) {
            return Ok(PlannerResult::Original(expr));
        }
        let RawBinaryExpr { op, left, right } = expr;
        let types = (left.get_type(schema).ok(), right.get_type(schema).ok());
        let left = beside(left, types.1.as_ref(), schema);
        let right = beside(right, types.0.as_ref(), schema);
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

impl AnalyzerRule for NumbersAsMoments {
    fn name(&self) -> &'static str {
        "numbers_as_moments"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let changed = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            plan.map_expressions(|expr| expr.transform_up(|expr| Ok(ranges(expr, &schema))))
        })?;
        Ok(changed.data)
    }
}

/// Ranges and lists, which planners are not asked for.
fn ranges(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let known = |expr: &Expr| expr.get_type(schema).ok().filter(|ty| moment(ty).is_some());
    match expr {
        Expr::Between(Between { expr, negated, low, high }) => {
            let ty = known(&expr);
            let side = |side: Expr| Box::new(beside(side, ty.as_ref(), schema));
            let (low, high) = (side(*low), side(*high));
            let expr = Expr::Between(Between { expr, negated, low, high });
            if ty.is_some() { Transformed::yes(expr) } else { Transformed::no(expr) }
        }
        Expr::InList(InList { expr, list, negated }) => {
            let ty = known(&expr);
            let list = list.into_iter().map(|item| beside(item, ty.as_ref(), schema)).collect();
            let expr = Expr::InList(InList { expr, list, negated });
            if ty.is_some() { Transformed::yes(expr) } else { Transformed::no(expr) }
        }
        other => Transformed::no(other),
    }
}

//! The engine's errors as ours.

use crate::error::{Kind, SqlError};
use datafusion::common::{DataFusionError, SchemaError};

/// An error of the engine, with the code that clients expect.
#[expect(clippy::needless_pass_by_value, reason = "it stands where map_err wants a function")]
pub(super) fn from_engine(error: DataFusionError) -> SqlError {
    if let DataFusionError::External(inner) = error.find_root()
        && let Some(ours) = inner.downcast_ref::<SqlError>()
    {
        return ours.clone();
    }
    let text = error.strip_backtrace();
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => SqlError::unknown_column(&field.name),
            SchemaError::AmbiguousReference { field } => {
                SqlError::new(Kind::AmbiguousColumn, format!("Column \"{}\" is ambiguous", field.name))
            }
            _ => SqlError::new(Kind::Analysis, text),
        },
        DataFusionError::ResourcesExhausted(_) => SqlError::new(Kind::QueryFailed, text),
        DataFusionError::NotImplemented(_) => SqlError::new(Kind::NotSupported, text),
        DataFusionError::Plan(why) if why.contains("Invalid function") => {
            let name = why.split('\'').nth(1).unwrap_or_default();
            SqlError::new(Kind::UnknownFunction, format!("Unknown function: {name}()"))
        }
        DataFusionError::Plan(_) | DataFusionError::Diagnostic(..) => SqlError::new(Kind::Analysis, text),
        DataFusionError::SQL(..) => SqlError::new(Kind::Syntax, text),
        DataFusionError::Execution(_) | DataFusionError::ArrowError(..) => {
            SqlError::new(Kind::Validation, text)
        }
        _ => SqlError::new(Kind::Internal, text),
    }
}

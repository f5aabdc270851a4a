//! Functions that clients call and the engine does not have.

use crate::front::quoted_where_needed;
use crate::system::Definitions;
use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, StringArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// What a function gives for the texts of its arguments in one row.
type Texts = fn(&[Option<String>]) -> Option<String>;

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Gives {
    Text,
    Flag,
    Number,
    /// Written one after the other.
    Numbers,
}

/// Name, what comes out, and how.
const FUNCTIONS: [(&str, Gives, Texts); 32] = [
    ("pg_get_statisticsobjdef_columns", Gives::Text, |_| None),
    ("pg_get_function_result", Gives::Text, |_| None),
    ("pg_get_function_arguments", Gives::Text, |_| None),
    ("pg_relation_is_publishable", Gives::Flag, |_| Some("false".to_owned())),
    ("quote_ident", Gives::Text, |args| args.first()?.as_ref().map(|text| quoted_where_needed(text))),
    ("format", Gives::Text, |args| Some(format(args))),
    ("format_type", Gives::Text, format_type),
    ("pg_get_userbyid", Gives::Text, |_| Some("crate".to_owned())),
    ("pg_get_expr", Gives::Text, |args| args.first()?.clone()),
    ("pg_get_serial_sequence", Gives::Text, |_| None),
    ("pg_get_partkeydef", Gives::Text, |_| None),
    ("pg_total_relation_size", Gives::Number, |_| Some("0".to_owned())),
    ("pg_table_size", Gives::Number, |_| Some("0".to_owned())),
    ("pg_stat_get_numscans", Gives::Number, |_| Some("0".to_owned())),
    ("has_column_privilege", Gives::Flag, |_| Some("true".to_owned())),
    ("has_any_column_privilege", Gives::Flag, |_| Some("true".to_owned())),
    ("has_database_privilege", Gives::Flag, |_| Some("true".to_owned())),
    ("has_function_privilege", Gives::Flag, |_| Some("true".to_owned())),
    ("has_type_privilege", Gives::Flag, |_| Some("true".to_owned())),
    ("_pg_values", Gives::Numbers, |args| args.first()?.clone()),
    ("_pg_places", Gives::Numbers, |args| {
        let count = args.first()?.as_ref()?.split_whitespace().count();
        Some((1..=count).map(|place| place.to_string()).collect::<Vec<_>>().join(" "))
    }),
    ("pg_encoding_to_char", Gives::Text, |_| Some("UTF8".to_owned())),
    ("obj_description", Gives::Text, |_| None),
    ("col_description", Gives::Text, |_| None),
    ("shobj_description", Gives::Text, |_| None),
    ("current_setting", Gives::Text, |args| setting(args.first()?.as_deref()?)),
    ("pg_table_is_visible", Gives::Flag, |_| Some("true".to_owned())),
    ("pg_type_is_visible", Gives::Flag, |_| Some("true".to_owned())),
    ("pg_function_is_visible", Gives::Flag, |_| Some("true".to_owned())),
    ("has_schema_privilege", Gives::Flag, |_| Some("true".to_owned())),
    ("has_table_privilege", Gives::Flag, |_| Some("true".to_owned())),
    ("pg_relation_size", Gives::Number, |_| Some("0".to_owned())),
];

/// Puts all functions into a state.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    for (name, gives, texts) in FUNCTIONS {
        let signature = Signature::variadic_any(Volatility::Stable);
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(OfTexts { name, gives, texts, signature })))?;
    }
    Ok(())
}

/// Functions that tell how something of the catalogue is defined.
pub(super) fn register_definitions(state: &mut SessionState, definitions: Definitions) -> Result<()> {
    let definitions = Arc::new(definitions);
    for name in super::rewrite::DEFINITIONS {
        let signature = Signature::variadic_any(Volatility::Stable);
        let known = OfCatalogue { name, definitions: Arc::clone(&definitions), signature };
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(known)))?;
    }
    Ok(())
}

/// A function of the texts of its arguments, and of the catalogue.
#[derive(Debug)]
struct OfCatalogue {
    name: &'static str,
    definitions: Arc<Definitions>,
    signature: Signature,
}

impl PartialEq for OfCatalogue {
    fn eq(&self, other: &OfCatalogue) -> bool {
        self.name == other.name && self.definitions == other.definitions
    }
}

impl Eq for OfCatalogue {}

impl std::hash::Hash for OfCatalogue {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for OfCatalogue {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let results = each(&args, |args| self.definitions.text(self.name, args))?;
        Ok(ColumnarValue::Array(Arc::new(results.into_iter().collect::<StringArray>())))
    }
}

/// What a function gives for the texts of its arguments, row by row.
fn each(
    args: &ScalarFunctionArgs,
    texts: impl Fn(&[Option<String>]) -> Option<String>,
) -> Result<Vec<Option<String>>> {
    let rows = args.number_rows;
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(args.args.len());
    for value in &args.args {
        let array = match value {
            ColumnarValue::Scalar(ScalarValue::Null) => new_null_array(&DataType::Utf8, rows),
            other => datafusion::arrow::compute::cast(&other.to_array(rows)?, &DataType::Utf8)?,
        };
        columns.push(array);
    }
    let columns: Vec<_> = columns.iter().map(|column| column.as_string::<i32>()).collect();
    let row = |row: usize| {
        let args: Vec<Option<String>> = columns
            .iter()
            .map(|column| (!column.is_null(row)).then(|| column.value(row).to_owned()))
            .collect();
        texts(&args)
    };
    Ok((0..rows).map(row).collect())
}

/// A function of the texts of its arguments.
#[derive(Debug)]
struct OfTexts {
    name: &'static str,
    gives: Gives,
    texts: Texts,
    signature: Signature,
}

impl PartialEq for OfTexts {
    fn eq(&self, other: &OfTexts) -> bool {
        self.name == other.name
    }
}

impl Eq for OfTexts {}

impl std::hash::Hash for OfTexts {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for OfTexts {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.gives {
            Gives::Text => DataType::Utf8,
            Gives::Flag => DataType::Boolean,
            Gives::Number => DataType::Int64,
            Gives::Numbers => DataType::new_list(DataType::Int64, true),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let results = each(&args, self.texts)?.into_iter();
        let array: ArrayRef = match self.gives {
            Gives::Text => Arc::new(results.collect::<StringArray>()),
            Gives::Flag => {
                Arc::new(results.map(|text| text.map(|text| text == "true")).collect::<BooleanArray>())
            }
            Gives::Number => {
                Arc::new(results.map(|text| text.and_then(|text| text.parse().ok())).collect::<Int64Array>())
            }
            Gives::Numbers => {
                let numbers =
                    |text: String| text.split_whitespace().map(|one| one.parse().ok()).collect::<Vec<_>>();
                Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(
                    results.map(|text| text.map(numbers)),
                ))
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}

/// `%s` stands for the next argument, `%%` for a sign.
fn format(args: &[Option<String>]) -> String {
    let mut rest = args.iter().skip(1);
    let pattern = args.first().cloned().flatten().unwrap_or_default();
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('%', Some('s')) => {
                chars.next();
                out.push_str(rest.next().and_then(Option::as_deref).unwrap_or("null"));
            }
            ('%', Some('%')) => {
                chars.next();
                out.push('%');
            }
            _ => out.push(c),
        }
    }
    out
}

fn setting(name: &str) -> Option<String> {
    crate::session::DEFAULTS
        .iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, value, _)| (*value).to_owned())
}

/// The name of a type, with what its column says of it.
fn format_type(args: &[Option<String>]) -> Option<String> {
    let oid = args.first()?.as_deref()?;
    let modifier = args.get(1).and_then(|text| text.as_deref()?.parse::<i64>().ok());
    let name = type_name(oid);
    Some(
        match (oid, modifier.and_then(|modifier| modifier.checked_sub(4)).filter(|modifier| *modifier > 0)) {
            ("1043", Some(length)) => format!("{name}({length})"),
            ("1700", Some(both)) => format!("{name}({},{})", both >> 16, both & 0xffff),
            _ => name.to_owned(),
        },
    )
}

fn type_name(oid: &str) -> &'static str {
    match oid {
        "16" => "boolean",
        "18" => "\"char\"",
        "19" => "name",
        "20" => "bigint",
        "21" => "smallint",
        "23" => "integer",
        "25" => "text",
        "114" => "json",
        "600" => "point",
        "700" => "real",
        "701" => "double precision",
        "1000" => "boolean[]",
        "1005" => "smallint[]",
        "1007" => "integer[]",
        "1015" => "character varying[]",
        "1016" => "bigint[]",
        "1021" => "real[]",
        "1022" => "double precision[]",
        "1043" => "character varying",
        "1082" => "date",
        "1114" => "timestamp without time zone",
        "1184" => "timestamp with time zone",
        "1185" => "timestamp with time zone[]",
        "1186" => "interval",
        "1700" => "numeric",
        "2950" => "uuid",
        "199" => "json[]",
        _ => "unknown",
    }
}

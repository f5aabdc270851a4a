//! Functions that clients call and the engine does not have.

use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray, new_null_array,
};
use datafusion::arrow::datatypes::DataType;
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
}

/// Name, what comes out, and how.
const FUNCTIONS: [(&str, Gives, Texts); 25] = [
    ("pg_get_statisticsobjdef_columns", Gives::Text, |_| None),
    ("pg_get_function_result", Gives::Text, |_| None),
    ("pg_get_function_arguments", Gives::Text, |_| None),
    ("pg_relation_is_publishable", Gives::Flag, |_| Some("false".to_owned())),
    ("quote_ident", Gives::Text, |args| args.first()?.as_ref().map(|text| quote(text))),
    ("format", Gives::Text, |args| Some(format(args))),
    ("format_type", Gives::Text, |args| args.first()?.as_ref().map(|oid| type_name(oid).to_owned())),
    ("pg_get_userbyid", Gives::Text, |_| Some("crate".to_owned())),
    ("pg_get_expr", Gives::Text, |args| args.first()?.clone()),
    ("pg_get_constraintdef", Gives::Text, |_| None),
    ("pg_get_indexdef", Gives::Text, |_| None),
    ("pg_get_serial_sequence", Gives::Text, |_| None),
    ("pg_get_partkeydef", Gives::Text, |_| None),
    ("pg_get_viewdef", Gives::Text, |_| None),
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
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(args.args.len());
        for value in &args.args {
            let array = match value {
                ColumnarValue::Scalar(ScalarValue::Null) => new_null_array(&DataType::Utf8, rows),
                other => datafusion::arrow::compute::cast(&other.to_array(rows)?, &DataType::Utf8)?,
            };
            columns.push(array);
        }
        let texts: Vec<_> = columns.iter().map(|column| column.as_string::<i32>()).collect();
        let results = (0..rows).map(|row| {
            let args: Vec<Option<String>> = texts
                .iter()
                .map(|column| (!column.is_null(row)).then(|| column.value(row).to_owned()))
                .collect();
            (self.texts)(&args)
        });
        let array: ArrayRef = match self.gives {
            Gives::Text => Arc::new(results.collect::<StringArray>()),
            Gives::Flag => {
                Arc::new(results.map(|text| text.map(|text| text == "true")).collect::<BooleanArray>())
            }
            Gives::Number => {
                Arc::new(results.map(|text| text.and_then(|text| text.parse().ok())).collect::<Int64Array>())
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}

fn quote(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty() {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
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

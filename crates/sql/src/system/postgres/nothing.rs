//! Tables of PostgreSQL that are always empty here.

use crate::column_type::Type;
use crate::error::Result;
use crate::execute::RowSet;
use crate::system::{empty, unknown};

/// Tables that are always empty: what they would describe does not exist here.
pub(super) fn nothing(name: &str) -> Result<RowSet> {
    let spec = match name {
        "pg_inherits" => "inhrelid int, inhparent int, inhseqno int, inhdetachpending bool",
        "pg_description" | "pg_shdescription" => "objoid int, classoid int, objsubid int, description text",
        "pg_enum" => "oid int, enumtypid int, enumsortorder real, enumlabel text",
        "pg_proc" => {
            "oid int, proname text, pronamespace int, prokind text, prorettype int, proargtypes text, proargnames text[], proargmodes text[], proallargtypes int[], proretset bool, proowner int, pronargs short"
        }
        "pg_range" => "rngtypid int, rngsubtype int",
        "pg_extension" => "oid int, extname text, extversion text, extnamespace int",
        "pg_policy" => {
            "polname text, polrelid int, polcmd text, polpermissive bool, polroles text, polqual text, polwithcheck text"
        }
        "pg_statistic_ext" => {
            "oid int, stxrelid int, stxname text, stxnamespace int, stxkind text[], stxkeys int[], stxstattarget int"
        }
        "pg_publication" => "oid int, pubname text, puballtables bool",
        "pg_publication_rel" => "oid int, prpubid int, prrelid int, prqual text, prattrs text",
        "pg_publication_namespace" => "pnpubid int, pnnspid int",
        "pg_collation" => "oid int, collname text, collnamespace int",
        "pg_trigger" => {
            "oid int, tgrelid int, tgname text, tgisinternal bool, tgenabled text, tgparentid int, tgconstraint int"
        }
        "pg_rewrite" => "oid int, ev_class int, rulename text",
        "pg_foreign_table" => "ftrelid int, ftserver int",
        "pg_matviews" => "schemaname text, matviewname text",
        "pg_tablespace" => "oid int, spcname text, spcowner int",
        "pg_auth_members" => "roleid int, member int",
        "pg_depend" => "classid int, objid int, refclassid int, refobjid int, deptype text",
        "pg_sequence" | "pg_sequences" => "seqrelid int, schemaname text, sequencename text",
        _ => return Err(unknown("pg_catalog", name)),
    };
    let columns: Vec<(&str, Type)> = spec.split(", ").filter_map(column).collect();
    Ok(empty(&columns))
}

/// A column from its name and the word for its type.
fn column(text: &str) -> Option<(&str, Type)> {
    let (name, ty) = text.split_once(' ')?;
    let ty = match ty {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "int[]" => Type::array(Type::Int),
        "real" => Type::Real,
        "short" => Type::Short,
        "text[]" => Type::array(Type::Text),
        _ => Type::Text,
    };
    Some((name, ty))
}

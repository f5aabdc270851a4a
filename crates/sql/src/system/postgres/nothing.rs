//! Tables of PostgreSQL that are always empty here.

use crate::error::Result;
use crate::execute::RowSet;
use crate::system::{empty, unknown};
use crate::types::Type;

/// Tables that are always empty: what they would describe does not exist here.
pub(super) fn nothing(name: &str) -> Result<RowSet> {
    let spec: &[(&str, Type)] = match name {
        "pg_attrdef" => {
            &[("oid", Type::Int), ("adrelid", Type::Int), ("adnum", Type::Short), ("adbin", Type::Text)]
        }
        "pg_inherits" => &[
            ("inhrelid", Type::Int),
            ("inhparent", Type::Int),
            ("inhseqno", Type::Int),
            ("inhdetachpending", Type::Bool),
        ],
        "pg_description" | "pg_shdescription" => &[
            ("objoid", Type::Int),
            ("classoid", Type::Int),
            ("objsubid", Type::Int),
            ("description", Type::Text),
        ],
        "pg_enum" => &[
            ("oid", Type::Int),
            ("enumtypid", Type::Int),
            ("enumsortorder", Type::Real),
            ("enumlabel", Type::Text),
        ],
        "pg_proc" => &[
            ("oid", Type::Int),
            ("proname", Type::Text),
            ("pronamespace", Type::Int),
            ("prokind", Type::Text),
        ],
        "pg_range" => &[("rngtypid", Type::Int), ("rngsubtype", Type::Int)],
        "pg_extension" => &[
            ("oid", Type::Int),
            ("extname", Type::Text),
            ("extversion", Type::Text),
            ("extnamespace", Type::Int),
        ],
        "pg_policy" => &[
            ("polname", Type::Text),
            ("polrelid", Type::Int),
            ("polcmd", Type::Text),
            ("polpermissive", Type::Bool),
            ("polroles", Type::Text),
            ("polqual", Type::Text),
            ("polwithcheck", Type::Text),
        ],
        "pg_statistic_ext" => &[
            ("oid", Type::Int),
            ("stxrelid", Type::Int),
            ("stxname", Type::Text),
            ("stxnamespace", Type::Int),
            ("stxkind", Type::array(Type::Text)),
            ("stxkeys", Type::array(Type::Int)),
            ("stxstattarget", Type::Int),
        ],
        "pg_publication" => &[("oid", Type::Int), ("pubname", Type::Text), ("puballtables", Type::Bool)],
        "pg_publication_rel" => &[
            ("oid", Type::Int),
            ("prpubid", Type::Int),
            ("prrelid", Type::Int),
            ("prqual", Type::Text),
            ("prattrs", Type::Text),
        ],
        "pg_publication_namespace" => &[("pnpubid", Type::Int), ("pnnspid", Type::Int)],
        "pg_collation" => &[("oid", Type::Int), ("collname", Type::Text), ("collnamespace", Type::Int)],
        "pg_trigger" => &[
            ("oid", Type::Int),
            ("tgrelid", Type::Int),
            ("tgname", Type::Text),
            ("tgisinternal", Type::Bool),
            ("tgenabled", Type::Text),
            ("tgparentid", Type::Int),
            ("tgconstraint", Type::Int),
        ],
        "pg_rewrite" => &[("oid", Type::Int), ("ev_class", Type::Int), ("rulename", Type::Text)],
        "pg_foreign_table" => &[("ftrelid", Type::Int), ("ftserver", Type::Int)],
        "pg_matviews" => &[("schemaname", Type::Text), ("matviewname", Type::Text)],
        "pg_tablespace" => &[("oid", Type::Int), ("spcname", Type::Text), ("spcowner", Type::Int)],
        "pg_auth_members" => &[("roleid", Type::Int), ("member", Type::Int)],
        "pg_depend" => &[
            ("classid", Type::Int),
            ("objid", Type::Int),
            ("refclassid", Type::Int),
            ("refobjid", Type::Int),
            ("deptype", Type::Text),
        ],
        "pg_sequence" | "pg_sequences" => {
            &[("seqrelid", Type::Int), ("schemaname", Type::Text), ("sequencename", Type::Text)]
        }
        _ => return Err(unknown("pg_catalog", name)),
    };
    Ok(empty(spec))
}

//! Secondary indexes of sets, as the nodes keep them: other doors make them too.

use super::discover::FRESH;
use super::{Catalogs, Table};
use crate::error::{Kind, Result, SqlError};
use crate::records::To;
use std::sync::Arc;
use std::time::Instant;

/// An index of what is in a bin of the records of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetIndex {
    /// Its name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// The set.
    pub set: String,
    /// The bin.
    pub bin: String,
    /// Of whole numbers; of text otherwise.
    pub numeric: bool,
    /// Whether it is complete on the node that was asked.
    pub ready: bool,
}

/// What was seen, and when.
pub(super) type Seen = Option<(Instant, Arc<Vec<SetIndex>>)>;

impl Catalogs {
    /// The indexes of a table's set, as of a moment ago.
    ///
    /// # Errors
    /// When the own node does not answer.
    pub async fn indexes(&self, table: &Table, anew: bool) -> Result<Vec<SetIndex>> {
        let all = self.all_indexes(anew).await?;
        let own = |index: &&SetIndex| index.namespace == table.namespace && index.set == table.set;
        Ok(all.iter().filter(own).cloned().collect())
    }

    /// All indexes of bins of sets.
    ///
    /// # Errors
    /// When the own node does not answer.
    pub async fn all_indexes(&self, anew: bool) -> Result<Arc<Vec<SetIndex>>> {
        let kept = self.indexes.lock().clone().filter(|(since, _)| !anew && since.elapsed() < FRESH);
        if let Some((_, indexes)) = kept {
            return Ok(indexes);
        }
        let text = self.records.info(&To::Own, "sindex-list").await?;
        let indexes = Arc::new(text.split(';').filter_map(parse).collect::<Vec<_>>());
        *self.indexes.lock() = Some((Instant::now(), Arc::clone(&indexes)));
        Ok(indexes)
    }

    /// Has all nodes make an index.
    ///
    /// # Errors
    /// What the node says.
    pub async fn create_index(&self, index: &SetIndex) -> Result<()> {
        let SetIndex { name, namespace, set, bin, numeric, .. } = index;
        let kind = if *numeric { "numeric" } else { "string" };
        let line =
            format!("sindex-create:namespace={namespace};set={set};indexname={name};bin={bin};type={kind}");
        self.tell(&line).await
    }

    /// Has all nodes drop an index.
    ///
    /// # Errors
    /// What the node says.
    pub async fn drop_index(&self, index: &SetIndex) -> Result<()> {
        self.tell(&format!("sindex-delete:namespace={};indexname={}", index.namespace, index.name)).await
    }

    async fn tell(&self, line: &str) -> Result<()> {
        let answer = self.records.info(&To::Own, line).await?;
        *self.indexes.lock() = None;
        if answer.eq_ignore_ascii_case("ok") {
            return Ok(());
        }
        let why = answer.rsplit(':').next().unwrap_or_default();
        Err(SqlError::new(Kind::Analysis, format!("the node refuses the index: {why}")))
    }
}

/// An entry of the list; none for indexes of another kind.
fn parse(entry: &str) -> Option<SetIndex> {
    let value = |name: &str| {
        entry
            .split(':')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    };
    let plain = value("indextype") == Some("default") && value("context") == Some("null");
    let of_bin = value("exp") == Some("null");
    let ready = value("state") == Some("RW");
    let numeric = match value("type")? {
        "numeric" | "integer" => true,
        "string" => false,
        _ => return None,
    };
    let text = |name: &str| value(name).filter(|text| *text != "null").map(str::to_owned);
    (plain && of_bin).then_some(())?;
    let (name, namespace) = (text("indexname")?, text("ns")?);
    Some(SetIndex { name, namespace, set: text("set")?, bin: text("bin")?, numeric, ready })
}

#[cfg(test)]
mod tests {
    use super::{SetIndex, parse};

    #[test]
    fn only_what_can_be_used_is_taken() {
        let entry = "ns=test:indexname=by_n:set=s:bin=n:type=numeric:indextype=default:context=null:exp=null:state=RW";
        let text = |text: &str| text.to_owned();
        let index = SetIndex {
            name: text("by_n"),
            namespace: text("test"),
            set: text("s"),
            bin: text("n"),
            numeric: true,
            ready: true,
        };
        assert_eq!(parse(entry), Some(index.clone()));
        assert_eq!(parse(&entry.replace("RW", "WO")), Some(SetIndex { ready: false, ..index }));
        for (part, other) in [
            ("exp=null", "exp=kQ=="),
            ("indextype=default", "indextype=list"),
            ("type=numeric", "type=geo2dsphere"),
            ("set=s", "set=null"),
            ("context=null", "context=[1]"),
        ] {
            assert_eq!(parse(&entry.replace(part, other)), None, "{other}");
        }
        assert_eq!(parse(""), None);
    }
}

//! `COPY FROM`: who reads what, and what became of it.

use super::place::Place;
use super::share::Asked;
use super::wishes::has_format;
use super::{Tally, Wishes, summary_columns, wishes_of};
use crate::error::{Kind, Result, SqlError};
use crate::execute::eval::{Env, no_row};
use crate::execute::insert::moment_of;
use crate::execute::run::{Call, Outcome, RowSet, Sql, bounded, timeout_of};
use crate::front::statement::Copy;
use crate::jobs::Running;
use crate::records::NodeAddress;
use crate::value::Value;
use crate::value::cast::text;
use futures::future::{try_join, try_join_all};

/// What became of one address on one node.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    pub(super) node: String,
    pub(super) address: String,
    /// Rows that were written; none when the address could not be read at all.
    pub(super) written: Option<i64>,
    /// Rows that were not; none when nobody knows, because it could not be read to its end.
    pub(super) failed: Option<i64>,
    pub(super) errors: Vec<(String, i64)>,
    /// Why it could not be read to its end.
    pub(super) broken: Option<SqlError>,
    /// Other nodes may well have what this one has not.
    pub(super) elsewhere: bool,
}

impl Done {
    /// Nothing of it could be read.
    pub(super) fn broken(node: &str, place: &Place, error: SqlError) -> Done {
        Done {
            node: node.to_owned(),
            address: place.to_string(),
            errors: vec![(error.to_string(), 1)],
            broken: Some(error),
            ..Done::default()
        }
    }

    fn of(node: &str, place: &Place, tally: Tally, broken: Option<SqlError>) -> Done {
        let mut errors: Vec<(String, i64)> = tally.errors.into_iter().collect();
        errors.extend(broken.iter().map(|error| (error.to_string(), 1)));
        Done {
            node: node.to_owned(),
            address: place.to_string(),
            written: Some(tally.written),
            failed: if broken.is_some() { None } else { Some(tally.failed) },
            errors,
            broken,
            elsewhere: false,
        }
    }

    fn row(self) -> Vec<Value> {
        let number = |number: Option<i64>| number.map_or(Value::Null, Value::Int);
        let node = [("id", Value::text(&self.node)), ("name", Value::text(&self.node))];
        let count = |count| Value::Map(vec![("count".to_owned(), Value::Int(count))]);
        let errors = self.errors.into_iter().map(|(text, times)| (text, count(times)));
        vec![
            Value::Map(node.map(|(name, value)| (name.to_owned(), value)).to_vec()),
            Value::Text(self.address),
            number(self.written),
            number(self.failed),
            Value::Map(errors.collect()),
        ]
    }
}

/// What one node shall read.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) node: NodeAddress,
    /// What any node could read.
    pub(super) shared: Vec<Place>,
    /// What only this node has; there may be stars in it.
    pub(super) own: Vec<Place>,
}

impl Share {
    fn places(&self) -> impl Iterator<Item = &Place> {
        self.shared.iter().chain(&self.own)
    }
}

/// Deals places out: each of the shared ones to one node in turn, the others to all.
fn deal(nodes: Vec<NodeAddress>, shared: Vec<Place>, own: &[Place]) -> Vec<Share> {
    let share = |node| Share { node, shared: Vec::new(), own: own.to_vec() };
    let mut shares: Vec<Share> = nodes.into_iter().map(share).collect();
    let count = shares.len().max(1);
    for (turn, place) in shared.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(turn % count) {
            share.shared.push(place);
        }
    }
    shares.retain(|share| share.places().next().is_some());
    shares
}

impl Sql {
    pub(in crate::execute) async fn copy_from(&self, call: &Call<'_>, copy: &Copy) -> Result<Outcome> {
        let Some(place) = &copy.place else {
            return Err(SqlError::unsupported("COPY FROM STDIN needs a connection of PostgreSQL's wire"));
        };
        let wishes = wishes_of(call, copy, false)?;
        let env = Env { args: call.args, moment: &call.moment, lookup: &no_row };
        let addresses = match env.eval(place)? {
            Value::List(all) => all.iter().map(text).collect(),
            one => vec![text(&one)],
        };
        // The table is looked at before anything is read.
        let keyed = self.inflow(call.session, copy, wishes.clone()).await?.has_key();
        if !wishes.waits {
            return self.read_later(call, copy);
        }
        let nodes = self.readers(&wishes).await?;
        let own_id = self.own_id().await?;
        let alone = nodes.iter().all(|node| node.id == own_id);
        let (mut shared, mut own, mut done) = (Vec::new(), Vec::new(), Vec::new());
        for address in &addresses {
            let place = Place::parse(address, wishes.plain)?;
            if matches!(place, Place::File(_)) && !wishes.shared && !alone {
                own.push(place);
                continue;
            }
            match self.named(place.clone()).await {
                Ok(found) => shared.extend(found),
                Err(error) => done.push(Done::broken(&own_id, &place, error)),
            }
        }
        done.extend(self.read_shares(call, copy, &wishes, deal(nodes, shared, &own), keyed).await?);
        outcome(copy, done)
    }

    /// Leaves the reading to a job of its own, which `sys.jobs` and `sys.jobs_log` tell of.
    fn read_later(&self, call: &Call<'_>, copy: &Copy) -> Result<Outcome> {
        if copy.summary {
            return Err(super::format::wrong("without wait_for_completion there is no summary"));
        }
        let sql = self.own().ok_or_else(|| SqlError::new(Kind::Unavailable, "the node ends"))?;
        let session = call.session.beside();
        let (args, text) = (call.args.to_vec(), call.job.statement.clone());
        let mut copy = copy.clone();
        copy.options.retain(|(name, _)| !name.eq_ignore_ascii_case("wait_for_completion"));
        tokio::spawn(async move {
            let job = sql.jobs.begin(&session.user, &session.id, &text, "COPY");
            let running = Running::new(&sql.jobs, job);
            let call =
                Call { session: &session, args: &args, job: &running.job, moment: moment_of(&session) };
            // In a box: it may, as far as types tell, come back here.
            let work = Box::pin(sql.copy_from(&call, &copy));
            let outcome = bounded(work, &running.job, timeout_of(&session)).await;
            sql.jobs.end(&running.job, outcome.err().map(|error| error.to_string()));
        });
        Ok(Outcome::Count(0))
    }

    pub(super) async fn own_id(&self) -> Result<String> {
        Ok(self.records.info(&crate::records::To::Own, "node").await?)
    }

    /// The nodes that take part, the own one first if it does.
    pub(super) async fn readers(&self, wishes: &Wishes) -> Result<Vec<NodeAddress>> {
        let mut nodes = self.records.nodes().await?;
        if self.engine.is_none() {
            // Other nodes are asked by code that is only there with the engine.
            nodes.truncate(1);
        }
        nodes.retain(|node| wishes.takes(&node.id));
        nodes.truncate(wishes.readers);
        if nodes.is_empty() {
            return Err(super::format::wrong("COPY: no node fits node_filters"));
        }
        Ok(nodes)
    }

    /// All nodes read at the same time, each its own share.
    async fn read_shares(
        &self,
        call: &Call<'_>,
        copy: &Copy,
        wishes: &Wishes,
        shares: Vec<Share>,
        keyed: bool,
    ) -> Result<Vec<Done>> {
        let own = self.own_id().await?;
        let (here, others): (Vec<Share>, Vec<Share>) =
            shares.into_iter().partition(|share| share.node.id == own);
        let asked = async {
            try_join_all(others.iter().map(|share| self.ask_share(call, copy, wishes, share))).await
        };
        let read = async {
            let mut done = Vec::new();
            for place in here.iter().flat_map(Share::places) {
                done.extend(self.read_place(call, copy, wishes, place, &own).await?);
            }
            Ok::<_, SqlError>(done)
        };
        let (asked, mut done) = try_join(asked, read).await?;
        for (share, asked) in others.iter().zip(asked) {
            let why = match asked {
                Asked::Done(of_share) => {
                    done.extend(of_share);
                    continue;
                }
                Asked::NotBegun { why, elsewhere } => {
                    let lost = share.own.iter().map(|place| {
                        let broken = Done::broken(&share.node.id, place, why.clone());
                        Done { elsewhere, ..broken }
                    });
                    done.extend(lost);
                    None
                }
                Asked::Lost(why) => {
                    let lost = share.own.iter().map(|place| Done::broken(&share.node.id, place, why.clone()));
                    done.extend(lost);
                    Some(why)
                }
            };
            // What was begun there may be done over again only where a row that is written twice is one row.
            let again = why.as_ref().filter(|_| !(keyed && wishes.overwrite));
            for place in &share.shared {
                match again {
                    Some(why) => done.push(Done::broken(&share.node.id, place, why.clone())),
                    None => done.extend(self.read_place(call, copy, wishes, place, &own).await?),
                }
            }
        }
        Ok(done)
    }

    /// Reads what a place names. An error only when the whole statement shall end.
    async fn read_place(
        &self,
        call: &Call<'_>,
        copy: &Copy,
        wishes: &Wishes,
        place: &Place,
        node: &str,
    ) -> Result<Vec<Done>> {
        let found = match self.named(place.clone()).await {
            Ok(found) => found,
            Err(error) => {
                let broken = Done::broken(node, place, error);
                return Ok(vec![Done { elsewhere: matches!(place, Place::File(_)), ..broken }]);
            }
        };
        let mut done = Vec::new();
        for place in found {
            let wishes = wishes.clone().named(&place.name(), has_format(copy));
            let fail_fast = wishes.fail_fast;
            let mut source = match self.source(call, &place, &wishes, &copy.columns).await {
                Ok(source) => source,
                Err(error) if fail_fast => return Err(error),
                Err(error) => {
                    done.push(Done::broken(node, &place, error));
                    continue;
                }
            };
            let mut inflow = self.inflow(call.session, copy, wishes).await?;
            let broken = self.read_all(call, &mut inflow, &mut source).await.err();
            if let Some(error) = inflow.tally.first.as_ref().or(broken.as_ref()).filter(|_| fail_fast) {
                return Err(error.clone());
            }
            done.push(Done::of(node, &place, inflow.tally, broken));
        }
        Ok(done)
    }
}

/// A row for each node and address, or the number of rows. Then what could not be read is an error, but for files that
/// another node has.
fn outcome(copy: &Copy, done: Vec<Done>) -> Result<Outcome> {
    if copy.summary {
        let rows = done.into_iter().map(Done::row).collect();
        return Ok(Outcome::Rows(RowSet { columns: summary_columns(), rows }));
    }
    let found = |address: &str| done.iter().any(|done| done.address == address && done.written.is_some());
    let some_found = done.iter().any(|done| done.written.is_some());
    for one in &done {
        let forgiven = one.elsewhere && (found(&one.address) || (some_found && one.address.contains('*')));
        if let Some(error) = one.broken.as_ref().filter(|_| !forgiven) {
            return Err(error.clone());
        }
    }
    Ok(Outcome::Count(done.iter().filter_map(|done| done.written).sum()))
}

#[cfg(test)]
mod tests {
    use super::{Done, Place, Share, deal};
    use crate::error::SqlError;
    use crate::records::{NodeAddress, To};
    use crate::value::Value;

    #[test]
    fn every_node_takes_its_share() {
        let nodes =
            |count| (0..count).map(|id: u8| NodeAddress { id: id.to_string(), to: To::Own }).collect();
        let places = |count| -> Vec<Place> {
            (0..count).map(|at: u8| Place::parse(&format!("s3://b/{at}"), false).expect("a place")).collect()
        };
        let file = Place::parse("/x/y", false).expect("a place");
        let numbers = |shares: &[Share]| shares.iter().map(|share| share.shared.len()).collect::<Vec<_>>();
        assert_eq!(numbers(&deal(nodes(3), places(7), &[])), [3, 2, 2]);
        assert_eq!(numbers(&deal(nodes(3), places(1), &[])), [1]);
        let shares = deal(nodes(3), places(1), std::slice::from_ref(&file));
        assert_eq!(numbers(&shares), [1, 0, 0]);
        assert!(shares.iter().all(|share| share.own == [file.clone()]));
        let mut all: Vec<Place> = deal(nodes(3), places(7), &[]).into_iter().flat_map(|s| s.shared).collect();
        all.sort_by_key(ToString::to_string);
        assert_eq!(all, places(7));
    }

    #[test]
    fn what_could_not_be_read_has_no_counts() {
        let place = Place::parse("s3://k:secret@/b/x", false).expect("a place");
        let row = Done::broken("A1", &place, SqlError::unsupported("why")).row();
        assert_eq!(row[1..4], [Value::text("s3://s3.amazonaws.com/b/x"), Value::Null, Value::Null]);
    }
}

//! What a request without a digest asks for, and everything that refuses it.

use super::QueryJob;
use super::aggregate::{Aggregate, Begin};
use super::background::BackgroundJob;
use super::foreground::Foreground;
use super::groups::Groups;
use super::selection::Selection;
use super::walk::{Along, Sets, Walk};
use crate::command::{Place, compile_filter, shape};
use crate::config::ServiceKey;
use crate::functions::Functions;
use crate::jobs::{Job, JobKind, JobSpec};
use crate::node::Node;
use crate::peer::{Executed, Peer};
use crate::sindex::Collection;
use crate::worker::Worker;
use shipload_value::PartitionId;
use shipload_wire::bits::{info1, info2, info3, info4};
use shipload_wire::code::ResultCode;
use shipload_wire::groups::Groups as Wanted;
use shipload_wire::{PartitionQuery, Request, reply};
use std::sync::Arc;

/// Starts a query; `body` is the message that `request` was decoded from.
pub(crate) fn start(
    node: &Node,
    worker: &mut Worker,
    place: Place<'_>,
    body: &[u8],
    request: &Request<'_>,
    peer: &Peer,
    out: &mut Vec<u8>,
) -> Executed {
    let origin = Start { node, place, body, request, peer };
    let udf_op = request.fields.udf_op;
    let started = if udf_op == Some(&[AGGREGATE]) {
        origin.aggregate(worker).map(|job| Executed::Query(Box::new(QueryJob::aggregate(job))))
    } else if request.header.info2 & info2::WRITE != 0 || udf_op.is_some() {
        origin.background(worker).map(|()| {
            reply::last(out, ResultCode::Ok);
            Executed::Done { timing: None }
        })
    } else {
        origin.foreground(worker).map(|job| Executed::Query(Box::new(QueryJob::query(job))))
    };
    started.unwrap_or_else(|code| {
        reply::simple(out, code, 0, 0);
        Executed::Done { timing: None }
    })
}

/// The operation of a query that runs a stream function.
const AGGREGATE: u8 = 1;
/// The operation of a query that applies a function to every record.
const BACKGROUND: u8 = 2;

struct Start<'a> {
    node: &'a Node,
    place: Place<'a>,
    body: &'a [u8],
    request: &'a Request<'a>,
    peer: &'a Peer,
}

impl Start<'_> {
    fn foreground(&self, worker: &mut Worker) -> Result<Foreground, ResultCode> {
        let header = &self.request.header;
        let query = PartitionQuery::decode(&self.request.fields).map_err(|error| error.result_code())?;
        if !query.names_partitions() || header.info3 & info3::PARTITION_DONE == 0 {
            return Err(ResultCode::UnsupportedFeature);
        }
        if header.info1 & info1::READ == 0 {
            return Err(ResultCode::Parameter);
        }
        shape::check_projection(self.request.ops.clone())?;
        let sets = self.sets(worker)?;
        let filter = self.request.fields.filter.map(compile_filter).transpose()?;
        let along = self.along(&query, sets)?;
        let groups = self.groups(&along)?;
        let short = header.info1 & info1::SHORT_QUERY != 0;
        let job = if short { None } else { Some(self.track(&query, JobKind::Basic, along.index_name())?) };
        let body = self.body.to_vec();
        Ok(Foreground::new(self.place.namespace, body, &query, sets, (filter, groups), job, along))
    }

    /// What the query measures, if it does. Along an index nothing is measured.
    fn groups(&self, along: &Along) -> Result<Option<Box<Groups>>, ResultCode> {
        let Some(data) = self.request.fields.groups else { return Ok(None) };
        if self.request.header.info4 & info4::ROWS == 0 || matches!(along, Along::Selection(_)) {
            return Err(ResultCode::Parameter);
        }
        let wanted = Wanted::decode(data, self.request.ops.len()).map_err(|error| error.result_code())?;
        Ok(Some(Box::new(Groups::new(wanted)?)))
    }

    fn background(&self, worker: &mut Worker) -> Result<(), ResultCode> {
        let query = PartitionQuery::decode(&self.request.fields).map_err(|error| error.result_code())?;
        // Without a task id it is no query at all, but a write that lacks its digest.
        if query.names_partitions() || query.task_id.is_none() {
            return Err(ResultCode::UnsupportedFeature);
        }
        let kind = self.background_kind()?;
        let sets = self.sets(worker)?;
        if let Some(filter) = self.request.fields.filter {
            compile_filter(filter)?;
        }
        let along = self.along(&query, sets)?;
        if sets == Sets::Unknown {
            return Err(ResultCode::NotFound);
        }
        let job = self.track(&query, kind, along.index_name())?;
        let rps = query.records_per_second;
        let work = BackgroundJob::new(self.place, self.body.to_vec(), sets, rps, job, along);
        if kind == JobKind::BackgroundUdf && self.node.functions.has_threads() {
            self.node.take_background_function(work);
        } else {
            self.node.take_background(work);
        }
        Ok(())
    }

    /// Whether a background query applies operations or a function.
    fn background_kind(&self) -> Result<JobKind, ResultCode> {
        match self.request.fields.udf_op {
            None if shape::only_writes(self.request.ops.clone()) => Ok(JobKind::BackgroundOps),
            Some(&[BACKGROUND]) => self.function().map(|()| JobKind::BackgroundUdf),
            None | Some(_) => Err(ResultCode::Parameter),
        }
    }

    /// Checks that a function is named, and that functions may run.
    fn function(&self) -> Result<(), ResultCode> {
        if !Functions::are_allowed(self.node.config()) {
            return Err(ResultCode::Forbidden);
        }
        let fields = &self.request.fields;
        let named = fields.udf_package.is_some() && fields.udf_function.is_some();
        if named { Ok(()) } else { Err(ResultCode::Parameter) }
    }

    fn aggregate(&self, worker: &mut Worker) -> Result<Aggregate, ResultCode> {
        let query = PartitionQuery::decode(&self.request.fields).map_err(|error| error.result_code())?;
        self.function()?;
        let sets = self.sets(worker)?;
        let filter = self.request.fields.filter.map(compile_filter).transpose()?;
        let along = self.along(&query, sets)?;
        let job = self.track(&query, JobKind::Aggregation, along.index_name())?;
        let walk = if query.names_partitions() {
            Walk::asked(&query, along)
        } else {
            // The C client and those on top of it ask every node for what it masters.
            let namespace = self.place.namespace;
            let mastered = |partition: &PartitionId| namespace.stripe_of(*partition).serves(*partition);
            Walk::over(along, PartitionId::all().filter(mastered))
        };
        let begin = Begin { walk, records_per_second: query.records_per_second, sets, filter, job };
        Ok(Aggregate::new(self.place.namespace, self.body.to_vec(), begin))
    }

    /// The sets that the request names: none or an empty name means all.
    fn sets(&self, worker: &mut Worker) -> Result<Sets, ResultCode> {
        let name = self.request.fields.set.unwrap_or_default();
        if name.len() > shape::SET_NAME_MAX {
            return Err(ResultCode::Parameter);
        }
        if name.is_empty() {
            return Ok(Sets::All);
        }
        Ok(worker.find_set(self.place.namespace, name).map_or(Sets::Unknown, Sets::One))
    }

    /// What the query goes along: a range of an index, or all records (of a set, through its index if it has one).
    fn along(&self, query: &PartitionQuery<'_>, sets: Sets) -> Result<Along, ResultCode> {
        let namespace = self.place.namespace;
        if let Some(selection) = Selection::asked(namespace, &self.request.fields, query)? {
            return Ok(Along::Selection(selection));
        }
        let Sets::One(set) = sets else { return Ok(Along::Records(None)) };
        let indexes = namespace.sindexes.list();
        let index = indexes.iter().find(|index| {
            index.set == Some(set) && index.definition.collection == Collection::Set && index.is_readable()
        });
        Ok(Along::Records(index.cloned()))
    }

    /// Module and function that the query runs.
    fn udf_name(&self) -> Option<(String, String)> {
        self.request.fields.udf_op?;
        let text = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
        Some((text(self.request.fields.udf_package), text(self.request.fields.udf_function)))
    }

    /// Lists the query as a job.
    fn track(
        &self,
        query: &PartitionQuery<'_>,
        kind: JobKind,
        sindex_name: &str,
    ) -> Result<Arc<Job>, ResultCode> {
        let address = self.peer.address;
        let spec = JobSpec {
            trid: query.task_id.unwrap_or_else(|| self.node.next_task_id()),
            namespace: self.place.namespace.name.clone(),
            set: String::from_utf8_lossy(self.request.fields.set.unwrap_or_default()).into_owned(),
            sindex_name: sindex_name.to_owned(),
            kind,
            from: format!("{}+{}", address.ip(), address.port()),
            rps: query.records_per_second,
            socket_timeout_ms: query.socket_timeout_ms,
            n_pids_requested: u32::try_from(query.partitions().len()).unwrap_or(u32::MAX),
            udf: self.udf_name(),
            n_keyds_requested: u32::try_from(query.digests().len()).unwrap_or(u32::MAX),
            started_mono_ns: self.place.now.mono_ns,
        };
        let most = self.node.config().service.number(ServiceKey::QueryMaxDone);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.node.jobs.start(spec, most).map_err(|_| ResultCode::Parameter)
    }
}

//! `aggregate`: a stream function of a module over the records of all nodes.
//!
//! Each node does its part up to the first `reduce` and sends what comes out. The rest is done here, with the same Lua
//! and the module as the nodes have it. A condition is checked by the nodes while they scan.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aerospike::{AdminPolicy, Client, Value};
use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipload_lua::{Library, Limits, LuaPool, Moment};
use shipload_value::msgpack::{Item, Reader, element, writer};
use shipload_value::{OwnedParticle, Particle, ParticleType};
use shipload_wire::bits::{field, info1};
use shipload_wire::{Header, ResultCode, request, response};

use super::filter;
use super::literal::{show, to_json};
use super::session::Failure;
use super::statement::{Condition, Execute};
use crate::backup::link::Link;

/// Values on their way from the nodes.
const WAITING_MAX: usize = 256;
/// The UDF operation of a query that aggregates.
const AGGREGATE: [u8; 1] = [1];
/// The bin of a value that came out of a stream.
const SUCCESS: &[u8] = b"SUCCESS";

/// Runs a stream function and prints what comes out, one value a line.
pub(crate) async fn run(
    client: &Client,
    timeout_ms: u32,
    call: &Execute,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let addresses = client.nodes().iter().map(|node| node.address().to_owned()).collect();
    let modules = modules(client).await?;
    let work = Work::new(call, timeout_ms, addresses)?;
    let (module, function) = (call.module.clone(), call.function.clone());
    let values = tokio::task::spawn_blocking(move || work.run(modules, &module, &function)).await;
    let values = values.map_err(|error| Failure::Refused(error.to_string()))?;
    for value in values.map_err(|error| Failure::Refused(format!("{error:#}")))? {
        if json {
            writeln!(out, "{}", serde_json::json!({ "result": to_json(&value) }))?;
        } else {
            writeln!(out, "{}", show(&value))?;
        }
    }
    Ok(())
}

/// The modules of the cluster, by name without extension.
#[derive(Debug)]
struct Modules(BTreeMap<String, Arc<[u8]>>);

impl Library for Modules {
    fn generation(&self) -> u64 {
        1
    }

    fn source(&self, module: &str) -> Option<Arc<[u8]>> {
        self.0.get(module).cloned()
    }
}

/// All of them: one may require another.
async fn modules(client: &Client) -> Result<Modules, Failure> {
    let nodes = client.nodes();
    let node = nodes.first().ok_or_else(|| Failure::Refused("no node is known".to_owned()))?;
    let policy = AdminPolicy::default();
    let mut known = node.info(&policy, &["udf-list"]).await?;
    let mut modules = BTreeMap::new();
    for entry in known.swap_remove("udf-list").unwrap_or_default().split(';') {
        let name = entry.split(',').find_map(|pair| pair.trim().strip_prefix("filename="));
        let Some(name) = name else { continue };
        let command = format!("udf-get:filename={name}");
        let mut answer = node.info(&policy, &[command.as_str()]).await?;
        let text = answer.swap_remove(command.as_str()).unwrap_or_default();
        let content = text.split(';').find_map(|pair| pair.strip_prefix("content="));
        let source = content.and_then(|content| STANDARD.decode(content).ok());
        if let (Some(source), Some(module)) = (source, name.strip_suffix(".lua")) {
            modules.insert(module.to_owned(), source.into());
        }
    }
    Ok(Modules(modules))
}

/// What is asked of the nodes.
struct Work {
    query: Vec<u8>,
    arguments: Vec<u8>,
    addresses: Vec<String>,
    patience: Option<Duration>,
}

impl Work {
    fn new(call: &Execute, timeout_ms: u32, addresses: Vec<String>) -> Result<Work, Failure> {
        let mut arguments = Vec::new();
        writer::array_head(&mut arguments, call.arguments.len());
        for argument in &call.arguments {
            pack(&mut arguments, argument)?;
        }
        let filter = match &call.condition {
            Condition::Bins(comparisons) => filter::expression(comparisons),
            Condition::All | Condition::One(_) => None,
        };
        let filter = filter.map(|filter| filter.base64()).transpose()?;
        let filter = filter.and_then(|text| STANDARD.decode(text).ok());
        let task = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let task_id = u64::try_from(task.as_nanos()).unwrap_or(1).to_be_bytes();
        let mut fields: Vec<(u8, &[u8])> = vec![(field::NAMESPACE, call.table.namespace.as_bytes())];
        if !call.table.set.is_empty() {
            fields.push((field::SET, call.table.set.as_bytes()));
        }
        fields.extend([
            (field::TASK_ID, task_id.as_slice()),
            (field::UDF_PACKAGE, call.module.as_bytes()),
            (field::UDF_FUNCTION, call.function.as_bytes()),
            (field::UDF_ARGS, &arguments),
            (field::UDF_OP, &AGGREGATE),
        ]);
        fields.extend(filter.as_ref().map(|filter| (field::FILTER, filter.as_slice())));
        let mut query = Vec::new();
        request::message(&mut query, &Header { info1: info1::READ, ..Header::default() }, &fields, &[]);
        let patience = (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms.into()));
        Ok(Work { query, arguments, addresses, patience })
    }

    /// Asks all nodes at once, and does the client's part with what they send.
    fn run(&self, modules: Modules, module: &str, function: &str) -> anyhow::Result<Vec<Value>> {
        std::thread::scope(|scope| {
            let (sender, values) = sync_channel(WAITING_MAX);
            for address in &self.addresses {
                let sender = sender.clone();
                scope.spawn(move || {
                    if let Err(error) = self.ask(address, &sender) {
                        // Nobody wants it any more when another node has failed already.
                        let _ = sender.send(Err(error.context(format!("the node at {address}"))));
                    }
                });
            }
            drop(sender);
            self.finish(values, modules, module, function)
        })
    }

    fn finish(
        &self,
        values: Receiver<anyhow::Result<OwnedParticle>>,
        modules: Modules,
        module: &str,
        function: &str,
    ) -> anyhow::Result<Vec<Value>> {
        // Time is the user's here: Ctrl-C stops the statement.
        let limits = Limits { instructions: u64::MAX, time_ns: 0, ..Limits::default() };
        let now = Moment { unix_ms: 0 };
        let mut lease = Arc::new(LuaPool::default()).take(&Arc::new(modules), module, limits)?;
        let stream = lease.open_at_client(function, &self.arguments, now)?;
        let mut results = Vec::new();
        for value in values {
            results.extend(lease.push_value(&stream, value?.as_particle(), now)?);
        }
        results.extend(lease.finish(&stream, now)?);
        results
            .iter()
            .map(|value| value.as_ref().map_or(Ok(Value::Nil), |it| as_value(it.as_particle())))
            .collect()
    }

    /// Sends on what a node answers.
    fn ask(&self, address: &str, values: &SyncSender<anyhow::Result<OwnedParticle>>) -> anyhow::Result<()> {
        let address: SocketAddr = address.to_socket_addrs()?.next().context("it has no address")?;
        let mut link = Link::connect(address)?;
        link.set_patience(self.patience)?;
        link.send(&self.query)?;
        loop {
            let body = link.frame()?;
            for message in response::messages(&body) {
                let message = message.map_err(|error| anyhow!("{error}"))?;
                for op in message.ops.clone() {
                    let kind = ParticleType::from_number(op.kind);
                    if op.name != SUCCESS {
                        bail!("{}", String::from_utf8_lossy(op.value));
                    }
                    let Some(kind) = kind else { continue };
                    if values.send(Ok(OwnedParticle { kind, bytes: op.value.to_vec() })).is_err() {
                        return Ok(());
                    }
                }
                match message.result() {
                    Some(ResultCode::Ok) if message.is_last() => return Ok(()),
                    Some(ResultCode::Ok) => {}
                    Some(code) => bail!("{code} (code {})", message.header.result),
                    None => bail!("code {}", message.header.result),
                }
            }
        }
    }
}

/// Appends an argument in the form in which functions take them.
fn pack(out: &mut Vec<u8>, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Nil => writer::nil(out),
        Value::Bool(flag) => writer::bool(out, *flag),
        Value::Int(number) => writer::int(out, *number),
        Value::Float(number) => writer::double(out, number.into()),
        Value::String(text) => writer::typed(out, ParticleType::String.number(), text.as_bytes()),
        Value::Blob(bytes) => writer::typed(out, ParticleType::Blob.number(), bytes),
        Value::GeoJson(text) => writer::typed(out, ParticleType::GeoJson.number(), text.as_bytes()),
        Value::List(items) => {
            writer::array_head(out, items.len());
            items.iter().try_for_each(|item| pack(out, item))?;
        }
        Value::OrderedMap(entries) => {
            writer::map_head(out, entries.len());
            entries.iter().try_for_each(|(key, value)| pack(out, key).and_then(|()| pack(out, value)))?;
        }
        other @ (Value::Infinity | Value::Wildcard | _) => {
            return Err(Failure::Refused(format!("{other} can't be an argument")));
        }
    }
    Ok(())
}

/// A value as the client knows values.
fn as_value(particle: Particle<'_>) -> anyhow::Result<Value> {
    let mut encoded = Vec::new();
    element::from_particle(&mut encoded, particle);
    read(&mut Reader::new(&encoded))
}

fn read(reader: &mut Reader<'_>) -> anyhow::Result<Value> {
    let wrong = |_| anyhow!("the node sent a malformed value");
    match reader.peek().map_err(wrong)? {
        Item::Array(_) => {
            let count = reader.list_head().map_err(wrong)?.count;
            return Ok(Value::List((0..count).map(|_| read(reader)).collect::<anyhow::Result<_>>()?));
        }
        Item::Map(_) => {
            let count = reader.map_head().map_err(wrong)?.count;
            let entry = |_| Ok((read(reader)?, read(reader)?));
            return Ok(Value::OrderedMap((0..count).map(entry).collect::<anyhow::Result<_>>()?));
        }
        Item::Nil | Item::Bool(_) | Item::Int(_) | Item::Uint(_) | Item::Double(_) | Item::Bytes(_) => {}
        Item::Ext { .. } => {}
    }
    Ok(match reader.read().map_err(wrong)? {
        Item::Bool(flag) => Value::Bool(flag),
        Item::Int(number) => Value::Int(number),
        Item::Uint(number) => Value::Int(number.cast_signed()),
        Item::Double(number) => Value::from(number),
        Item::Bytes(raw) => typed(raw),
        Item::Nil | Item::Ext { .. } | Item::Array(_) | Item::Map(_) => Value::Nil,
    })
}

fn typed(raw: &[u8]) -> Value {
    let (kind, bytes) = raw.split_first().map_or((None, raw), |(kind, rest)| (Some(*kind), rest));
    let text = || String::from_utf8_lossy(bytes).into_owned();
    match kind.and_then(ParticleType::from_number) {
        Some(ParticleType::String) => Value::String(text()),
        Some(ParticleType::GeoJson) => Value::GeoJson(text()),
        Some(ParticleType::Hll) => Value::Hll(bytes.to_vec()),
        Some(_) | None => Value::Blob(bytes.to_vec()),
    }
}

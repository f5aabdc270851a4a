//! The recorded cases: read from `tests/golden/`, compared with what a server answers now.
//!
//! This file is also compiled into the engine's `golden` test, which plays the same cases without a socket.

use flate2::read::GzDecoder;
use serde_json::Value;
use shipload_wire::{Cut, Limits, frame, response};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// One recorded conversation.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// One request with its answer.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) request: Vec<u8>,
    pub(crate) response: Vec<u8>,
    /// Byte ranges of the answer that are not compared: offset and length.
    vary: Vec<(usize, usize)>,
    /// The messages of the answer may come in any order.
    unordered: bool,
}

impl Step {
    /// Whether `got` is the recorded answer, as far as it is to be compared.
    pub(crate) fn accepts(&self, got: &[u8]) -> bool {
        if self.unordered {
            return sorted_messages(&self.response) == sorted_messages(got);
        }
        self.blanked(&self.response) == self.blanked(got)
    }

    fn blanked(&self, answer: &[u8]) -> Vec<u8> {
        let mut answer = answer.to_vec();
        for &(offset, length) in &self.vary {
            let end = offset.saturating_add(length).min(answer.len());
            if let Some(range) = answer.get_mut(offset..end) {
                range.fill(0);
            }
        }
        answer
    }
}

/// Reads a file of cases.
pub(crate) fn load(path: &Path) -> Result<Vec<Case>, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    lines
        .map(|line| {
            let line = line.map_err(|error| format!("{}: {error}", path.display()))?;
            let value: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
            case(&value).ok_or_else(|| format!("{}: a line is no case", path.display()))
        })
        .collect()
}

/// Reads the info commands that are sent before the first case.
pub(crate) fn load_setup(folder: &Path) -> Result<Vec<String>, String> {
    let path = folder.join("setup.json");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|value| value.as_array()?.iter().map(|line| Some(line.as_str()?.to_owned())).collect())
        .ok_or_else(|| format!("{}: not a list of texts", path.display()))
}

fn case(value: &Value) -> Option<Case> {
    let steps = value.get("steps")?.as_array()?.iter().map(step).collect::<Option<_>>()?;
    Some(Case { name: value.get("case")?.as_str()?.to_owned(), steps })
}

fn step(value: &Value) -> Option<Step> {
    let range = |range: &Value| {
        let number = |index| usize::try_from(range.get(index)?.as_u64()?).ok();
        Some((number(0)?, number(1)?))
    };
    let vary = match value.get("vary") {
        Some(ranges) => ranges.as_array()?.iter().map(range).collect::<Option<_>>()?,
        None => Vec::new(),
    };
    Some(Step {
        request: from_hex(value.get("request")?.as_str()?)?,
        response: from_hex(value.get("response")?.as_str()?)?,
        vary,
        unordered: value.get("unordered").and_then(Value::as_bool).unwrap_or(false),
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(pair).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bodies of the frames of an answer.
fn bodies(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while let Cut::Frame { frame, consumed } = frame::cut(bytes, &Limits::default()) {
        bodies.push(frame.body);
        bytes = bytes.get(consumed..).unwrap_or_default();
    }
    bodies
}

/// The messages of an answer as readable lines, one for each message.
fn readable(answer: &[u8]) -> Vec<String> {
    let messages = bodies(answer).into_iter().flat_map(|body| response::messages(body).collect::<Vec<_>>());
    messages.map(|message| message.map_or_else(|error| error.to_string(), |message| line(&message))).collect()
}

fn sorted_messages(answer: &[u8]) -> Vec<String> {
    let mut lines = readable(answer);
    lines.sort();
    lines
}

/// Everything that a message says, as text.
fn line(message: &shipload_wire::Response<'_>) -> String {
    let header = &message.header;
    let fields = &message.fields;
    let mut text = format!(
        "result {} generation {} void {} index {} info {:02x}/{:02x}/{:02x}/{:02x}",
        header.result,
        header.generation,
        header.record_ttl,
        header.transaction_ttl,
        header.info1,
        header.info2,
        header.info3,
        header.info4
    );
    let known = [("digest", fields.digest), ("set", fields.set), ("key", fields.key), ("bval", fields.bvals)];
    for (name, value) in known {
        text.extend(value.map(|value| format!(" {name}={}", to_hex(value))));
    }
    for op in message.ops.clone() {
        let name = String::from_utf8_lossy(op.name);
        text.push_str(&format!(" | op {} type {} {name}={}", op.code, op.kind, to_hex(op.value)));
    }
    text
}

/// What was asked, what was recorded, and what came instead, for people.
pub(crate) fn explain(step: &Step, got: &[u8]) -> String {
    let mut text = String::new();
    let asked = bodies(&step.request).first().map(|body| request_line(body)).unwrap_or_default();
    text.push_str(&format!("    asked     {}\n", short(&asked)));
    for (label, answer) in [("recorded", step.response.as_slice()), ("got", got)] {
        let lines = readable(answer);
        for line in lines.iter().take(8) {
            text.push_str(&format!("    {label:<9} {}\n", short(line)));
        }
        if lines.is_empty() {
            text.push_str(&format!("    {label:<9} {} bytes: {}\n", answer.len(), short(&to_hex(answer))));
        }
    }
    text
}

fn request_line(body: &[u8]) -> String {
    match shipload_wire::Request::decode(body) {
        Ok(request) => line(&shipload_wire::Response::from(request)),
        Err(error) => error.to_string(),
    }
}

fn short(text: &str) -> String {
    const LONGEST: usize = 600;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

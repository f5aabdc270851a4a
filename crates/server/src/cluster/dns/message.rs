//! Questions to name servers and their answers, as bytes (RFC 1035, section 4).
//!
//! Guarantees: any bytes may be read. Names in an answer are passed over, or followed a few steps at most, so that one
//! which points at itself leads nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HEADER: usize = 12;
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 255;
const INTERNET: u16 = 1;
/// Addresses that are taken from one answer.
const ADDRESSES_MAX: usize = 4096;
/// Names that are taken from one answer.
const NAMES_MAX: usize = 64;
/// How often the rest of a name may stand elsewhere.
const JUMPS_MAX: usize = 8;
/// There is no such name.
pub(super) const NO_SUCH_NAME: u8 = 3;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// IPv4.
    A = 1,
    /// IPv6.
    Aaaa = 28,
    /// The names of an address.
    Ptr = 12,
}

/// A question to a name server.
#[derive(Debug, Clone)]
pub(super) struct Question {
    packet: Vec<u8>,
}

/// What a name server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// 0 fine, [`NO_SUCH_NAME`], or what is wrong with the server.
    pub(super) code: u8,
    /// There is more than fitted the datagram.
    pub(super) truncated: bool,
    pub(super) addresses: Vec<IpAddr>,
    /// The names of an address, when those were asked for.
    pub(super) names: Vec<String>,
}

/// An answer to the question, but one that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Question {
    /// A question with this number; none when `name` is no name.
    pub(super) fn new(id: u16, name: &str, kind: Kind) -> Option<Question> {
        let mut packet = id.to_be_bytes().to_vec();
        // Recursion desired; one question.
        packet.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        for label in name.strip_suffix('.').unwrap_or(name).split('.') {
            let length = u8::try_from(label.len()).ok()?;
            if label.is_empty() || label.len() > LABEL_MAX {
                return None;
            }
            packet.push(length);
            packet.extend_from_slice(label.as_bytes());
        }
        packet.push(0);
        if packet.len() - HEADER > NAME_MAX {
            return None;
        }
        packet.extend_from_slice(&(kind as u16).to_be_bytes());
        packet.extend_from_slice(&INTERNET.to_be_bytes());
        Some(Question { packet })
    }

    /// What is sent.
    pub(super) fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// Reads an answer; none when these bytes answer something else.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<Result<Answer, Malformed>> {
        let (head, rest) = bytes.split_at_checked(HEADER)?;
        let asked = self.packet.get(HEADER..)?;
        let &[id_high, id_low, flags, more_flags, _, questions, ..] = head else { return None };
        let is_answer = self.packet.starts_with(&[id_high, id_low]) && flags & 0xf8 == 0x80;
        let code = more_flags & 0x0f;
        // A server that refuses may leave the question out.
        let repeated = rest.get(..asked.len()).is_some_and(|question| question.eq_ignore_ascii_case(asked));
        if !is_answer || (!repeated && (questions != 0 || code == 0)) {
            return None;
        }
        let mut answer = Answer { code, truncated: flags & 2 != 0, addresses: Vec::new(), names: Vec::new() };
        if code != 0 {
            return Some(Ok(answer));
        }
        let count = number(bytes, 6).unwrap_or(0);
        let whole = read_records(bytes, HEADER + asked.len(), count, &mut answer);
        // What is cut short may be cut anywhere.
        Some(if whole.is_some() || answer.truncated { Ok(answer) } else { Err(Malformed) })
    }
}

/// Takes addresses and names of so many records from place `at` on; none when they are not all there.
fn read_records(bytes: &[u8], mut at: usize, count: u16, answer: &mut Answer) -> Option<()> {
    for _ in 0..count {
        at = after_name(bytes, at)?;
        let (kind, class, length) = (number(bytes, at)?, number(bytes, at + 2)?, number(bytes, at + 8)?);
        at += 10;
        if class == INTERNET && kind == Kind::Ptr as u16 && answer.names.len() < NAMES_MAX {
            answer.names.push(name_at(bytes, at)?);
        }
        let data = bytes.get(at..at + usize::from(length))?;
        at += data.len();
        let address = if class != INTERNET {
            None
        } else if kind == Kind::A as u16 {
            Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)))
        } else if kind == Kind::Aaaa as u16 {
            Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)))
        } else {
            None
        };
        if answer.addresses.len() < ADDRESSES_MAX {
            answer.addresses.extend(address);
        }
    }
    Some(())
}

/// The name that begins at `at`, with dots between its labels.
fn name_at(bytes: &[u8], mut at: usize) -> Option<String> {
    let mut name = String::new();
    let mut jumps = 0;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(name),
            high @ 0xc0.. => {
                jumps += 1;
                at = ((high & 0x3f) << 8) | usize::from(*bytes.get(at + 1)?);
            }
            length @ ..=LABEL_MAX => {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(std::str::from_utf8(bytes.get(at + 1..at + 1 + length)?).ok()?);
                at += 1 + length;
            }
            _ => return None,
        }
        if jumps > JUMPS_MAX || name.len() > NAME_MAX {
            return None;
        }
    }
}

/// The place after the name that begins at `at`.
fn after_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            // The rest of the name stands elsewhere.
            0xc0.. => return Some(at + 2),
            length @ ..=LABEL_MAX => at += 1 + length,
            _ => return None,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;

//! What clients do, and what they make of answers.

use crate::canary::Canary;
use crate::client::{self, Waiting, answered, is_refusal};
use crate::event::Event;
use crate::ledger::{Fate, Ledger};
use crate::merge::Winner;
use crate::world::World;
use shipload_cluster::NodeId;
use shipload_wire::code::ResultCode;
use shipload_wire::reply;

/// A client waits so long for an answer, microseconds.
const PATIENCE_US: u64 = 3_000_000;
/// A record rests so long after a write in doubt: until then any node that still has the request has given it up.
pub(crate) const REST_US: u64 = 6_000_000;
/// Between two looks at the map, microseconds.
const MAP_US: u64 = 1_000_000;
/// On the way to a node, microseconds.
const DELAY_US: (u64, u64) = (50, 500);

impl World {
    /// Clients begin, or go on.
    pub fn wake_clients(&mut self) {
        self.clients_rest = false;
        for client in 0..self.clients.len() {
            if self.clients[client].waiting.is_none() {
                let at_us = self.now_us + self.draw.between(self.settings.pace_us);
                self.push(at_us, Event::Turn { client });
            }
        }
    }

    pub(crate) fn on_turn(&mut self, client: usize) {
        if self.clients_rest || self.clients[client].waiting.is_some() {
            return;
        }
        let nodes: Vec<NodeId> = self.hosts.keys().copied().collect();
        let Some(any) = self.draw.pick(&nodes) else {
            return self.next_turn(client);
        };
        if self.is_visitor(client) {
            return self.visitor_turn(client, any);
        }
        if self.clients[client].map_at_us <= self.now_us {
            self.clients[client].map_at_us = self.now_us + MAP_US / (nodes.len() as u64).max(1);
            return self.send(client, any, Waiting::Map { node: any }, client::ask_map());
        }
        if self.draw.chance(250) {
            return self.register_turn(client, any);
        }
        let own = self.clients[client].own.clone();
        let writes = self.draw.chance(550);
        let record = if writes {
            self.draw.pick(&own).unwrap_or(0)
        } else {
            usize::try_from(self.draw.below(self.settings.records as u64)).unwrap_or(0)
        };
        let routed = self.clients[client].masters[client::digest(record).partition().index()];
        let to = routed.filter(|_| !self.draw.chance(150)).unwrap_or(any);
        if writes && self.ledger.records[record].rests_until_us <= self.now_us {
            let token = self.ledger.begin(record, self.now_us);
            let frame = client::append(record, &Ledger::bytes(token));
            self.send(client, to, Waiting::Write { record, token }, frame);
        } else {
            let winner = self.winner(record);
            let waiting = Waiting::Read { record, sent_us: self.now_us, strict: !self.diverged, winner };
            self.send(client, to, waiting, client::read(record));
        }
    }

    pub(crate) fn send(&mut self, client: usize, node: NodeId, waiting: Waiting, frame: Vec<u8>) {
        let one = &mut self.clients[client];
        one.serial += 1;
        let serial = one.serial;
        one.waiting = Some((serial, waiting));
        let at_us = self.now_us + self.draw.between(DELAY_US);
        self.push(at_us, Event::Request { node, client, serial, frame });
        self.push(self.now_us + PATIENCE_US, Event::GiveUp { client, serial });
    }

    pub(crate) fn next_turn(&mut self, client: usize) {
        let at_us = self.now_us + self.draw.between(self.settings.pace_us);
        self.push(at_us, Event::Turn { client });
    }

    /// The bug of telling clients too early: a parked write is answered at once.
    pub(crate) fn answer_early(&mut self, node: NodeId, client: usize, serial: u64) {
        if self.settings.canary != Some(Canary::EarlyAnswer) {
            return;
        }
        let waiting = self.clients.get(client).and_then(|client| client.waiting);
        let Some((_, Waiting::Write { record, .. })) = waiting else { return };
        let Some(host) = self.hosts.get(&node) else { return };
        if host.node.leads(host.namespace(), client::digest(record).partition()) {
            let mut frames = Vec::new();
            reply::simple(&mut frames, ResultCode::Ok, 1, 0);
            self.answer(client, serial, frames);
        }
    }

    /// An answer, or none in time.
    pub(crate) fn on_answer(&mut self, client: usize, serial: u64, frames: Option<Vec<u8>>) {
        let Some((_, waiting)) = self.clients[client].waiting.filter(|(number, _)| *number == serial) else {
            return;
        };
        self.clients[client].waiting = None;
        self.note(&[
            7,
            client as u64,
            serial,
            frames.as_ref().map_or(0, |frames| u64::from(crc32c::crc32c(frames))),
        ]);
        match waiting {
            Waiting::Map { node } => {
                if let Some(frames) = frames {
                    self.clients[client].learn(node, &frames);
                }
            }
            Waiting::Sketch { .. } => self.end_sketch(frames.as_deref()),
            Waiting::Lease { page, master, asked_us } => {
                return self.end_lease(client, (page, master, asked_us), frames.as_deref());
            }
            Waiting::Page { page, asked_us, until_us } => {
                self.end_page((page, asked_us, until_us), frames.as_deref());
            }
            Waiting::PageWrite { page, number } => self.end_page_write(page, number, frames.as_deref()),
            Waiting::Registers { first, count } => self.end_registers(first, count, frames.as_deref()),
            Waiting::Register { register, sent_us, strict } => {
                if let Some(frames) = &frames {
                    self.end_register_read(register, sent_us, strict, frames);
                }
            }
            Waiting::Write { record, token } => self.end_write(record, token, frames.as_deref()),
            Waiting::Read { record, sent_us, strict, winner } => {
                if let Some(frames) = &frames {
                    self.end_read(record, sent_us, strict, winner, frames);
                }
            }
        }
        self.next_turn(client);
    }

    fn end_write(&mut self, record: usize, token: u64, frames: Option<&[u8]>) {
        let fate = match frames {
            // Nobody was there.
            Some([]) => Fate::Refused,
            Some(frames) => match answered(frames) {
                Some(answer) => match answer.code {
                    // Its master may take it along when it dies: as good as in doubt, but it comes no more.
                    Some(ResultCode::Ok) if client::is_hasty(record) => {
                        self.figures.branch("write on its master alone");
                        return self.ledger.end(token, Fate::Doubtful);
                    }
                    Some(ResultCode::Ok) => {
                        Fate::Acknowledged { at_us: self.now_us, generation: answer.generation }
                    }
                    Some(code) if is_refusal(code) => {
                        self.figures.branch("write refused");
                        Fate::Refused
                    }
                    Some(ResultCode::Timeout) => Fate::Doubtful,
                    code => {
                        self.violate(&format!("a write of record {record} ended with {code:?}"));
                        Fate::Doubtful
                    }
                },
                None => {
                    self.violate("an answer to a write is no answer");
                    Fate::Doubtful
                }
            },
            None => Fate::Doubtful,
        };
        match fate {
            Fate::Acknowledged { .. } => self.figures.acknowledged += 1,
            Fate::Doubtful => {
                self.figures.doubtful += 1;
                self.ledger.records[record].rests_until_us = self.now_us + REST_US;
            }
            Fate::Pending | Fate::Refused => {}
        }
        self.ledger.end(token, fate);
    }

    fn end_read(&mut self, record: usize, sent_us: u64, strict: bool, winner: Option<Winner>, frames: &[u8]) {
        if frames.is_empty() {
            return;
        }
        let Some(answer) = answered(frames) else {
            return self.violate("an answer to a read is no answer");
        };
        match answer.code {
            Some(ResultCode::Ok | ResultCode::NotFound) => {
                self.figures.reads += 1;
                let lossy = !strict || self.diverged;
                if let Err(what) = self.ledger.check(record, &answer.chain, sent_us, lossy) {
                    self.violate(&format!("read: {what}"));
                }
                if let Some(winner) = winner {
                    self.check_merged(record, winner, &answer.chain);
                }
            }
            Some(ResultCode::Unavailable) => self.figures.branch("read refused"),
            Some(ResultCode::Timeout) => self.figures.branch("read timed out"),
            code => self.violate(&format!("a read of record {record} ended with {code:?}")),
        }
    }
}

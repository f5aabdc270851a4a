//! What clients do with registers, and what they make of answers; and what registers must be at rest.

use crate::client::{Waiting, is_refusal};
use crate::host::Host;
use crate::ledger::Fate;
use crate::registers::{self, REGISTERS, Told, number_of_image};
use crate::traffic::REST_US;
use crate::world::World;
use shipload_cluster::NodeId;
use shipload_store::STRIPE_COUNT;
use shipload_wire::code::ResultCode;

/// A truncate has reached all nodes, and what it kills is swept, after so long, milliseconds.
const TRUNCATED_MS: u64 = 4_000;
/// Registers of one batch.
const ROWS: u64 = 3;

impl World {
    /// A client reads a register, or writes some of its own.
    pub(crate) fn register_turn(&mut self, client: usize, any: NodeId) {
        let step = self.clients.len().max(1);
        let own: Vec<usize> = (client..REGISTERS).step_by(step).collect();
        let begin = self.draw.below(own.len() as u64);
        let begin = usize::try_from(begin).unwrap_or(0);
        let count = if self.draw.chance(400) {
            usize::try_from(self.draw.between((2, ROWS))).unwrap_or(1)
        } else {
            1
        };
        let chosen: Vec<usize> = own.into_iter().skip(begin).take(count).collect();
        let Some(first) = chosen.first().copied() else { return };
        let to = self.clients[client].masters[registers::digest(first).partition().index()];
        let to = to.filter(|_| !self.draw.chance(150)).unwrap_or(any);
        let rests = chosen.iter().any(|register| self.registers[*register].rests_until_us > self.now_us);
        if rests || self.draw.chance(400) {
            let waiting = Waiting::Register { register: first, sent_us: self.now_us, strict: !self.diverged };
            return self.send(client, to, waiting, registers::read(first));
        }
        let fades = chosen.len() == 1 && self.draw.chance(200);
        let mut writes = Vec::new();
        for register in chosen {
            let value = if self.draw.chance(300) { None } else { Some(self.draw.below(1 << 40)) };
            self.registers[register].begin(value, fades && value.is_some());
            writes.push((register, value));
        }
        let frame = match writes.as_slice() {
            [(register, value)] => registers::write(*register, *value, fades),
            _ => registers::write_many(&writes),
        };
        self.send(client, to, Waiting::Registers { first, count: writes.len() }, frame);
    }

    pub(crate) fn end_registers(&mut self, first: usize, count: usize, frames: Option<&[u8]>) {
        let step = self.clients.len().max(1);
        let told = registers::told(frames, count);
        for (register, told) in (first..REGISTERS).step_by(step).zip(told) {
            let fate = match told {
                Told::Code(Some(ResultCode::Ok | ResultCode::NotFound)) => {
                    Fate::Acknowledged { at_us: self.now_us, generation: 0 }
                }
                Told::Code(Some(code)) if is_refusal(code) => Fate::Refused,
                Told::Nobody => Fate::Refused,
                Told::Code(Some(ResultCode::Timeout)) | Told::Nothing => Fate::Doubtful,
                Told::Code(code) => {
                    self.violate(&format!("a write of register {register} ended with {code:?}"));
                    Fate::Doubtful
                }
            };
            self.registers[register].end(fate);
            match fate {
                Fate::Acknowledged { .. } => self.figures.branch("register written"),
                Fate::Refused | Fate::Pending => {}
                Fate::Doubtful => {
                    self.figures.branch("register in doubt");
                    self.registers[register].rests_until_us = self.now_us + REST_US;
                }
            }
        }
    }

    pub(crate) fn end_register_read(&mut self, register: usize, sent_us: u64, strict: bool, frames: &[u8]) {
        let Ok(seen) = registers::number(frames) else { return };
        let lossy = !strict || self.diverged;
        if let Err(what) = self.registers[register].check(seen, sent_us, lossy) {
            self.violate(&format!("read: register {register}: {what}"));
        }
    }

    /// All copies of each register are equal and hold what they may; all indexes hold exactly what records say.
    pub(crate) fn check_registers(&mut self) {
        let mut wrong = Vec::new();
        for register in 0..REGISTERS {
            let name = registers::digest(register);
            let mut images = Vec::new();
            for host in self.hosts.values() {
                images.extend(host.node.held_image(host.namespace(), &name).map(|image| (host.id, image)));
            }
            if let Some(other) = images.iter().find(|(_, image)| *image != images[0].1) {
                wrong.push(format!("register {register} differs at {} and {}", images[0].0, other.0));
                continue;
            }
            let held = images.first().map(|(_, image)| number_of_image(image));
            let held = match held {
                Some(None) => {
                    wrong.push(format!("register {register} has an image that nobody wrote"));
                    continue;
                }
                Some(Some(number)) => Some(number),
                None => None,
            };
            match self.registers[register].check(held, u64::MAX, self.diverged) {
                Ok(()) => self.registers[register].settle(held),
                Err(what) => wrong.push(format!("at rest: register {register}: {what}")),
            }
        }
        wrong.iter().for_each(|what| self.violate(what));
        for host in self.hosts.values() {
            (0..STRIPE_COUNT).for_each(|stripe| host.namespace().assert_indexes(stripe));
        }
    }

    /// Nobody writes and all nodes agree: all registers are truncated, and must never come back.
    pub(crate) fn truncate_registers(&mut self) {
        let nodes: Vec<NodeId> = self.hosts.keys().copied().collect();
        let Some(node) = self.draw.pick(&nodes) else { return };
        self.figures.fault("all registers truncated");
        self.info(node, &registers::truncate_command());
        self.run_ms(TRUNCATED_MS);
        let mut wrong = Vec::new();
        for register in 0..REGISTERS {
            let name = registers::digest(register);
            let holds = |host: &&Host| host.node.held_image(host.namespace(), &name).is_some();
            let holder = self.hosts.values().find(holds);
            wrong.extend(
                holder.map(|host| format!("register {register} was truncated, and {} has it", host.id)),
            );
            self.registers[register].settle(None);
        }
        wrong.iter().for_each(|what| self.violate(what));
    }
}

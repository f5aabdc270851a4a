//! Visitors: clients beyond the others that read pages through one cache, and count them up. The first of them fetches the
//! sketch, as a web door puts it together.
//!
//! What is checked holds as long as no view leaves out a node that runs: a master that was replaced and has not noticed shows
//! what it showed without a cache, and may allow copies of it.

use crate::canary::Canary;
use crate::client::{Client, Waiting, ask, info_value, is_refusal};
use crate::host::Host;
use crate::pages::{self, Copy, Gathering, PAGES, Page};
use crate::registers::{number, number_of_image};
use crate::traffic::REST_US;
use crate::world::World;
use shipload_cluster::NodeId;
use shipload_value::sketch::Union;
use shipload_wire::code::ResultCode;

/// How many there are, with the one that fetches the sketch.
const VISITORS: usize = 4;
/// Bounds on staleness, microseconds.
const BOUNDS_US: [u64; 3] = [200_000, 700_000, 1_500_000];
/// A sketch is not older when the next one is begun, microseconds.
const SKETCH_US: u64 = 250_000;

impl World {
    /// Visitors come, before anybody is awake.
    pub(crate) fn admit_visitors(&mut self) {
        self.clients.extend((0..VISITORS).map(|_| Client::new(Vec::new())));
        self.pages.all = vec![Page::default(); PAGES];
    }

    /// Whether a client is a visitor.
    pub(crate) fn is_visitor(&self, client: usize) -> bool {
        client >= self.settings.clients
    }

    pub(crate) fn visitor_turn(&mut self, client: usize, any: NodeId) {
        if client == self.settings.clients {
            return self.sketch_turn(client, any);
        }
        let page = usize::try_from(self.draw.below(PAGES as u64)).unwrap_or(0);
        let mine = page % (VISITORS - 1) == client - self.settings.clients - 1;
        let one = &mut self.pages.all[page];
        if mine && !one.busy && one.rests_until_us <= self.now_us && self.draw.chance(700) {
            one.begun += 1;
            one.busy = true;
            let number = one.begun;
            return self.send(client, any, Waiting::PageWrite { page, number }, pages::write(page, number));
        }
        let bound_us = self.draw.pick(&BOUNDS_US).unwrap_or_default();
        if let Some(copy) = self.fresh(page, bound_us) {
            self.note(&[8, page as u64, copy.number, bound_us]);
            self.figures.branch("page from a copy");
            self.check_page(page, copy.number, self.now_us, bound_us);
            return self.next_turn(client);
        }
        // Any web door asks whom it takes for the master, first for how long a copy may live.
        let master = self.hosts.get(&any).and_then(|host| {
            let master = host.node.known_master(host.namespace(), pages::digest(page).partition());
            master.filter(|master| self.reaches(any, *master))
        });
        let Some(master) = master else { return self.next_turn(client) };
        let waiting = Waiting::Lease { page, master, asked_us: self.now_us };
        self.send(client, master, waiting, ask(&pages::lease(page)));
    }

    /// The copy, if it is fresh enough.
    fn fresh(&self, page: usize, bound_us: u64) -> Option<Copy> {
        let copy = self.pages.all[page].copy.filter(|copy| self.now_us < copy.until_us)?;
        let known_us = self.pages.sketch.as_ref().map_or(copy.asked_us, |(made_us, sketch)| {
            sketch.known(&pages::digest(page), copy.asked_us, *made_us)
        });
        (self.now_us.saturating_sub(known_us) <= bound_us).then_some(copy)
    }

    fn reaches(&self, from: NodeId, to: NodeId) -> bool {
        let cut = &self.network.cut_fabric;
        from == to || !cut.contains(&(from, to)) && !cut.contains(&(to, from))
    }

    /// The next node is asked what it knows for the sketch.
    fn sketch_turn(&mut self, client: usize, any: NodeId) {
        if self.pages.gathering.is_none() {
            let due_us = self.pages.sketch.as_ref().map_or(0, |(made_us, _)| made_us + SKETCH_US);
            let Some(host) = self.hosts.get(&any).filter(|_| due_us <= self.now_us) else {
                return self.next_turn(client);
            };
            let left = host.node.cluster.status().members.keys().copied().collect();
            let (began_us, union) = (self.now_us, Union::default());
            self.pages.gathering = Some(Gathering { began_us, door: any, left, union });
        }
        let Some(mut gathering) = self.pages.gathering.take() else { return self.next_turn(client) };
        let door = gathering.door;
        if !self.hosts.contains_key(&door) {
            return self.next_turn(client);
        }
        while let Some(node) = gathering.left.pop() {
            if self.reaches(door, node) {
                self.pages.gathering = Some(gathering);
                return self.send(client, node, Waiting::Sketch { node }, ask(&pages::ask_sketch()));
            }
        }
        let sketch = gathering.union.sketch();
        self.note(&[9, gathering.began_us, u64::from(crc32c::crc32c(sketch.bits()))]);
        self.figures.branch(if sketch.tainted().is_some() { "sketch with taint" } else { "sketch" });
        self.pages.sketch = Some((gathering.began_us, sketch));
        self.next_turn(client);
    }

    pub(crate) fn end_sketch(&mut self, frames: Option<&[u8]>) {
        let Some(text) = frames.and_then(info_value) else { return };
        let text = match self.settings.canary {
            Some(Canary::NoTaint) => without(text, "tainted="),
            Some(Canary::NoStale) => without(text, "stale="),
            _ => text.to_owned(),
        };
        if let Some(gathering) = &mut self.pages.gathering {
            gathering.union.add(&text);
        }
    }

    /// A copy may live so long: now the page is read. Whether the visitor waits again.
    pub(crate) fn end_lease(
        &mut self,
        client: usize,
        (page, master, asked_us): (usize, NodeId, u64),
        frames: Option<&[u8]>,
    ) {
        let Some(text) = frames.and_then(info_value) else { return self.next_turn(client) };
        let until_us = asked_us + pages::life_us(text);
        let waiting = Waiting::Page { page, asked_us, until_us };
        self.send(client, master, waiting, pages::read(page));
    }

    pub(crate) fn end_page(&mut self, (page, asked_us, until_us): (usize, u64, u64), frames: Option<&[u8]>) {
        let Some(Ok(held)) = frames.map(number) else { return };
        let number = held.unwrap_or(0);
        self.check_page(page, number, asked_us, 0);
        let one = &mut self.pages.all[page];
        if held.is_some() && one.copy.is_none_or(|copy| copy.asked_us <= asked_us) {
            one.copy = Some(Copy { number, asked_us, until_us });
        }
    }

    pub(crate) fn end_page_write(&mut self, page: usize, number: u64, frames: Option<&[u8]>) {
        let nobody = frames.is_some_and(<[u8]>::is_empty);
        let code = pages::written(frames);
        let one = &mut self.pages.all[page];
        one.busy = false;
        match code {
            Some(ResultCode::Ok) => {
                one.is(number, self.now_us);
                self.figures.branch("page written");
            }
            Some(code) if is_refusal(code) => {}
            _ if nobody => {}
            _ => one.rests_until_us = self.now_us + REST_US,
        }
    }

    fn check_page(&mut self, page: usize, number: u64, asked_us: u64, bound_us: u64) {
        if self.diverged {
            return;
        }
        if let Err(what) = self.pages.all[page].check(number, asked_us, bound_us) {
            self.violate(&format!("page {page} within {} ms: {what}", bound_us / 1000));
        }
    }

    /// All copies of each page are equal: that is what it is from now on.
    pub(crate) fn check_pages(&mut self) {
        let mut wrong = Vec::new();
        for page in 0..self.pages.all.len() {
            let image = |host: &Host| host.node.held_image(host.namespace(), &pages::digest(page));
            let images: Vec<Vec<u8>> = self.hosts.values().filter_map(image).collect();
            if images.iter().any(|image| Some(image) != images.first()) {
                wrong.push(format!("copies of page {page} differ"));
            }
            let number = images.first().map_or(Some(0), |image| number_of_image(image));
            match number {
                Some(number) => self.pages.all[page].settle(number, self.now_us),
                None => wrong.push(format!("page {page} has an image that nobody wrote")),
            }
        }
        wrong.iter().for_each(|what| self.violate(what));
    }
}

/// An info answer whose value behind this name is empty.
fn without(text: &str, name: &str) -> String {
    let blanked = |pair: &str| if pair.starts_with(name) { name.to_owned() } else { pair.to_owned() };
    text.split(';').map(blanked).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn a_value_is_left_out() {
        assert_eq!(without("leads=A;tainted=B=;stale=C", "tainted="), "leads=A;tainted=;stale=C");
    }
}

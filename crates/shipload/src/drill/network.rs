//! Networks made of network namespaces: each node has its own, with a cable to a switch, and cables can be pulled.
//!
//! ```text
//!  node 1 --cable-- switch a ==trunk== switch b --cable-- node 3
//!  node 2 --cable--/    |                  |   \--cable-- node 4
//!                    this machine      this machine
//! ```
//! The drill itself has a cable to each switch and a route to each node over the switch that the node is at, so it
//! reaches both sides while they do not reach each other. Needs root and the program `ip`. All is gone when the value
//! is dropped.

use std::net::Ipv4Addr;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::interrupt;
use super::place::{self, Place};

/// Letters of the switches.
const SWITCHES: [char; 2] = ['a', 'b'];

/// The network of a drill.
#[derive(Debug)]
pub(super) struct Network {
    /// Stands in all names, so that drills run beside each other.
    tag: String,
    /// Third byte of all addresses.
    subnet: u8,
    /// For each node, from 1, the switch that it is at.
    switches: Vec<usize>,
}

/// Why there can be no network here; none when there can.
pub(super) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    let probe = format!("slp{}", std::process::id());
    match ip(&["netns", "add", &probe]) {
        Ok(()) => ip(&["netns", "del", &probe]).err().map(|error| error.to_string()),
        Err(error) => Some(format!("{error:#}")),
    }
}

impl Network {
    /// Makes one; node number `n` is at the switch `switches[n - 1]`, 0 or 1.
    pub(super) fn create(switches: Vec<usize>) -> Result<Network> {
        let id = std::process::id();
        let subnet = u8::try_from(id % 200).unwrap_or(0) + 20;
        let network = Network { tag: format!("sl{}", id % 100_000), subnet, switches };
        interrupt::add_network(network.links(), network.namespaces());
        network.build().context("cannot make a network of namespaces")?;
        Ok(network)
    }

    fn build(&self) -> Result<()> {
        for letter in SWITCHES {
            let switch = self.switch(letter);
            ip(&["netns", "add", &switch])?;
            ip(&["-n", &switch, "link", "add", "name", "switch", "type", "bridge"])?;
            ip(&["-n", &switch, "link", "set", "switch", "up"])?;
            self.plug_in_here(letter)?;
        }
        let (a, b) = (self.switch('a'), self.switch('b'));
        ip(&["-n", &a, "link", "add", "trunk", "type", "veth", "peer", "name", "trunk", "netns", &b])?;
        for switch in [a, b] {
            ip(&["-n", &switch, "link", "set", "trunk", "master", "switch", "up"])?;
        }
        (1..=self.count()).try_for_each(|number| self.wire(number))
    }

    /// The drill's own cable to a switch.
    fn plug_in_here(&self, letter: char) -> Result<()> {
        let (switch, cable) = (self.switch(letter), self.cable_here(letter));
        ip(&["link", "add", &cable, "type", "veth", "peer", "name", "here", "netns", &switch])?;
        ip(&["-n", &switch, "link", "set", "here", "master", "switch", "up"])?;
        let host = if letter == 'a' { 251 } else { 252 };
        ip(&["addr", "add", &format!("{}/32", self.address(host)), "dev", &cable])?;
        ip(&["link", "set", &cable, "up"])
    }

    /// A node's namespace, with a cable to its switch.
    fn wire(&self, number: u8) -> Result<()> {
        let letter = self.letter(number)?;
        let (switch, network) = (self.switch(letter), self.network(number));
        let port = port(number);
        ip(&["netns", "add", &network])?;
        ip(&[
            "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &network,
        ])?;
        ip(&["-n", &switch, "link", "set", &port, "master", "switch", "up"])?;
        ip(&["-n", &network, "link", "set", "lo", "up"])?;
        ip(&["-n", &network, "addr", "add", &format!("{}/24", self.address(number)), "dev", "eth0"])?;
        ip(&["-n", &network, "link", "set", "eth0", "up"])?;
        let host = if letter == 'a' { 251 } else { 252 };
        let (to, from) = (format!("{}/32", self.address(number)), self.address(host).to_string());
        ip(&["route", "add", &to, "dev", &self.cable_here(letter), "src", &from])
    }

    /// Pulls a node's cable, or plugs it in.
    pub(super) fn plug(&self, number: u8, plugged: bool) -> Result<()> {
        let switch = self.switch(self.letter(number)?);
        ip(&["-n", &switch, "link", "set", &port(number), if plugged { "up" } else { "down" }])
    }

    /// Pulls the cable between the switches, or plugs it in.
    pub(super) fn join_switches(&self, joined: bool) -> Result<()> {
        ip(&["-n", &self.switch('a'), "link", "set", "trunk", if joined { "up" } else { "down" }])
    }

    /// Where the nodes listen.
    pub(super) fn places(&self) -> Vec<Place> {
        (1..=self.count()).map(|number| place::alone(self.address(number))).collect()
    }

    /// The namespaces of the nodes.
    pub(super) fn networks(&self) -> Vec<String> {
        (1..=self.count()).map(|number| self.network(number)).collect()
    }

    fn count(&self) -> u8 {
        u8::try_from(self.switches.len()).unwrap_or(u8::MAX)
    }

    fn letter(&self, number: u8) -> Result<char> {
        let switch = usize::from(number).checked_sub(1).and_then(|index| self.switches.get(index));
        switch.and_then(|switch| SWITCHES.get(*switch)).copied().context("a node without a switch")
    }

    fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.subnet, host)
    }

    fn switch(&self, letter: char) -> String {
        format!("{}{letter}", self.tag)
    }

    fn network(&self, number: u8) -> String {
        format!("{}n{number}", self.tag)
    }

    /// Names of interfaces have at most 15 letters.
    fn cable_here(&self, letter: char) -> String {
        format!("{}h{letter}", self.tag)
    }
}

fn port(number: u8) -> String {
    format!("p{number}")
}

impl Network {
    fn links(&self) -> Vec<String> {
        SWITCHES.map(|letter| self.cable_here(letter)).to_vec()
    }

    fn namespaces(&self) -> Vec<String> {
        let switches = SWITCHES.map(|letter| self.switch(letter));
        switches.into_iter().chain(self.networks()).collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(&self.links(), &self.namespaces());
    }
}

/// Removes links and namespaces. With a namespace its cables go, and with them their other ends.
pub(super) fn remove(links: &[String], namespaces: &[String]) {
    // What is not there can't be removed.
    for link in links {
        let _ = ip(&["link", "del", link]);
    }
    for namespace in namespaces {
        let _ = ip(&["netns", "del", namespace]);
    }
}

/// Runs `ip` from iproute2.
fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(words).output().context("cannot run `ip` (package iproute2)")?;
    if !output.status.success() {
        bail!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

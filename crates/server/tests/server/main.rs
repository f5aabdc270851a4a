//! A server inside the test process, spoken to over loopback sockets.
//!
//! Every test has its own server on ports that the system chooses, so they run side by side. Waiting is always for
//! a condition, with a deadline that only a failure reaches.

mod at_rest;
mod client;
mod cluster;
mod doors;
mod frames;
mod functions;
mod idle;
mod limits;
mod pressure;
mod stopping;
mod storage;
mod web;

//! The agent as a process: what it says, how it ends, and what changes while it serves.

#![expect(clippy::unwrap_used, reason = "what fails is the test")]

mod clients;
mod config;
mod doctor;
mod flags;
mod limits;
mod page;
mod reload;
mod sandbox;
mod top;

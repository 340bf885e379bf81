//! The built binary against real PostgreSQL and the sandbox's doors: what it prints, what it does, how it ends.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod architecture;
mod bench;
mod cli;
mod deploy;
mod docs;
mod pages;
mod picture;
mod rise;
mod sandbox;
mod scheduler;
mod support;
mod terminal;
mod trace;
mod tui;
mod wire;

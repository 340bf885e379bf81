//! The built binary as a person meets it: what it prints, how it ends.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod answers;
mod rise;
mod service;
mod tables;

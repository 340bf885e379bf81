//! The words and decisions of `rise`, as pure functions.
//!
//! Nothing here reads a clock, a file, an environment variable or a random number: time and names arrive as
//! parameters, what should be done leaves as data. The runtime (`services`) performs it.
//!
//! Start with [`ids`] and [`words`] for the vocabulary, [`route`] for where a job runs, [`rows`] and [`view`] for
//! what is known, [`plan`] for how demand meets supply, [`workers`] for how a worker begins and ends, and [`machine`] for how
//! these become effects.

pub mod alerts;
pub mod boards;
pub mod budget;
mod by_log;
pub mod cluster;
pub mod config;
pub mod deliveries;
pub mod dependencies;
pub mod effects;
mod ending;
pub mod github;
pub mod ids;
pub mod intake;
pub mod jobs;
pub mod labels;
pub mod log;
pub mod machine;
pub mod other;
pub mod plan;
mod provision;
pub mod redact;
pub mod route;
pub mod rows;
pub mod runners;
pub mod settings;
pub mod span;
pub mod state;
mod surplus;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod view;
pub mod waiting;
#[cfg(test)]
mod wire_tests;
pub mod words;
pub mod workers;

pub use ids::*;
pub use labels::{LabelSet, SentLabels};
pub use words::*;

/// A moment. Rows' times are the database's clock, pods' times the cluster's.
pub type Time = chrono::DateTime<chrono::Utc>;

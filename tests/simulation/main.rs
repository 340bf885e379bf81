//! Tier 2: histories over the pretend worlds, a model of the tables and one or two machines, with an adversary between
//! them. No socket, no thread, no clock: a history is a function of its seed.
//!
//! `RISE_HISTORIES=N` plays N of them, `RISE_SEED=S` plays one and prints what happened in it. `RISE_FAULTS=all` takes the
//! faults along whose rules do not exist yet: for whoever makes them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests: a panic is a failure with a line number, the trace is for people"
)]

mod chance;
mod check;
mod history;
mod objects;
mod perform;
mod play;
mod process;
mod recovery;
mod set;
mod setup;
mod sharing;
mod sim;
mod tables;
mod trace;

use history::{ENABLED, FaultKind, History, NOT_YET};
use play::{play, report};
use trace::Trace;

/// How many are in the suite.
const HISTORIES: u64 = 2_000;
/// After so many failures it is no use to go on.
const ENOUGH: usize = 10;

#[expect(
    clippy::disallowed_methods,
    reason = "what of this test can be set is an environment variable"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number_from(name: &str) -> Option<u64> {
    variable(name).and_then(|text| text.parse().ok())
}

fn kinds() -> Vec<FaultKind> {
    let all = variable("RISE_FAULTS").as_deref() == Some("all");
    let more = if all { NOT_YET } else { &[] };
    [ENABLED, more].concat()
}

#[test]
fn histories_keep_every_promise() {
    let kinds = kinds();
    let history = |seed| History::of(seed, &kinds);
    if let Some(seed) = number_from("RISE_SEED") {
        let played = play(history(seed), Trace::kept());
        println!("{}\n{}", history(seed), played.trace);
        assert_eq!(played.violation, None);
        return;
    }
    let histories = number_from("RISE_HISTORIES").unwrap_or(HISTORIES);
    let mut found = Vec::new();
    let mut number_played = 0;
    for seed in 0..histories {
        let played = play(history(seed), Trace::default());
        number_played += 1;
        if let Some(violation) = played.violation {
            println!("seed {seed}: {violation}");
            found.push(seed);
            if found.len() >= ENOUGH {
                break;
            }
        }
    }
    if let Some(seed) = found.first() {
        panic!(
            "{} of {number_played} histories fail; the first of them:\n{}",
            found.len(),
            report(history(*seed))
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 77, 1_234] {
        let once = play(History::of(seed, ENABLED), Trace::kept());
        let again = play(History::of(seed, ENABLED), Trace::kept());
        assert!(once.landings > 0, "nothing happened in seed {seed}");
        assert_eq!(once.trace, again.trace, "seed {seed}");
    }
}

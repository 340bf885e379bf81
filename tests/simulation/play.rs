//! Plays a history to its end, and makes one that fails as short as it gets.

use chrono::TimeDelta;

use crate::check::Jobs;
use crate::history::{Event, History, What};
use crate::sim::{Played, Sim};
use crate::trace::Trace;

/// After the last fault every job that is still offered has a worker or a true reason.
const REASONS_WITHIN: TimeDelta = TimeDelta::minutes(2);
/// The same where a delivery was lost.
const RECOVERED_WITHIN: TimeDelta = TimeDelta::minutes(20);
/// After the last fault nothing without a cause is left.
const SETTLED_WITHIN: TimeDelta = TimeDelta::minutes(20);
/// A pod that nobody knows runs ten minutes before its log is believed, and only then its registration is left over.
const UNKNOWN_POD_TAKES: TimeDelta = TimeDelta::minutes(15);
/// How often it is looked whether that is so.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(5);
/// Then, for this long, nothing happens any more.
const STILL_FOR: TimeDelta = TimeDelta::seconds(60);
/// How often it is looked whether nothing happens, where something may have to be found first.
const WINDOWS: usize = 3;
/// How often it is looked again when effects are in flight.
const LOOKS: usize = 4;
/// A round every 15 s, one for each step of a look at the deliveries of two Apps, and one for each thing that passes by
/// itself, generously.
const STILL_ROUNDS: u64 = 18;

pub(crate) fn play(history: History, trace: Trace) -> Played {
    let last_fault = history.ends();
    let mut sim = Sim::new(history, trace);
    let last_fault = sim.at(last_fault);
    sim.run_until(last_fault);
    let within = if sim.history.looks_foreign() {
        SETTLED_WITHIN + UNKNOWN_POD_TAKES
    } else {
        SETTLED_WITHIN
    };
    let reasons_within = if sim.history.loses_deliveries() {
        RECOVERED_WITHIN
    } else {
        REASONS_WITHIN
    };
    let mut reasons_true = false;
    let mut why;
    loop {
        sim.run_until(sim.now + LOOK_EVERY);
        if sim.violation.is_some() {
            return sim.played();
        }
        let since = sim.now - last_fault.max(sim.disturbed_until);
        // What a slow board still works on has no bound; what follows it has.
        let settling = since.min(sim.now - sim.last_job_over());
        let reasons = sim.reasons_are_true();
        reasons_true |= reasons.is_ok();
        if let (false, Err(why)) = (reasons_true || since < reasons_within, reasons) {
            sim.violated(format!(
                "{} minutes after the last fault {why}",
                reasons_within.num_minutes()
            ));
            return sim.played();
        }
        why = sim.settled(Jobs::AreOver);
        if why.is_ok() {
            break;
        }
        if settling >= within {
            why = sim.settled(Jobs::MayRun);
            break;
        }
    }
    if let Err(why) = why {
        sim.violated(format!("twenty minutes after the last fault {why}"));
        return sim.played();
    }
    let undisturbed = sim.disturbed_until;
    // What silently happened to an installation is found with the next question about a job.
    for _ in 0..WINDOWS {
        still(&mut sim);
        let moved = sim
            .history
            .events
            .iter()
            .any(|e| matches!(e.what, What::Reinstalled { .. }));
        let again = moved
            && sim
                .violation
                .as_ref()
                .is_some_and(|it| it.contains("were begun"));
        if !again {
            break;
        }
        sim.violation = None;
    }
    if sim.disturbed_until > undisturbed
        && let Some(violation) = sim.violation.take()
    {
        // A process died late: what it left behind was not settled yet.
        sim.note(|| format!("not counted: {violation}"));
    }
    sim.played()
}

/// What is settled stays so, and nobody does anything about it.
fn still(sim: &mut Sim) {
    sim.run_until(sim.now + LOOK_EVERY * 2);
    let (rounds, begun) = (sim.rounds, sim.begun);
    sim.run_until(sim.now + STILL_FOR);
    if sim.violation.is_some() {
        return;
    }
    let (rounds, begun) = (sim.rounds - rounds, sim.begun - begun);
    // A question about a job that waits for ever may be under way.
    for _ in 0..LOOKS {
        if sim.settled(Jobs::MayRun).is_ok() {
            break;
        }
        sim.run_until(sim.now + LOOK_EVERY);
    }
    if let Err(why) = sim.settled(Jobs::MayRun) {
        sim.violated(format!("all was settled, and then {why}"));
    } else if sim.anybody_hides() {
        // It goes on trying.
    } else if begun > 0 {
        sim.violated(format!("all is settled, and {begun} effects were begun"));
    } else if rounds > STILL_ROUNDS {
        sim.violated(format!("all is settled, and a minute took {rounds} rounds"));
    }
}

/// The shortest history with a violation that leaving things out leads to.
pub(crate) fn shrink(history: History) -> History {
    let fails = |candidate: &History| {
        play(candidate.clone(), Trace::default())
            .violation
            .is_some()
    };
    let mut best = history;
    // Halves first, then one by one, until nothing more can go.
    let mut size = best.events.len() / 2;
    while size > 0 {
        let mut at = 0;
        let mut smaller = false;
        while at < best.events.len() {
            let mut candidate = best.clone();
            let end = (at + size).min(candidate.events.len());
            candidate.events.drain(at..end);
            if !candidate.events.is_empty() && fails(&candidate) {
                best = candidate;
                smaller = true;
            } else {
                at += size;
            }
        }
        if !smaller || size > 1 {
            size /= 2;
        }
    }
    simpler_setting(best, &fails)
}

fn simpler_setting(mut best: History, fails: &impl Fn(&History) -> bool) -> History {
    let changes: [fn(&mut History); 4] = [
        |history| history.setting.schedulers = 1,
        |history| history.setting.busy_lag = 0,
        |history| history.setting.groups = false,
        |history| history.events.iter_mut().for_each(shorter_job),
    ];
    for change in changes {
        let mut candidate = best.clone();
        change(&mut candidate);
        let names_a_missing_one = candidate
            .events
            .iter()
            .any(|event| event.what.scheduler() >= candidate.setting.schedulers);
        if !names_a_missing_one && candidate != best && fails(&candidate) {
            best = candidate;
        }
    }
    best
}

fn shorter_job(event: &mut Event) {
    if let What::Job { runs_for, .. } = &mut event.what {
        *runs_for = 1_000;
    }
}

/// A history that fails, made short, with all that happens in it.
pub(crate) fn report(history: History) -> String {
    let short = shrink(history);
    let played = play(short.clone(), Trace::kept());
    let violation = played.violation.unwrap_or_default();
    let trace = played.trace;
    format!(
        "{violation}\n\nthe shortest history that fails:\n{short}\nwhat happens in it:\n{trace}"
    )
}

//! `--exit-after` with `--json`: what a script reads.

use super::Sandbox;
use serde_json::Value;

#[test]
fn in_its_time_it_does_jobs_and_breaks_no_promise() {
    let mut sandbox = Sandbox::start("--exit-after 25s --seed 1 --json");
    let status = sandbox.ended();
    let (out, err) = (sandbox.out.text(), sandbox.err.text());
    assert_eq!(status, Some(0), "{out}\n{err}");
    assert_eq!(out.lines().count(), 1, "the story is elsewhere: {out}");
    let report: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let count = |key: &str| {
        report[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key}: {report}"))
    };
    assert!(count("jobs_done_organization") > 0, "{report}");
    assert!(count("jobs_done_personal") > 0, "{report}");
    for zero in [
        "lost",
        "busy_killed",
        "over_cap",
        "over_capacity",
        "leaked_pods",
        "leaked_runners",
    ] {
        assert_eq!(count(zero), 0, "{zero}: {report}");
    }
    let sum = count("jobs_done") + count("jobs_queued") + count("jobs_running") + count("lost");
    assert_eq!(count("jobs_in"), sum, "{report}");
    assert_eq!(
        count("jobs_done"),
        count("jobs_done_organization") + count("jobs_done_personal")
    );
    let waited = |percentile: &str| report["queue_seconds"][percentile].as_f64().unwrap();
    assert!(
        0.0 < waited("p50") && waited("p50") <= waited("p95"),
        "{report}"
    );
    assert!(err.contains("no more jobs come"), "{err}");
    assert!(super::inside(sandbox.temporary.path()).is_empty());
}

/// Deliveries are lost, doubled and overtaken, calls fail, boards go away, schedulers are killed: every job is run or named
/// all the same.
#[test]
fn chaos_loses_no_job_and_kills_none() {
    let mut sandbox = Sandbox::start("--chaos --speed 5 --exit-after 45s --seed 3 --json");
    let status = sandbox.ended();
    let (out, err) = (sandbox.out.text(), sandbox.err.text());
    assert_eq!(status, Some(0), "{out}\n{err}");
    for happened in [
        "chaos: the scheduler at",
        "chaos: board",
        "did not arrive and is asked for again",
    ] {
        assert!(err.contains(happened), "{happened}: {err}");
    }
    let report: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert!(report["jobs_done"].as_u64() > Some(10), "{report}");
}

//! `rise bench`: that it measures, and that nothing is lost under its load. What it measures is judged by nobody here.

use serde_json::Value;

use crate::rise::command;

/// A run, with a private PostgreSQL found as a person's would be.
fn bench(line: &str) -> Value {
    let mut command = command(line);
    for name in ["PATH", "RISE_PG_BIN"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    let answer = crate::rise::Answer::from(command.output().unwrap());
    assert_eq!(answer.status, 0, "{}\n{}", answer.err, answer.out);
    answer.json()
}

fn figure(report: &Value, name: &str) -> f64 {
    report[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} in {report}"))
}

#[test]
fn intake_loses_nothing_while_it_is_measured() {
    let report = bench("bench intake --time 2s --json");
    assert_eq!(report["lost"], 0);
    assert_eq!(report["not_taken"], 0);
    // Each of the connections sends at least one in each round.
    assert!(figure(&report, "deliveries") >= 64.0, "{report}");
    assert!(figure(&report, "deliveries_per_second") > 0.0);
    let rounds = report["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 2);
    if report["not_compared"].is_null() {
        assert!(figure(&report, "percent_of_pgbench") > 0.0);
        for round in rounds {
            assert!(figure(&round["pgbench"], "transactions_per_second") > 0.0);
        }
    } else {
        assert!(report["pgbench"].is_null(), "{report}");
    }
}

#[test]
fn at_a_set_rate_as_many_are_sent_as_were_due() {
    let report = bench("bench intake --rate 40 --time 1s --connections 4 --json");
    assert_eq!(report["lost"], 0);
    assert_eq!(report["not_taken"], 0);
    assert_eq!(report["deliveries"], 40);
    assert!(report["percent_of_pgbench"].is_null());
}

fn measured(report: &Value, what: &str) -> f64 {
    let figures = report["figures"].as_array().unwrap();
    let found = figures.iter().find(|it| it["what"] == what);
    found
        .and_then(|it| it["figure"].as_f64())
        .unwrap_or_else(|| panic!("{what} in {report}"))
}

#[test]
fn every_push_gets_its_pod_while_that_is_measured() {
    let report = bench("bench latency --json");
    assert!(measured(&report, "one job: push to pod, p50") > 0.0);
    // GitHub and Kubernetes alone take this long.
    assert!(measured(&report, "fifty at once: push to the last pod") > 320.0);
}

#[test]
fn every_board_is_used_again_while_that_is_measured() {
    let report = bench("bench turnaround --json");
    assert!(measured(&report, "pod ended to next pod made, p50") > 0.0);
}

#[test]
fn rounds_of_a_full_fleet_are_measured() {
    let report = bench("bench round --jobs 60 --boards 10 --entities 5 --json");
    assert!(
        report["circumstances"]
            .as_str()
            .is_some_and(|told| told.contains("60 active jobs of 5 accounts, 20 workers")),
        "{report}"
    );
    for what in ["wake-up to round done, p50", "the decisions alone, p50"] {
        assert!(measured(&report, what) > 0.0);
    }
}

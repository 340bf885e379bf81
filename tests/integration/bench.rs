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

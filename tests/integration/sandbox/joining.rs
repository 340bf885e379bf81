//! Another terminal joins by sourcing one file; the same folder goes on later.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Sandbox, Terminal, open_folder, sandbox, until};
use crate::rise::Answer;

fn ids(rows: &[Value]) -> BTreeSet<i64> {
    rows.iter()
        .map(|row| row["job_id"].as_i64().unwrap())
        .collect()
}

/// Waits for a finished job with a number above that one.
fn finished_above(terminal: &Terminal, number: i64) {
    until("a job is done", || {
        let done = ids(&terminal.rows("jobs --status completed"));
        done.last().is_some_and(|last| *last > number).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_lets_another_terminal_in() {
    let mut sandbox = Sandbox::start("");
    let terminal = sandbox.joined();
    finished_above(&terminal, 0);

    let status: Value = serde_json::from_str(&terminal.out("rise status --json")).unwrap();
    assert_eq!(status["environment"], "staging");
    assert_eq!(status["unhealthy"], serde_json::json!([]));
    let workers = terminal.rows("workers");
    let name = workers[0]["pod_name"].as_str().unwrap();
    assert!(name.starts_with("rise-riscv-runner-staging-"), "{name}");
    terminal.out("rise db status");

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |url: String, secret: &str| {
        let answer = client.get(&url).bearer_auth(secret).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        answer.json::<Value>().await.unwrap()
    };
    let usage = get(
        format!("{}/usage.json", terminal.variable("RISE_SCHEDULER_URL")),
        "",
    )
    .await;
    assert!(usage["jobs"].is_array(), "{usage}");
    let entity = workers[0]["entity_id"].as_i64().unwrap();
    let trace = format!("{}/trace/entity/{entity}", terminal.variable("RISE_URL"));
    let events = get(trace, &terminal.variable("TRACE_API_SECRET")).await;
    assert!(
        !events
            .as_array()
            .or(events["events"].as_array())
            .unwrap()
            .is_empty(),
        "{events}"
    );
}

#[test]
fn a_folder_is_for_one_sandbox_at_a_time_and_goes_on_later() {
    let data = open_folder();
    let line = format!("--data {}", data.path().display());
    let mut first = Sandbox::start(&line);
    let terminal = first.joined();
    assert_eq!(
        terminal.env,
        data.path().canonicalize().unwrap().join("env")
    );
    finished_above(&terminal, 0);

    let second = Answer::from(sandbox(&line).output().unwrap());
    assert_eq!(second.status, 1);
    let folder = data.path().join("postgresql");
    let said = format!(
        "error: {} is in use by another process\nhint: stop the other sandbox, or choose another folder\n",
        folder.display()
    );
    assert_eq!(second.err, said);
    let earlier = ids(&terminal.rows("jobs --limit 10000"));

    first.signal("TERM");
    assert_eq!(first.ended(), Some(0), "{}", first.err.text());
    assert!(!terminal.env.exists(), "it names nothing that answers");

    let mut again = Sandbox::start(&line);
    let terminal = again.joined();
    let kept = ids(&terminal.rows("jobs --limit 10000"));
    assert!(
        kept.is_superset(&earlier),
        "{kept:?} lacks some of {earlier:?}"
    );
    // New jobs have new numbers: none is taken for an old one.
    let last = *earlier.last().unwrap();
    finished_above(&terminal, last);
    let all = ids(&terminal.rows("jobs --limit 10000"));
    let mut new = all.difference(&earlier);
    assert!(new.all(|id| *id > last), "{all:?} after {earlier:?}");
    again.signal("INT");
    assert_eq!(
        again.ended(),
        Some(0),
        "{}\n{}",
        again.out.text(),
        again.err.text()
    );
}

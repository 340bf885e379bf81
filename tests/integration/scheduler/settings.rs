//! What operators set while everything runs: the reason that a person reads, and what is no longer done.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use sandbox::world::github::JobId;
use serde_json::Value;

use crate::support::{Given, ORG_REPO, Rig, USER_REPO, board, holds};

/// A change is in force within a second; the machine that tests are run on may be slow.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(10);

async fn waits_for(rig: &Rig, job: JobId, reason: &str) {
    rig.until(reason, async || {
        let row = rig.job(job).await;
        let said = row.as_ref().and_then(|row| row.waiting_reason.as_deref());
        holds(said == Some(reason), format!("{row:?}"))
    })
    .await;
}

async fn events(rig: &Rig, event: &str) -> Vec<Value> {
    let query = "SELECT to_jsonb(e) FROM installation_events e WHERE event = $1 ORDER BY id";
    let rows = sqlx::query_scalar(query).bind(event);
    rows.fetch_all(&rig.sql).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_paused_and_goes_on() {
    let rig = Rig::start(Given::boards(2)).await;
    let said = rig.rise("pause pool:scw-em-rv1 --reason maintenance --until 2h");
    assert!(
        said.starts_with("pool scw-em-rv1: pause is on until "),
        "{said}"
    );
    assert!(said.contains("the scheduler goes by it since "), "{said}");
    let began = Instant::now();
    let job = rig.push(ORG_REPO);
    waits_for(&rig, job, "paused:pool:scw-em-rv1").await;
    assert!(began.elapsed() < IN_FORCE_WITHIN, "{:?}", began.elapsed());
    assert!(rig.pods().is_empty());
    let listed: Value = serde_json::from_str(&rig.rise("settings --json")).unwrap();
    let setting = &listed["settings"][0];
    assert_eq!(setting["scope"], "pool:scw-em-rv1");
    assert_eq!(
        (&setting["author"], &setting["reason"]),
        (&"ada".into(), &"maintenance".into())
    );

    let said = rig.rise("resume pool:scw-em-rv1 --reason done");
    assert!(
        said.starts_with("pool scw-em-rv1: pause is no longer on"),
        "{said}"
    );
    rig.done(&[job]).await;
    let log = events(&rig, "settings.pause").await;
    assert_eq!(log.len(), 2);
    assert_eq!(
        (&log[0]["source"], &log[0]["outcome"]),
        (&"operator".into(), &"set".into())
    );
    assert_eq!(log[0]["payload"]["operator"], "ada");
    assert_eq!(log[1]["payload"]["reason"], "done");
    rig.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_changes_while_everything_runs() {
    let rig = Rig::start(Given::boards(3)).await;
    let first = rig.push_long(ORG_REPO);
    rig.in_progress(first).await;
    // By name, as the tables know it by now.
    let said = rig.rise("set entity:sandbox-vectorworks cap 1 --reason quiet");
    assert!(
        said.contains("sandbox-vectorworks (171204518): cap is 1"),
        "{said}"
    );
    let second = rig.push_long(ORG_REPO);
    waits_for(&rig, second, "at_cap:entity:171204518").await;
    rig.rise("set entity:171204518 cap 2 --reason louder");
    rig.in_progress(second).await;
    let third = rig.push_long(ORG_REPO);
    waits_for(&rig, third, "at_cap:entity:171204518").await;
    rig.rise("unset entity:171204518 cap --reason enough");
    rig.in_progress(third).await;
    for job in [first, second, third] {
        rig.cancel(job);
    }
    rig.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_banned_account_is_taken() {
    let rig = Rig::start(Given::boards(2)).await;
    let before = rig.push(ORG_REPO);
    rig.done(&[before]).await;
    rig.rise("ban sandbox-vectorworks --reason mining");
    // Intake hears of it at about the same time.
    let mut banned = Vec::new();
    let began = Instant::now();
    loop {
        let job = rig.push(ORG_REPO);
        rig.until("it is logged", async || {
            let log = events(&rig, "workflow_job.queued").await;
            let logged = log.iter().any(|row| row["job_id"] == job.0);
            holds(logged, format!("{log:?}"))
        })
        .await;
        if rig.job(job).await.is_none() {
            banned.push(job);
            break;
        }
        assert!(began.elapsed() < IN_FORCE_WITHIN, "still taken");
    }
    let log = events(&rig, "workflow_job.queued").await;
    let row = log.iter().find(|row| row["job_id"] == banned[0].0).unwrap();
    assert_eq!(row["outcome"], "banned_entity");
    // Others are served.
    let other = rig.push(USER_REPO);
    rig.done(&[other]).await;
    rig.rise("unban sandbox-vectorworks --reason apologised");
    rig.until("jobs are taken again", async || {
        let job = rig.queue(ORG_REPO, TimeDelta::milliseconds(300));
        rig.until("it is logged", async || {
            let log = events(&rig, "workflow_job.queued").await;
            let logged = log.iter().any(|row| row["job_id"] == job.0);
            holds(logged, format!("{log:?}"))
        })
        .await;
        holds(rig.job(job).await.is_some(), "not stored")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_board_gets_no_pods() {
    let rig = Rig::start(Given::boards(1)).await;
    rig.with(|world| {
        let now = world.now();
        world.cluster.add_board(board("other-board"), now);
    });
    rig.until("both boards are known", async || {
        let listed: Value = serde_json::from_str(&rig.rise("board list --json")).unwrap();
        let boards = listed["boards"].as_array().cloned().unwrap_or_default();
        holds(boards.len() == 2, listed)
    })
    .await;
    rig.rise("board quarantine other-board --reason fan");
    let first = rig.push_long(ORG_REPO);
    rig.in_progress(first).await;
    let second = rig.push(USER_REPO);
    waits_for(&rig, second, "no_free_board:scw-em-rv1").await;
    let listed: Value = serde_json::from_str(&rig.rise("board list --json")).unwrap();
    let boards = listed["boards"].as_array().unwrap();
    let other = boards
        .iter()
        .find(|it| it["name"] == "other-board")
        .unwrap();
    assert_eq!(other["state"], "quarantined");
    assert_eq!(other["quarantine"]["reason"], "fan");
    rig.rise("board release other-board --reason repaired");
    rig.done(&[second]).await;
    let on: Vec<_> = rig.pods().into_iter().filter_map(|pod| pod.node).collect();
    assert!(on.iter().any(|node| node == "other-board"), "{on:?}");
    rig.cancel(first);
    rig.settled().await;
}

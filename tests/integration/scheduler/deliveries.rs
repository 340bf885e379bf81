//! Deliveries that GitHub could not bring: asked for again until they arrive, whatever dies meanwhile.

use axum::http::StatusCode;
use sandbox::doors::faults::Fault;
use sandbox::doors::trouble::WebhookTrouble;
use serde_json::json;

use crate::support::{Given, ORG_REPO, Rig, USER_REPO, holds};

/// As in production, in seconds for minutes.
const RECOVER: &str = r#"
[deliveries]
recover = "always"
look_every = "1s"
overlap = "500ms"
redeliver_every = "100ms"
"#;

async fn missing(rig: &Rig) -> Vec<(String, i32, bool)> {
    sqlx::query_as(
        "SELECT event, tries, given_up_at IS NOT NULL FROM delivery_retry ORDER BY delivery_id",
    )
    .fetch_all(&rig.sql)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_delivery_was_lost_runs_all_the_same() {
    let mut rig = Rig::without_scheduler(Given::boards(2).config(RECOVER)).await;
    rig.doors.webhooks().lose_next(2);
    let jobs = [rig.push(ORG_REPO), rig.push(USER_REPO)];
    rig.start_scheduler();
    rig.done(&jobs).await;
    rig.settled().await;
    rig.until("nothing is missing any more", async || {
        let missing = missing(&rig).await;
        holds(missing.is_empty(), format!("{missing:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_dies_while_it_asks_loses_none() {
    let mut rig = Rig::start(Given::boards(2).config(RECOVER)).await;
    let mut held = rig.arm_github("redeliver", Fault::Hold, 1);
    rig.doors.webhooks().lose_next(1);
    let job = rig.push(ORG_REPO);
    rig.met(&mut held, 1).await;
    let counted = missing(&rig).await;
    assert_eq!(
        counted,
        [("workflow_job.queued".to_owned(), 1, false)],
        "counted before it is asked for"
    );
    rig.restart_scheduler();
    rig.done(&[job]).await;
    rig.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_arrives_is_given_up_and_told() {
    let rig = Rig::start(Given::boards(1).config(RECOVER)).await;
    // GitHub in trouble does not count as a try.
    let trouble = Fault::Refuse(
        StatusCode::BAD_GATEWAY,
        json!({ "message": "Server Error" }),
    );
    let mut refused = rig.arm_github("redeliver", trouble, 2);
    rig.doors.webhooks().set_trouble(WebhookTrouble {
        lose_one_in: 1,
        ..WebhookTrouble::default()
    });
    rig.push(ORG_REPO);
    rig.met(&mut refused, 2).await;
    rig.until("it is given up", async || {
        let missing = missing(&rig).await;
        let given_up = [("workflow_job.queued".to_owned(), 3, true)];
        holds(missing == given_up, format!("{missing:?}"))
    })
    .await;
    let log = rig.scheduler().log();
    assert!(
        log.contains("did not arrive, however often it was asked for"),
        "{log}"
    );
}

//! Installations that go away, come back with another id, or are suspended, while jobs wait.

use sandbox::doors::faults::Fault;
use sandbox::world::World;
use sandbox::world::github::{AppKind, JobId};
use serde_json::Value;

use crate::support::{Given, ORG_REPO, Rig, holds};

const ORG: &str = "sandbox-vectorworks";

/// A job whose worker waits for its token while `meanwhile` happens to the account.
async fn without_a_token(rig: &Rig, meanwhile: impl FnOnce(&mut World)) -> JobId {
    let mut token = rig.arm_github("create_installation_token", Fault::Hold, 1);
    let job = rig.push(ORG_REPO);
    rig.met(&mut token, 1).await;
    rig.with(meanwhile);
    token.release();
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_an_account_that_removed_the_app_fail_and_the_log_tells_why() {
    let rig = Rig::start(Given::boards(1)).await;
    let job = without_a_token(&rig, |world| {
        let now = world.now();
        world.github.uninstall(ORG, now).unwrap();
    })
    .await;
    let info: Value = rig
        .until("the job fails", async || {
            let info: Option<Value> = sqlx::query_scalar(
                "SELECT failure_info FROM jobs WHERE job_id = $1 AND status = 'failed'",
            )
            .bind(job.0)
            .fetch_optional(&rig.sql)
            .await
            .unwrap()
            .flatten();
            info.ok_or_else(|| "it waits".to_owned())
        })
        .await;
    let message = info["message"].as_str().unwrap();
    assert!(
        message.starts_with("installation not found for installation_id="),
        "{message}"
    );
    let attempts: Vec<(String, String, Value)> = sqlx::query_as(
        "SELECT source, outcome, payload FROM installation_events WHERE event = 'auth_attempt.404'",
    )
    .fetch_all(&rig.sql)
    .await
    .unwrap();
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    let (source, outcome, payload) = &attempts[0];
    assert_eq!(
        (source.as_str(), outcome.as_str()),
        ("scheduler", "auth_404")
    );
    assert_eq!(payload["http_status"], 404);
    assert_eq!(payload["entity_name"], ORG);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_on_through_the_installation_that_the_account_has_now() {
    let rig = Rig::start(Given::boards(1)).await;
    let job = without_a_token(&rig, |world| {
        let now = world.now();
        world.github.uninstall(ORG, now).unwrap();
        world
            .github
            .install(ORG, AppKind::Organization, now)
            .unwrap();
    })
    .await;
    rig.done(&[job]).await;
    rig.settled().await;
    let failed = rig
        .workers()
        .await
        .into_iter()
        .filter(|it| it.status == "failed");
    assert_eq!(failed.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_installation_is_told_and_its_jobs_wait() {
    let rig = Rig::start(Given::boards(1)).await;
    let job = without_a_token(&rig, |world| {
        let now = world.now();
        world.github.suspend(ORG, now).unwrap();
    })
    .await;
    rig.until("the job waits with that reason", async || {
        let row = rig.job(job).await;
        let reason = row.and_then(|row| row.waiting_reason).unwrap_or_default();
        holds(reason.starts_with("installation_suspended:"), reason)
    })
    .await;
    rig.until("it is published", async || {
        let state = rig.state().await;
        holds(state["breakers"][0]["trouble"] == "suspended", state)
    })
    .await;
    rig.with(|world| {
        let now = world.now();
        world.github.unsuspend(ORG, now).unwrap();
    });
    rig.done(&[job]).await;
}

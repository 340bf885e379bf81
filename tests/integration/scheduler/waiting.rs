//! Why jobs wait: caps, pools without boards, boards with work, a cluster that does not answer. Seen where people look,
//! in `jobs` and in `scheduler_state`, and gone when its cause is.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use sandbox::doors::faults::Fault;
use sandbox::world::World;
use sandbox::world::github::JobId;

use crate::support::{Given, ORG_REPO, Rig, USER_REPO, board, holds, refusal_of_kubernetes};

/// What is known is published within this, long before the leader would publish it all the same.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(5);

/// Waits until each of these jobs waits for this reason, in the table and soon after in the published queue.
async fn wait_for(rig: &Rig, jobs: &[JobId], reason: &str) {
    rig.until(reason, async || {
        let rows = rig.jobs().await;
        for id in jobs {
            let row = rows.iter().find(|row| row.job_id == id.0);
            let said = row.and_then(|row| row.waiting_reason.as_deref());
            holds(said == Some(reason), format!("{row:?}"))?;
        }
        Ok(())
    })
    .await;
    let known = Instant::now();
    let (code, subject) = match reason.split_once(':') {
        Some((code, subject)) => (code, Some(subject)),
        None => (reason, None),
    };
    rig.until("it is published", async || {
        let state = rig.state().await;
        let queue = state["queue"].as_array().cloned().unwrap_or_default();
        let published = queue.iter().any(|it| {
            it["reason"] == code && it["subject"].as_str() == subject && it["jobs"] == jobs.len()
        });
        holds(published, state)
    })
    .await;
    let took = known.elapsed();
    assert!(took < PUBLISHED_WITHIN, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_never_has_more_workers_than_its_cap() {
    let caps = r#"
        [[caps.entities]]
        id = 171204518
        name = "sandbox-vectorworks"
        max_workers = 2
        "#;
    let rig = Rig::start(Given::boards(5).config(caps)).await;
    // Noted by the table itself, at every change.
    sqlx::raw_sql(
        "CREATE TABLE peaks (live bigint);
         CREATE FUNCTION note_peak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO peaks SELECT count(*) FROM workers
             WHERE entity_id = 171204518 AND status IN ('pending', 'running');
           RETURN NULL;
         END $$;
         CREATE TRIGGER note_peak AFTER INSERT ON workers FOR EACH STATEMENT EXECUTE FUNCTION note_peak();",
    )
    .execute(&rig.sql)
    .await
    .unwrap();
    let jobs: Vec<JobId> = (0..5).map(|_| rig.push_long(ORG_REPO)).collect();
    for job in &jobs[..2] {
        rig.in_progress(*job).await;
    }
    wait_for(&rig, &jobs[2..], "at_cap:entity:171204518").await;
    // Others are not held back by it.
    let other = rig.push(USER_REPO);
    rig.done(&[other]).await;
    assert_eq!(rig.pods().len(), 3);
    for job in &jobs {
        rig.in_progress(*job).await;
        rig.cancel(*job);
    }
    rig.settled().await;
    let peak: Option<i64> = sqlx::query_scalar("SELECT max(live) FROM peaks")
        .fetch_one(&rig.sql)
        .await
        .unwrap();
    assert_eq!(peak, Some(2));
    assert_eq!(rig.workers().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_boards_is_named_until_it_has_one() {
    let rig = Rig::start(Given::boards(0)).await;
    // ggml-org's jobs are routed to the other pool.
    let jupiter = rig.push("ggml-org/llama.cpp");
    let rv1 = rig.push(ORG_REPO);
    wait_for(&rig, &[jupiter], "no_board_in_pool:cloudv10x-jupiter").await;
    wait_for(&rig, &[rv1], "no_board_in_pool:scw-em-rv1").await;
    assert_eq!(rig.workers().await.len(), 0);
    rig.with(|world| {
        let now = world.now();
        world.cluster.add_board(board("riscv-runner-90"), now);
    });
    rig.done(&[rv1]).await;
    wait_for(&rig, &[jupiter], "no_board_in_pool:cloudv10x-jupiter").await;
    // A cordoned board is none.
    rig.with(|world| {
        let now = world.now();
        world
            .cluster
            .set_cordoned("riscv-runner-90", true, now)
            .unwrap();
    });
    let job = rig.push(ORG_REPO);
    wait_for(&rig, &[job], "no_board_in_pool:scw-em-rv1").await;
    rig.with(|world| {
        let now = world.now();
        world
            .cluster
            .set_cordoned("riscv-runner-90", false, now)
            .unwrap();
    });
    rig.done(&[job]).await;
    rig.settled().await;
    assert_eq!(rig.workers().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_boards_at_work_a_job_waits_for_the_first_that_is_free() {
    let rig = Rig::start(Given::boards(2)).await;
    let busy = [rig.push_long(ORG_REPO), rig.push_long(USER_REPO)];
    for job in &busy {
        rig.in_progress(*job).await;
    }
    let waiting = rig.push(ORG_REPO);
    wait_for(&rig, &[waiting], "no_free_board:scw-em-rv1").await;
    assert_eq!(rig.workers().await.len(), 2);
    rig.cancel(busy[1]);
    rig.done(&[waiting]).await;
    rig.cancel(busy[0]);
    rig.settled().await;
    assert!(
        rig.read(|world| world.cluster.ever_unschedulable().is_empty()),
        "a pod was made before its board was free"
    );
}

const STALE_SOON: &str = "
    [rules]
    cluster_stale_after = '3s'
    [kubernetes]
    call_timeout = '1s'
    [scheduler]
    list_every = '1s'
    ";

/// While the cluster does not answer, nothing is begun and nothing is given up.
async fn cluster_trouble(rig: &Rig, over: impl FnOnce()) {
    rig.until("the last list is too old", async || {
        let state = rig.state().await;
        let listed = state["cluster_as_of"].as_str().unwrap_or_default();
        let listed: DateTime<Utc> = listed.parse().map_err(|_| state.to_string())?;
        // What is published may lag a second behind.
        let now = rig.read(World::now);
        holds(now - listed >= TimeDelta::seconds(5), listed)
    })
    .await;
    let waiting = rig.push(USER_REPO);
    wait_for(rig, &[waiting], "cluster_unreachable").await;
    let ready = rig.scheduler().ready().await.unwrap();
    assert_eq!(ready["cluster"]["state"], "unreachable", "{ready}");
    let workers = rig.workers().await;
    assert_eq!(workers.len(), 1, "{workers:#?}");
    assert_eq!(workers[0].status, "running", "{workers:#?}");
    over();
    rig.done(&[waiting]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_answer_is_named_and_nothing_is_touched() {
    let rig = Rig::start(Given::boards(3).config(STALE_SOON)).await;
    let running = rig.push_long(ORG_REPO);
    rig.in_progress(running).await;
    let pods = rig.arm_kubernetes("list_pods", Fault::Hold, usize::MAX);
    let nodes = rig.arm_kubernetes("list_nodes", Fault::Hold, usize::MAX);
    rig.until("the worker runs", async || {
        let workers = rig.workers().await;
        holds(workers[0].status == "running", format!("{workers:?}"))
    })
    .await;
    cluster_trouble(&rig, || {
        pods.release();
        nodes.release();
    })
    .await;
    rig.cancel(running);
    rig.settled().await;
    assert!(
        rig.workers()
            .await
            .iter()
            .all(|it| it.failure_info.is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_answers_500_is_named_and_nothing_is_touched() {
    let rig = Rig::start(Given::boards(3).config(STALE_SOON)).await;
    let running = rig.push_long(ORG_REPO);
    rig.in_progress(running).await;
    rig.until("the worker runs", async || {
        let workers = rig.workers().await;
        holds(workers[0].status == "running", format!("{workers:?}"))
    })
    .await;
    // A list is tried again a second after it failed: this is trouble for more than ten seconds.
    let refused = refusal_of_kubernetes(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
    let _pods = rig.arm_kubernetes("list_pods", refused, 15);
    cluster_trouble(&rig, || {}).await;
    rig.cancel(running);
    rig.settled().await;
    assert!(
        rig.workers()
            .await
            .iter()
            .all(|it| it.failure_info.is_none())
    );
}

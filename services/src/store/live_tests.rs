use rise_model::{JobId, PodName};

use super::*;
use crate::store::testing::TestDatabase;

const LIMITS: LiveLimits = LiveLimits {
    at_work: 100,
    over: 2,
    groups: 10,
};

async fn filled() -> TestDatabase {
    let database = TestDatabase::create().await;
    database
        .execute(
            "INSERT INTO jobs (job_id, status, provider, entity_id, entity_name, entity_type, repo_full_name,
               installation_id, k8s_pool, k8s_image, k8s_pod, waiting_reason, queued_at, started_at, finished_at, failure_info)
             SELECT n, s::status_enum, 'github', 7, 'octo', 'Organization', 'octo/r', 1, 'p', 'i', pod, why,
                    now() - q, now() - b, now() - f, info
             FROM (VALUES
               (1, 'pending',   NULL, 'at_cap:entity:7', interval '30 minutes', NULL, NULL, NULL::jsonb),
               (2, 'running',   'w2', 'starting',        interval '20 minutes', interval '10 minutes', NULL, NULL),
               (3, 'completed', NULL, NULL, interval '50 minutes', interval '40 minutes', interval '35 minutes', NULL),
               (4, 'completed', NULL, NULL, interval '3 hours', interval '3 hours', interval '2 hours', NULL),
               (5, 'failed',    NULL, NULL, interval '5 minutes', NULL, NULL, '{\"message\": \"job 5 is gone\"}')
             ) AS v (n, s, pod, why, q, b, f, info);
             INSERT INTO workers (pod_name, status, provider, entity_id, entity_name, entity_type, installation_id, k8s_pool,
               k8s_image, k8s_node, completed_at, failure_info)
             SELECT name, s::status_enum, 'github', 7, 'octo', 'Organization', 1, 'p', 'i', node, now(), info::jsonb
             FROM (VALUES ('w1', 'pending', NULL, NULL), ('w2', 'running', 'b1', NULL),
               ('w3', 'failed', 'b1', '{\"reason\": \"pod_lost\", \"message\": \"after 12 s\"}'),
               ('w4', 'failed', 'b2', '{\"reason\": \"pod_lost\", \"message\": \"after 345 s\"}'),
               ('w5', 'failed', 'b2', '{\"reason\": \"pod_failed\", \"message\": \"no\"}')) AS v (name, s, node, info)",
        )
        .await;
    database
}

#[tokio::test]
async fn rows_at_work_are_never_crowded_out_by_those_that_are_over() {
    let database = filled().await;
    let live = database.store().live(LIMITS).await.unwrap();
    let names: Vec<&str> = live.workers.iter().map(|w| w.pod_name.as_str()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.contains(&"w1") && names.contains(&"w2"), "{names:?}");
    let bound = live.workers.iter().find(|w| w.pod_name.as_str() == "w2");
    assert_eq!(bound.unwrap().job_id, Some(2));
    let waiting = live.jobs.iter().find(|job| job.job_id == 1).unwrap();
    assert_eq!(waiting.waiting_reason.as_deref(), Some("at_cap:entity:7"));
    let running = live.jobs.iter().find(|job| job.job_id == 2).unwrap();
    assert_eq!(running.waiting_reason, None, "it does not wait any more");
    assert_eq!(running.k8s_node.as_deref(), Some("b1"));
}

#[tokio::test]
async fn failures_that_differ_in_a_number_are_told_together() {
    let database = filled().await;
    let live = database.store().live(LIMITS).await.unwrap();
    let told: Vec<(&str, &str, &str, i64)> = live
        .failures
        .iter()
        .map(|g| {
            (
                g.kind.as_str(),
                g.reason.as_str(),
                g.message.as_str(),
                g.count,
            )
        })
        .collect();
    assert!(
        told.contains(&("worker", "pod_lost", "after # s", 2)),
        "{told:?}"
    );
    assert!(
        told.contains(&("worker", "pod_failed", "no", 1)),
        "{told:?}"
    );
    assert!(
        told.contains(&("job", "unknown", "job # is gone", 1)),
        "{told:?}"
    );
    let lost = live
        .failures
        .iter()
        .find(|g| g.reason == "pod_lost")
        .unwrap();
    assert_eq!(lost.boards, ["b1", "b2"]);
}

#[tokio::test]
async fn the_hour_is_counted_minute_by_minute() {
    let database = filled().await;
    let hour = database.store().last_hour().await.unwrap();
    assert_eq!(hour.minutes.len(), 60);
    let ago = |minutes: usize| {
        let at = hour.minutes[59 - minutes];
        (at.waiting, at.running)
    };
    assert_eq!(ago(0), (1, 1));
    assert_eq!(ago(15), (2, 0));
    assert_eq!(ago(38), (0, 1));
    assert_eq!(ago(45), (1, 0));
    assert_eq!(hour.queue.jobs, 2, "job 4 began before this hour");
    assert_eq!(hour.queue.p50.map(f64::round), Some(600.0));
}

#[tokio::test]
async fn a_story_has_all_that_belongs_to_it() {
    let database = filled().await;
    let store = database.store();
    let story = store.job_story(JobId(2)).await.unwrap().unwrap();
    assert_eq!(story.worker.unwrap().pod_name, "w2");
    assert_eq!(story.ahead, None);
    let waits = store.job_story(JobId(1)).await.unwrap().unwrap();
    assert_eq!(waits.ahead, Some(0));
    assert_eq!(store.job_story(JobId(99)).await.unwrap(), None);
    let worker = store
        .worker_story(&PodName::new("w2"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(worker.jobs[0].job_id, 2);
    assert_eq!(store.worker_story(&PodName::new("w")).await.unwrap(), None);
}

#[tokio::test]
async fn log_rows_are_told_once_each() {
    use crate::store::story::LogFilter;
    let database = filled().await;
    let store = database.store();
    let write = |event: &'static str| {
        let statement = format!(
            "INSERT INTO installation_events (source, event, outcome, entity_id, entity_name, payload)
             VALUES ('webhook', '{event}', 'ignored', 7, 'Octo', '{{}}')"
        );
        let database = &database;
        async move { database.execute(&statement).await }
    };
    write("ping").await;
    write("push").await;
    let filter = LogFilter {
        entity: Some(crate::store::operator::EntityFilter::Login("octo".into())),
        ..LogFilter::default()
    };
    let first = store.last_log(&filter, 10).await.unwrap();
    let events: Vec<&str> = first.iter().map(|line| line.event.as_str()).collect();
    assert_eq!(events, ["ping", "push"]);
    let seen: Vec<i64> = first.iter().map(|line| line.id).collect();
    write("later").await;
    let more = store.log_after(&filter, &seen, 10).await.unwrap();
    assert_eq!(more.len(), 1);
    assert_eq!(more[0].event, "later");
    let word = LogFilter {
        word: Some("pin".into()),
        ..LogFilter::default()
    };
    assert_eq!(store.last_log(&word, 10).await.unwrap().len(), 1);
}

//! `/metrics` as Prometheus reads it.

use axum::http::{StatusCode, header};
use chrono::Utc;
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use super::{get, served};
use crate::scheduler::status::{Reachability, SchedulerStatus};
use crate::store::testing::TestDatabase;

#[tokio::test]
async fn metrics_tell_of_queue_slots_leader_and_webhooks() {
    let database = TestDatabase::create().await;
    let state = json!({"boards": [
        {"name": "a", "pool": "p", "state": "free"},
        {"name": "b", "pool": "p", "state": "busy"},
        {"name": "c", "pool": "p", "state": "busy"},
    ]});
    database
        .execute(&format!(
            "INSERT INTO jobs (job_id, provider, entity_id, entity_name, entity_type, repo_full_name, installation_id,
                 k8s_pool, k8s_image, created_at, waiting_reason)
             SELECT n, 'github', 99, 'somebody', 'Organization', 'x/secret', 1, 'p', 'i',
                 now() - n * interval '1 minute', CASE n WHEN 1 THEN 'starting:board-1' WHEN 2 THEN 'starting:board-2'
                 WHEN 3 THEN 'Strange \"words\"' END FROM generate_series(1, 4) n;
             INSERT INTO scheduler_state (epoch, round, at, state) VALUES (1, 9, now(), '{state}');
             INSERT INTO alerts (name, text) VALUES ('x', 'y');"
        ))
        .await;
    let counted = json!({"outcome:job_stored": 5, "outcome:refused_signature": 2, "le:0.005": 4, "le:inf": 1, "sum_us": 2_500_000});
    database
        .store()
        .add_ghfe_counters(Uuid::from_u128(1), &counted)
        .await
        .unwrap();
    let status = SchedulerStatus {
        leads: true,
        cluster: Reachability::Reachable,
        in_flight: 3,
        last_good_round_at: Some(Utc::now()),
        ..SchedulerStatus::default()
    };
    let routes = served(&database.store(), watch::channel(status).1);
    let answer = get(&routes, "/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    let kind = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    for line in [
        "rise_leader 1",
        "rise_actions_in_flight 3",
        "rise_cluster_reachable 1",
        "rise_slots{pool=\"p\",state=\"busy\"} 2",
        "rise_slots{pool=\"p\",state=\"free\"} 1",
        "rise_queue_jobs{pool=\"p\",reason=\"starting\"} 2",
        "rise_queue_jobs{pool=\"p\",reason=\"not_planned\"} 1",
        "rise_queue_jobs{pool=\"p\",reason=\"other\"} 1",
        "rise_rounds_total 0",
        "rise_alerts_open 1",
        "rise_webhook_deliveries_total{outcome=\"job_stored\"} 5",
        "rise_webhook_deliveries_total{outcome=\"refused_signature\"} 2",
        "rise_webhook_duration_seconds_bucket{le=\"0.0025\"} 0",
        "rise_webhook_duration_seconds_bucket{le=\"0.005\"} 4",
        "rise_webhook_duration_seconds_bucket{le=\"10\"} 4",
        "rise_webhook_duration_seconds_bucket{le=\"+Inf\"} 5",
        "rise_webhook_duration_seconds_sum 2.5",
        "rise_webhook_duration_seconds_count 5",
    ] {
        assert!(
            answer.text.contains(&format!("{line}\n")),
            "{line} is not in {}",
            answer.text
        );
    }
    let age = answer
        .text
        .lines()
        .find_map(|line| {
            line.strip_prefix("rise_queue_oldest_age_seconds{pool=\"p\",reason=\"starting\"} ")
        })
        .unwrap();
    let age: f64 = age.parse().unwrap();
    assert!((120.0..150.0).contains(&age), "{age}");
    for hidden in ["secret", "somebody", "Strange", "board-1"] {
        assert!(!answer.text.contains(hidden), "{hidden}");
    }
}

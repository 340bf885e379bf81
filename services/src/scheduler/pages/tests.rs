//! The routes as their clients see them, on a real database.

mod access;
mod html;
mod metrics;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use chrono::Utc;
use rise_model::span::Span;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use super::{router, strict};
use crate::scheduler::status::{Reachability, SchedulerStatus};
use crate::store::Store;
use crate::store::testing::{TestDatabase, page_limits, store_at};

/// Nobody listens there.
const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable";

const JOBS_WITH_EVERYTHING: &str = r#"
    INSERT INTO jobs (job_id, status, failure_info, provider, entity_id, entity_name, entity_type, repo_full_name,
        installation_id, job_labels, k8s_pool, k8s_image, k8s_pod, html_url, created_at, updated_at,
        run_id, job_name, sender_login, private, queued_at, conclusion, waiting_reason)
    VALUES (9007199254740993, 'failed', '{"version":1,"message":"installation not found"}', 'github', 99, 'x',
        'Organization', 'x/y', 1, '["ubuntu-24.04-riscv"]', 'scw-em-rv1', 'registry.example/runner:1', 'w-1',
        'https://example.com/?a=1&b=<2>', '2026-01-02T03:04:05.678901Z', '2026-01-02T04:04:05+01:00',
        5, 'build', 'somebody', true, now(), 'failure', 'paused:entity:99');
    INSERT INTO jobs (job_id, provider, entity_id, entity_name, entity_type, repo_full_name, installation_id,
        k8s_pool, k8s_image, created_at, updated_at)
    VALUES (7, 'github', 42, 'me', 'User', 'me/z', 2, 'cloudv10x-jupiter', 'registry.example/runner:1',
        '2026-01-02T03:04:05Z', '2026-01-02T03:04:05.5Z');
"#;

const WORKERS_WITH_EVERYTHING: &str = r#"
    INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id, repo_full_name,
        job_labels, k8s_pool, k8s_image, k8s_node, status, failure_info, created_at, running_at, completed_at,
        updated_at, runner_id, epoch, condemned_reason)
    VALUES ('w-1', 'github', 42, 'me', 'User', 2, 'me/z', '["ubuntu-24.04-riscv"]', 'scw-em-rv1',
        'registry.example/runner:1', 'board-3', 'failed',
        '{"version":2,"reason":"pod_failed","containers":{"runner":{"exit_code":137,"logs":"a\nb"}}}',
        '2026-01-02T03:00:00.000001Z', '2026-01-02T03:01:00.25Z', '2026-01-02T03:02:00Z', '2026-01-02T03:02:01Z',
        8, 3, 'idle');
    INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id, k8s_pool,
        k8s_image, created_at, updated_at)
    VALUES ('w-2', 'github', 99, 'x', 'Organization', 1, 'scw-em-rv1', 'registry.example/runner:1',
        '2026-01-02T02:00:00Z', '2026-01-02T02:00:00Z');
"#;

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        serde_json::from_str(&self.text).unwrap()
    }

    fn link(&self) -> Option<&str> {
        Some(self.headers.get(header::LINK)?.to_str().unwrap())
    }
}

async fn send(router: &Router, method: &str, path: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 24).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

async fn get(router: &Router, path: &str) -> Answer {
    send(router, "GET", path).await
}

/// The routes with a token set.
fn guarded(database: &TestDatabase, token: &str) -> Router {
    let status = watch::channel(SchedulerStatus::default()).1;
    routed(&database.store(), status, Some(&token.into()))
}

fn served(store: &Store, status: watch::Receiver<SchedulerStatus>) -> Router {
    routed(store, status, None)
}

fn routed(
    store: &Store,
    status: watch::Receiver<SchedulerStatus>,
    token: Option<&secrecy::SecretString>,
) -> Router {
    let sources = super::Sources {
        status,
        counters: std::sync::Arc::default(),
        github: crate::github::GitHubUsage::default(),
        pools: ["p".to_owned()].into(),
    };
    router(store, sources, page_limits(Span::seconds(4)), token)
}

fn routes(database: &TestDatabase) -> Router {
    served(
        &database.store(),
        watch::channel(SchedulerStatus::default()).1,
    )
}

/// That many jobs and workers, one a minute, the newest with the highest number.
async fn fill(database: &TestDatabase, rows: u32) {
    database
        .execute(&format!(
            "INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id, k8s_pool,
                 k8s_image, created_at)
             SELECT 'w-' || n, 'github', 99, 'x', 'Organization', 1, 'p', 'i',
                 timestamptz '2026-01-02T00:00:00Z' + n * interval '1 minute' FROM generate_series(1, {rows}) n;
             INSERT INTO jobs (job_id, provider, entity_id, entity_name, entity_type, repo_full_name, installation_id,
                 k8s_pool, k8s_image, created_at)
             SELECT n, 'github', 99, 'x', 'Organization', 'x/y', 1, 'p', 'i',
                 timestamptz '2026-01-02T00:00:00Z' + n * interval '1 minute' FROM generate_series(1, {rows}) n;"
        ))
        .await;
}

#[tokio::test]
async fn every_path_is_served_and_an_empty_list_is_a_list() {
    let database = TestDatabase::create().await;
    let routes = routes(&database);
    let health = get(&routes, "/health").await;
    assert_eq!(
        (health.status, health.text.as_str()),
        (StatusCode::OK, "ok")
    );
    assert_eq!(
        health.headers[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    for path in [
        "/history.json",
        "/jobs.json",
        "/workers.json",
        "/jobs.json?page=3",
    ] {
        let answer = get(&routes, path).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (StatusCode::OK, "[]"),
            "{path}"
        );
        answer.json();
    }
    let usage = get(&routes, "/usage.json").await;
    assert_eq!(usage.text, r#"{"jobs":[],"workers":[]}"#);
    assert_eq!(get(&routes, "/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_job_has_the_fields_that_clients_know() {
    let database = TestDatabase::create().await;
    database.execute(JOBS_WITH_EVERYTHING).await;
    let routes = routes(&database);
    let full = concat!(
        r#"{"job_id":9007199254740993,"status":"failed","#,
        r#""failure_info":{"message": "installation not found", "version": 1},"#,
        r#""provider":"github","entity_id":99,"entity_name":"x","entity_type":"Organization","#,
        r#""repo_full_name":"x/y","installation_id":1,"job_labels":["ubuntu-24.04-riscv"],"#,
        r#""k8s_pool":"scw-em-rv1","k8s_image":"registry.example/runner:1","k8s_pod":"w-1","#,
        r#""html_url":"https://example.com/?a=1&b=<2>","created_at":"2026-01-02T03:04:05.678901Z","#,
        r#""updated_at":"2026-01-02T03:04:05.000000Z"}"#
    );
    let bare = concat!(
        r#"{"job_id":7,"status":"pending","provider":"github","entity_id":42,"entity_name":"me","#,
        r#""entity_type":"User","repo_full_name":"me/z","installation_id":2,"job_labels":[],"#,
        r#""k8s_pool":"cloudv10x-jupiter","k8s_image":"registry.example/runner:1","#,
        r#""created_at":"2026-01-02T03:04:05.000000Z","updated_at":"2026-01-02T03:04:05.500000Z"}"#
    );
    let listed = get(&routes, "/jobs.json").await;
    assert_eq!(listed.text, format!("[{full},{bare}]"));
    assert_eq!(get(&routes, "/history.json").await.text, listed.text);
    let usage = get(&routes, "/usage.json").await;
    assert_eq!(usage.text, format!(r#"{{"jobs":[{bare}],"workers":[]}}"#));
}

#[tokio::test]
async fn a_worker_has_the_fields_that_clients_know() {
    let database = TestDatabase::create().await;
    database.execute(WORKERS_WITH_EVERYTHING).await;
    let routes = routes(&database);
    let full = concat!(
        r#"{"pod_name":"w-1","provider":"github","entity_id":42,"entity_name":"me","entity_type":"User","#,
        r#""installation_id":2,"repo_full_name":"me/z","job_labels":["ubuntu-24.04-riscv"],"#,
        r#""k8s_pool":"scw-em-rv1","k8s_image":"registry.example/runner:1","k8s_node":"board-3","#,
        r#""status":"failed","failure_info":{"reason": "pod_failed", "version": 2, "#,
        r#""containers": {"runner": {"logs": "a\nb", "exit_code": 137}}},"#,
        r#""created_at":"2026-01-02T03:00:00.000001Z","running_at":"2026-01-02T03:01:00.250000Z","#,
        r#""completed_at":"2026-01-02T03:02:00.000000Z","updated_at":"2026-01-02T03:02:01.000000Z"}"#
    );
    let bare = concat!(
        r#"{"pod_name":"w-2","provider":"github","entity_id":99,"entity_name":"x","#,
        r#""entity_type":"Organization","installation_id":1,"job_labels":[],"k8s_pool":"scw-em-rv1","#,
        r#""k8s_image":"registry.example/runner:1","status":"pending","#,
        r#""created_at":"2026-01-02T02:00:00.000000Z","updated_at":"2026-01-02T02:00:00.000000Z"}"#
    );
    assert_eq!(
        get(&routes, "/workers.json").await.text,
        format!("[{full},{bare}]")
    );
    let usage = get(&routes, "/usage.json").await;
    assert_eq!(usage.text, format!(r#"{{"jobs":[],"workers":[{bare}]}}"#));
}

#[tokio::test]
async fn what_was_stored_of_a_failure_is_shown_as_it_is() {
    let database = TestDatabase::create().await;
    // The two shapes of today, and that of workers in old rows.
    let shapes = [
        json!({"version": 1, "message": "job not found"}),
        json!({"version": 2, "reason": "runner_idle", "events": [{"type": "Warning", "count": 3}],
                   "collect_error": "no logs"}),
        json!({"version": 1, "containers": {"runner": {"exit_code": null, "logs": "x"}}, "events": [],
                   "pod_message": null, "pod_reason": "DeadlineExceeded"}),
    ];
    fill(&database, 3).await;
    for (n, shape) in shapes.iter().enumerate() {
        let n = n + 1;
        database
                .execute(&format!(
                    "UPDATE workers SET status = 'failed', failure_info = '{shape}' WHERE pod_name = 'w-{n}';
                     UPDATE jobs SET status = 'failed', failure_info = '{shape}' WHERE job_id = {n}"
                ))
                .await;
    }
    let routes = routes(&database);
    for path in ["/workers.json", "/jobs.json"] {
        let rows = get(&routes, path).await.json();
        let shown: Vec<&Value> = (0..3).rev().map(|n| &rows[n]["failure_info"]).collect();
        assert_eq!(shown, shapes.iter().collect::<Vec<_>>(), "{path}");
    }
}

#[tokio::test]
async fn usage_shows_what_is_alive_oldest_first() {
    let database = TestDatabase::create().await;
    fill(&database, 5).await;
    database
            .execute(
                "UPDATE jobs SET status = 'completed' WHERE job_id = 1; UPDATE jobs SET status = 'failed' WHERE job_id = 3;
                 UPDATE jobs SET status = 'running' WHERE job_id = 2;
                 UPDATE workers SET status = 'failed' WHERE pod_name = 'w-5';
                 UPDATE workers SET status = 'running' WHERE pod_name = 'w-2';
                 UPDATE workers SET status = 'completed' WHERE pod_name = 'w-1'",
            )
            .await;
    let usage = get(&routes(&database), "/usage.json").await.json();
    let shown = |list: &str, name: &str| -> Vec<Value> {
        let rows = usage[list].as_array().unwrap();
        rows.iter()
            .map(|row| json!([row[name], row["status"]]))
            .collect()
    };
    assert_eq!(
        shown("jobs", "job_id"),
        [
            json!([2, "running"]),
            json!([4, "pending"]),
            json!([5, "pending"])
        ]
    );
    assert_eq!(
        shown("workers", "pod_name"),
        [
            json!(["w-2", "running"]),
            json!(["w-3", "pending"]),
            json!(["w-4", "pending"])
        ]
    );
}

#[tokio::test]
async fn links_lead_through_all_pages_newest_first() {
    let database = TestDatabase::create().await;
    fill(&database, 50).await;
    let routes = routes(&database);
    for (path, id) in [
        ("/workers.json", "pod_name"),
        ("/jobs.json", "job_id"),
        ("/history.json", "job_id"),
    ] {
        let to = |page: u32, relation: &str| {
            format!(r#"<{path}?page={page}&per_page=10>; rel="{relation}""#)
        };
        let cases = [
            (0, vec![to(1, "next"), to(4, "last")]),
            (
                2,
                vec![to(0, "first"), to(1, "prev"), to(3, "next"), to(4, "last")],
            ),
            (4, vec![to(0, "first"), to(3, "prev")]),
            (5, vec![to(0, "first"), to(4, "prev")]),
        ];
        for (page, links) in cases {
            let answer = get(&routes, &format!("{path}?per_page=10&page={page}")).await;
            assert_eq!(
                answer.link(),
                Some(links.join(", ").as_str()),
                "{path} {page}"
            );
        }
        let mut seen = Vec::new();
        let mut next = Some(format!("{path}?per_page=7"));
        while let Some(page) = next {
            let answer = get(&routes, &page).await;
            seen.extend(
                answer
                    .json()
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row[id].clone()),
            );
            let links = answer.link().unwrap().split(", ");
            next = links
                .filter_map(|link| link.strip_suffix(r#">; rel="next""#))
                .map(|target| target.trim_start_matches('<').to_owned())
                .next();
        }
        let expected: Vec<Value> = (1..=50)
            .rev()
            .map(|n| {
                if id == "job_id" {
                    json!(n)
                } else {
                    json!(format!("w-{n}"))
                }
            })
            .collect();
        assert_eq!(seen, expected, "{path}");
        let all = get(&routes, path).await;
        assert_eq!(
            (all.json().as_array().unwrap().len(), all.link()),
            (50, None)
        );
        let beyond = get(&routes, &format!("{path}?page=18446744073709551615")).await;
        assert_eq!(
            (beyond.status, beyond.text.as_str()),
            (StatusCode::OK, "[]")
        );
    }
}

#[tokio::test]
async fn equally_old_rows_are_on_one_page_each() {
    let database = TestDatabase::create().await;
    fill(&database, 30).await;
    database
            .execute("UPDATE jobs SET created_at = '2026-01-02'; UPDATE workers SET created_at = '2026-01-02'")
            .await;
    let routes = routes(&database);
    for (path, id) in [("/jobs.json", "job_id"), ("/workers.json", "pod_name")] {
        let mut seen = std::collections::BTreeSet::new();
        for page in 0..5 {
            let rows = get(&routes, &format!("{path}?per_page=6&page={page}"))
                .await
                .json();
            seen.extend(
                rows.as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row[id].to_string()),
            );
        }
        assert_eq!(seen.len(), 30, "{path}");
    }
}

#[tokio::test]
async fn days_bound_the_list_from_the_first_moment_to_before_the_last() {
    let database = TestDatabase::create().await;
    fill(&database, 3).await;
    database
            .execute(
                "UPDATE jobs SET created_at = '2026-01-02T00:00:00Z' WHERE job_id = 1;
                 UPDATE jobs SET created_at = '2026-01-03T00:00:00Z' WHERE job_id = 2;
                 UPDATE jobs SET created_at = now() WHERE job_id = 3;
                 UPDATE workers w SET created_at = j.created_at FROM jobs j WHERE w.pod_name = 'w-' || j.job_id",
            )
            .await;
    let routes = routes(&database);
    let cases: [(&str, &[u32]); 7] = [
        ("", &[3, 2, 1]),
        ("start=2026-01-02", &[3, 2, 1]),
        ("start=2026-01-03", &[3, 2]),
        ("end=2026-01-03", &[1]),
        ("start=2026-01-02&end=2026-01-04", &[2, 1]),
        ("start=-1d", &[3]),
        ("start=2026-01-04&end=2026-01-03", &[]),
    ];
    for (query, expected) in cases {
        let jobs = get(&routes, &format!("/jobs.json?{query}")).await.json();
        let ids: Vec<u64> = jobs
            .as_array()
            .unwrap()
            .iter()
            .map(|j| j["job_id"].as_u64().unwrap())
            .collect();
        let expected: Vec<u64> = expected.iter().map(|n| u64::from(*n)).collect();
        assert_eq!(ids, expected, "jobs {query}");
        let workers = get(&routes, &format!("/workers.json?{query}")).await.json();
        let names: Vec<&str> = workers
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w["pod_name"].as_str().unwrap())
            .collect();
        let expected: Vec<String> = expected.iter().map(|n| format!("w-{n}")).collect();
        assert_eq!(names, expected, "workers {query}");
    }
    let linked = get(
        &routes,
        "/jobs.json?per_page=1&start=2026-01-02&end=2026-01-04",
    )
    .await;
    assert_eq!(
        linked.link().unwrap(),
        concat!(
            r#"</jobs.json?page=1&per_page=1&start=2026-01-02&end=2026-01-04>; rel="next", "#,
            r#"</jobs.json?page=1&per_page=1&start=2026-01-02&end=2026-01-04>; rel="last""#
        )
    );
}

#[tokio::test]
async fn a_wrong_parameter_is_named_whatever_the_database_does() {
    let routes = served(
        &store_at(NOWHERE),
        watch::channel(SchedulerStatus::default()).1,
    );
    let cases = [
        ("start=1", "invalid parameter start, must be YYYY-MM-DD\n"),
        (
            "end=2026-02-30",
            "invalid parameter end, must be YYYY-MM-DD\n",
        ),
        ("page=-1", "invalid parameter page, must be >= 0\n"),
        ("per_page=0", "invalid parameter per_page, must be > 0\n"),
        (
            "per_page=1001",
            "invalid parameter per_page, must be <= 1000\n",
        ),
    ];
    for path in ["/jobs.json", "/history.json", "/workers.json"] {
        for (query, text) in cases {
            let answer = get(&routes, &format!("{path}?{query}")).await;
            assert_eq!(
                (answer.status, answer.text.as_str()),
                (StatusCode::BAD_REQUEST, text),
                "{path}?{query}"
            );
            assert_eq!(
                answer.headers[header::CONTENT_TYPE],
                "text/plain; charset=utf-8"
            );
        }
    }
}

#[tokio::test]
async fn a_database_that_fails_is_a_503_that_can_be_asked_again() {
    let database = TestDatabase::create().await;
    database
        .execute("ALTER TABLE jobs RENAME TO jobs_gone; ALTER TABLE workers RENAME TO workers_gone")
        .await;
    let routes = routes(&database);
    for path in [
        "/jobs.json",
        "/history.json",
        "/workers.json",
        "/usage.json",
    ] {
        let answer = get(&routes, path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(
            answer.text,
            "the database failed; ask again in a few seconds\n"
        );
        assert_eq!(answer.headers[header::RETRY_AFTER], "5");
    }
    assert_eq!(get(&routes, "/health").await.status, StatusCode::OK);
}

#[tokio::test]
async fn other_methods_are_refused_and_every_answer_is_guarded() {
    let routes = served(
        &store_at(NOWHERE),
        watch::channel(SchedulerStatus::default()).1,
    );
    for path in [
        "/health",
        "/ready",
        "/usage.json",
        "/history.json",
        "/jobs.json",
        "/workers.json",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let answer = send(&routes, method, path).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert_eq!(answer.headers[header::ALLOW], "GET,HEAD");
        }
    }
    let head = send(&routes, "HEAD", "/health").await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    for (method, path) in [
        ("GET", "/health"),
        ("POST", "/jobs.json"),
        ("GET", "/jobs.json?page=x"),
        ("GET", "/nothing"),
    ] {
        let headers = send(&routes, method, path).await.headers;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(
            headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'",
            "{path}"
        );
    }
}

#[tokio::test]
async fn ready_follows_what_the_scheduler_publishes() {
    let database = TestDatabase::create().await;
    let (publish, status) = watch::channel(SchedulerStatus::default());
    let routes = served(&database.store(), status);

    let begun = get(&routes, "/ready").await;
    assert_eq!(begun.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        begun.json()["problems"],
        json!(["The cluster has not answered yet."])
    );

    let leader = uuid::Uuid::from_u128(7);
    publish.send_modify(|status| {
        status.cluster = Reachability::Reachable;
        status.leader = Some(leader);
    });
    let follows = get(&routes, "/ready").await;
    assert_eq!(follows.status, StatusCode::OK);
    assert_eq!(
        follows.json(),
        json!({"leads": false, "leader": leader, "round": 0, "quiet": false, "in_flight": 0,
                   "last_good_round_at": null, "cluster": {"state": "reachable"}, "database": {"state": "reachable"}})
    );

    publish.send_modify(|status| status.leads = true);
    let leads = get(&routes, "/ready").await;
    assert_eq!(
        leads.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "no round yet"
    );

    publish.send_modify(|status| {
        status.last_good_round_at = Some(Utc::now());
        status.round = 4;
        status.quiet = true;
    });
    let leads = get(&routes, "/ready").await;
    assert_eq!(leads.status, StatusCode::OK);
    assert_eq!(
        (&leads.json()["round"], &leads.json()["quiet"]),
        (&json!(4), &json!(true))
    );

    drop(publish);
    let ended = get(&routes, "/ready").await;
    assert_eq!(ended.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        ended.json()["problems"],
        json!(["The scheduler's loop has ended; restart this process."])
    );
}

#[tokio::test]
async fn ready_asks_the_database_itself() {
    let reachable = SchedulerStatus {
        cluster: Reachability::Reachable,
        database: Reachability::Reachable,
        ..SchedulerStatus::default()
    };
    let (_publish, status) = watch::channel(reachable);
    let answer = get(&served(&store_at(NOWHERE), status), "/ready").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["database"]["state"], "unreachable");
    let problems = answer.json()["problems"].clone();
    assert_eq!(problems.as_array().unwrap().len(), 1, "{problems}");
}

#[tokio::test]
async fn a_page_that_takes_too_long_is_given_up() {
    let never = axum::routing::get(std::future::pending::<&str>);
    let routes = strict(
        Router::new().route("/never", never),
        std::time::Duration::from_millis(20),
    );
    let answer = get(&routes, "/never").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.text,
        "this page could not be made in time; ask for less, or later\n"
    );
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
}

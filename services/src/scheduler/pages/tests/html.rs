//! The pages for people.

use axum::http::{StatusCode, header};
use serde_json::json;
use tokio::sync::watch;

use super::{JOBS_WITH_EVERYTHING, WORKERS_WITH_EVERYTHING, fill, get, routes, send, served};
use crate::scheduler::status::SchedulerStatus;
use crate::store::testing::TestDatabase;

/// What is between two marks, without tags, each run of spaces as one.
fn text(html: &str, from: &str, to: &str) -> String {
    let inner = html.split_once(from).unwrap().1.split_once(to).unwrap().0;
    let mut text = String::new();
    let mut rest = inner;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        rest = tag.split_once('>').unwrap().1;
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_page_has_its_title_and_an_empty_one_says_so() {
    let database = TestDatabase::create().await;
    let routes = routes(&database);
    let cases = [
        ("/usage", "Usage", "No active pools."),
        ("/jobs", "History", "No jobs found."),
        ("/history", "History", "No jobs found."),
        ("/workers", "Workers", "No workers found."),
    ];
    for (path, title, empty) in cases {
        let page = get(&routes, path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert_eq!(
            page.headers[header::CONTENT_TYPE],
            "text/html; charset=utf-8"
        );
        assert!(
            page.text
                .contains(&format!("<title>{title} - Staging</title>"))
        );
        assert!(page.text.contains(empty), "{path}: {}", page.text);
        assert!(
            page.text.contains("No scheduler has led here yet"),
            "{path}"
        );
    }
    let root = get(&routes, "/").await;
    assert_eq!(root.status, StatusCode::SEE_OTHER);
    assert_eq!(root.headers[header::LOCATION], "/usage");
}

#[tokio::test]
async fn pages_are_guarded_by_their_headers() {
    let database = TestDatabase::create().await;
    let routes = routes(&database);
    for path in ["/usage", "/jobs", "/workers"] {
        let page = get(&routes, path).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(
            policy.contains("form-action 'self'; frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(
            !policy.contains("script") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert!(!page.text.contains("<script") && !page.text.contains(" style="));
        let post = send(&routes, "POST", path).await;
        assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn a_job_is_shown_with_what_became_of_it() {
    let database = TestDatabase::create().await;
    database.execute(JOBS_WITH_EVERYTHING).await;
    database
        .execute(
            "UPDATE jobs SET waiting_reason = 'no_free_board:cloudv10x-jupiter' WHERE job_id = 7",
        )
        .await;
    let page = get(&routes(&database), "/jobs").await.text;
    let failed = text(&page, r#"<tr id="job-9007199254740993">"#, "</tr>");
    let created = "2026-01-02";
    assert_eq!(
        failed,
        format!(
            "failed build x/y · 9007199254740993 x · by somebody ubuntu-24.04-riscv scw-em-rv1 w-1 installation not found {created}"
        )
    );
    assert!(page.contains(r#"href="/workers?worker=w-1""#));
    let waiting = text(&page, r#"<tr id="job-7">"#, "</tr>");
    assert!(
        waiting.starts_with("pending job me/z · 7 me cloudv10x-jupiter waits "),
        "{waiting}"
    );
    assert!(waiting.contains("every board of pool cloudv10x-jupiter has work"));
    assert!(page.contains(r#"title="2026-01-02 03:04:05 UTC">2026-01-02</time>"#));
}

#[tokio::test]
async fn a_worker_is_shown_with_its_failure_folded_in() {
    let database = TestDatabase::create().await;
    database.execute(WORKERS_WITH_EVERYTHING).await;
    database
        .execute(
            r#"UPDATE workers SET failure_info = failure_info
                 || '{"pod_reason": "Evicted", "events": [{"type": "Warning", "reason": "FailedMount",
                      "message": "no space", "count": 3, "last_seen": "2026-01-02T03:00:00Z"}]}'
               WHERE pod_name = 'w-1'"#,
        )
        .await;
    database.execute(JOBS_WITH_EVERYTHING).await;
    let page = get(&routes(&database), "/workers").await.text;
    let failure = text(&page, r#"<details class="failure">"#, "</details>");
    assert_eq!(
        failure,
        "pod_failed Pod’s reason Evicted Container runner , exit=137 a b Events Warning FailedMount ×3 2026-01-02 no space"
            .replace("runner ,", "runner,")
    );
    assert!(page.contains("<code>a\nb</code>"));
    assert!(page.contains(r#"job <a href="/jobs?job=9007199254740993">"#));
    assert!(page.contains("given up: idle"));
    // Old rows: the same without a version's reason, and something that is no failure at all.
    database
        .execute(
            r#"UPDATE workers SET status = 'failed', failure_info = '[1, "<b>"]' WHERE pod_name = 'w-1';
               UPDATE workers SET status = 'failed', failure_info = '{"version": 1, "containers": {"runner":
                 {"exit_code": null, "logs": "x"}}, "events": [], "pod_message": null, "pod_reason":
                 "DeadlineExceeded"}' WHERE pod_name = 'w-2'"#,
        )
        .await;
    let page = get(&routes(&database), "/workers").await.text;
    assert!(page.contains("<summary>DeadlineExceeded</summary>"));
    assert!(page.contains("[1, &#34;&#60;b&#62;&#34;]"), "{page}");
}

#[tokio::test]
async fn strangers_words_stay_words() {
    let database = TestDatabase::create().await;
    let evil = "<script>alert(1)</script>\u{202e}\u{1b}[31m\"'&";
    let quoted = evil.replace('\'', "''");
    database
        .execute(&format!(
            "INSERT INTO jobs (job_id, status, provider, entity_id, entity_name, entity_type, repo_full_name,
                 installation_id, job_labels, k8s_pool, k8s_image, k8s_pod, html_url, job_name, sender_login,
                 waiting_reason, failure_info, private)
             SELECT n, (CASE n WHEN 1 THEN 'pending' ELSE 'failed' END)::status_enum, 'github', 9, e, 'User', e, 1,
                 jsonb_build_array(e), e, e, e, 'javascript:' || e, e, e, 'paused:' || e,
                 jsonb_build_object('version', 2, 'reason', e, 'message', e), false
             FROM (SELECT '{quoted}'::text AS e) AS evil, generate_series(1, 2) AS n;
             INSERT INTO workers (pod_name, status, provider, entity_id, entity_name, entity_type, installation_id,
                 repo_full_name, job_labels, k8s_pool, k8s_image, k8s_node, condemned_reason, failure_info)
             SELECT e, 'failed', 'github', 9, e, 'User', 1, e, jsonb_build_array(e), e, e, e, e,
                 jsonb_build_object('version', 2, 'reason', e, 'pod_message', e, 'containers', jsonb_build_object(e,
                   jsonb_build_object('exit_code', 1, 'reason', e, 'message', e, 'logs', e)), 'events',
                   jsonb_build_array(jsonb_build_object('type', e, 'reason', e, 'message', e)), 'collect_error', e)
             FROM (SELECT '{quoted}'::text AS e) AS evil;
             INSERT INTO alerts (name, subject, text) VALUES ('{quoted}', '{quoted}', '{quoted}');
             INSERT INTO scheduler_state (epoch, round, at, state) SELECT 1, 1, now(), jsonb_build_object('leader', e,
                 'pools', jsonb_build_array(jsonb_build_object('name', e)), 'boards', jsonb_build_array(
                 jsonb_build_object('name', e, 'pool', e, 'state', e, 'worker', e)), 'breakers',
                 jsonb_build_array(jsonb_build_object('party', e, 'trouble', e, 'since', now(), 'message', e)))
             FROM (SELECT '{quoted}'::text AS e) AS evil;"
        ))
        .await;
    let routes = routes(&database);
    let query = "entity=%3Cscript%3E%E2%80%AE&repo=%22%3E&pool=%27&since=1d";
    for path in [
        "/usage",
        "/jobs",
        "/workers",
        &format!("/jobs?{query}"),
        &format!("/workers?{query}"),
    ] {
        let page = get(&routes, path).await;
        assert_eq!(page.status, StatusCode::OK);
        for (bad, what) in [
            ("<script", "a tag"),
            ("\u{202e}", "an override"),
            ("\u{1b}", "an escape"),
            ("href=\"javascript", "a script's address"),
            ("\"'&\"", "an unescaped quote"),
        ] {
            assert!(!page.text.contains(bad), "{path} has {what}");
        }
    }
    let page = get(&routes, "/jobs?status=pending").await.text;
    assert!(
        page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"),
        "{page}"
    );
    assert!(page.contains("⟨U+202E⟩␛[31m"));
}

#[tokio::test]
async fn filters_choose_and_pages_lead_on() {
    let database = TestDatabase::create().await;
    fill(&database, 25).await;
    database
        .execute(
            "UPDATE jobs SET status = 'failed' WHERE job_id <= 3; UPDATE jobs SET k8s_pod = 'w-4' WHERE job_id = 4;
             UPDATE jobs SET entity_id = 7, entity_name = 'Seven', k8s_pool = 'q', repo_full_name = 'Seven/r'
             WHERE job_id = 5;
             UPDATE workers w SET status = j.status, entity_id = j.entity_id, entity_name = j.entity_name, k8s_pool =
               j.k8s_pool, repo_full_name = j.repo_full_name FROM jobs j WHERE w.pod_name = 'w-' || j.job_id",
        )
        .await;
    let routes = routes(&database);
    let cases = [
        ("status=failed", 3),
        ("status=failed,pending", 25),
        ("entity=7", 1),
        ("entity=seven", 1),
        ("repo=seven/R", 1),
        ("pool=q&status=failed", 0),
        ("pool=q", 1),
        ("worker=w-4", 1),
        ("since=1d", 0),
        ("start=2026-01-02", 25),
    ];
    for (query, expected) in cases {
        for path in ["/jobs", "/workers"] {
            let rows = get(&routes, &format!("{path}.json?{query}")).await.json();
            assert_eq!(rows.as_array().unwrap().len(), expected, "{path} {query}");
            let page = get(&routes, &format!("{path}?{query}")).await.text;
            assert_eq!(
                page.matches("<th scope=\"row\">").count(),
                expected,
                "{path} {query}"
            );
        }
    }
    let one = get(&routes, "/jobs.json?job=9").await.json();
    assert_eq!(one[0]["job_id"], 9);
    let page = get(&routes, "/jobs?status=pending&per_page=10&page=1")
        .await
        .text;
    let nav = text(&page, r#"aria-label="Pages of this list">"#, "</nav>");
    assert_eq!(nav, "‹ Newer Page 2 of 3 Older ›");
    assert!(
        page.contains(r#"<a href="/jobs?page=2&#38;per_page=10&#38;status=pending" rel="next">"#),
        "{page}"
    );
    let json = get(&routes, "/jobs.json?status=pending&per_page=10&page=2").await;
    assert_eq!(
        json.link().unwrap(),
        r#"</jobs.json?page=0&per_page=10&status=pending>; rel="first", </jobs.json?page=1&per_page=10&status=pending>; rel="prev""#
    );
    for path in [
        "/jobs?status=done",
        "/jobs.json?status=done",
        "/workers?since=x",
    ] {
        let refused = get(&routes, path).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(
            refused.text.starts_with("invalid parameter "),
            "{}",
            refused.text
        );
    }
}

#[tokio::test]
async fn usage_tells_of_boards_queue_and_accounts() {
    let database = TestDatabase::create().await;
    fill(&database, 4).await;
    let state = json!({
        "leader": "l", "version": "0.1.0", "pools": [{"name": "p"}, {"name": "empty"}],
        "boards": [
            {"name": "b-1", "pool": "p", "state": "busy", "worker": "w-1"},
            {"name": "b-2", "pool": "p", "state": "free"},
            {"name": "b-3", "pool": "p", "state": "new_word"},
            {"broken": true},
        ],
        "breakers": [{"party": "app:organization", "trouble": "no_answer", "since": "2026-01-02T03:04:05Z",
                       "probe_at": "2026-01-02T03:04:05Z", "message": "timed out"}],
    });
    database
        .execute(&format!(
            "INSERT INTO scheduler_state (epoch, round, at, state) VALUES (1, 9, now(), '{state}');
             UPDATE jobs SET status = 'running' WHERE job_id = 1;
             UPDATE jobs SET status = 'completed' WHERE job_id = 4;
             UPDATE jobs SET waiting_reason = 'no_free_board:p', queued_at = now() - interval '5 minutes'
             WHERE job_id IN (2, 3);
             INSERT INTO alerts (name, subject, text) VALUES ('breaker_open', 'github', 'GitHub does not answer');
             INSERT INTO alerts (name, text, closed_at) VALUES ('old', 'gone', now());
             UPDATE workers SET status = 'failed', completed_at = now() WHERE pod_name = 'w-4'"
        ))
        .await;
    let page = get(&routes(&database), "/usage").await.text;
    assert_eq!(
        text(&page, r#"<ul class="totals">"#, "</ul>"),
        "2 waiting 1 running 1 boards free 3 boards 1 failed workers in the last hour"
    );
    assert_eq!(
        text(&page, r#"<ul class="counts">"#, "</ul>"),
        "1 busy 1 free 1 new_word"
    );
    assert!(page.contains(r#"href="/workers?worker=w-1" title="b-1: busy""#));
    assert_eq!(
        text(&page, r#"<ul class="queue">"#, "</ul>"),
        "2 wait: every board has work · oldest for 5 min"
    );
    assert!(
        text(&page, "<tbody>", "</tbody>").starts_with("x 2 1 3 0 5 min"),
        "{page}"
    );
    assert!(page.contains("breaker open") && page.contains("GitHub does not answer"));
    assert!(
        text(&page, r#"<h2 id="breakers">"#, "</ul>")
            .ends_with("app:organization no answer 2026-01-02 timed out")
    );
    assert!(!page.contains("gone"));
    assert!(
        !page.contains(r#"role="alert""#),
        "nothing is wrong with the scheduler"
    );
    let longest = text(&page, r#"<ul class="longest">"#, "</ul>");
    assert!(
        longest.contains("every board of pool p has work"),
        "{longest}"
    );
}

#[tokio::test]
async fn a_page_says_who_leads_and_warns_of_silence() {
    let database = TestDatabase::create().await;
    let (publish, status) = watch::channel(SchedulerStatus::default());
    let routes = served(&database.store(), status);
    database
        .execute("INSERT INTO scheduler_state (epoch, round, at, state) VALUES (1, 9, now() - interval '61 s', '{}')")
        .await;
    let silent = get(&routes, "/jobs").await.text;
    assert!(silent.contains("The scheduler is silent"), "{silent}");
    assert!(silent.contains("Nobody leads at the moment."));
    let leader = uuid::Uuid::from_u128(7);
    publish.send_modify(|status| status.leader = Some(leader));
    let follows = get(&routes, "/workers").await.text;
    assert!(follows.contains(&format!("follows; <code>{leader}</code> leads.")));
    publish.send_modify(|status| status.leads = true);
    database
        .execute("UPDATE scheduler_state SET at = now()")
        .await;
    let leads = get(&routes, "/usage").await.text;
    assert!(leads.contains("This scheduler leads.") && !leads.contains("role=\"alert\""));
}

//! The commands that look at the tables.

use serde_json::Value;

use crate::rise::Tables;

#[tokio::test(flavor = "multi_thread")]
async fn migrating_says_what_it_did_and_does_it_once() {
    let tables = Tables::none().await;
    let before = tables.run("db status");
    assert_eq!(before.status, 1, "everything is missing");
    assert!(before.out.starts_with("1\ttables\tmissing\n"));

    let first = tables.run("db migrate");
    assert_eq!(first.status, 0, "{}", first.err);
    assert!(first.out.starts_with("applied 1 tables\n"));

    let again = tables.run("db migrate");
    assert_eq!(again.status, 0);
    assert!(again.out.contains("already"), "{}", again.out);
    assert_eq!(tables.run("db status").status, 0);
    let report = tables.run("db status --json").json();
    assert_eq!(
        (&report["schema"], &report["missing"]),
        (&"staging".into(), &0.into())
    );

    let other = tables.run("db status --env prod");
    assert_eq!(
        other.status, 1,
        "the other environment has a schema of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_kind_are_named_and_left_alone() {
    let tables = Tables::none().await;
    tables
        .sql(
            "CREATE SCHEMA staging; CREATE TYPE staging.status_enum AS ENUM ('pending', 'running', 'completed', 'failed');
             CREATE TABLE staging.jobs (job_id int PRIMARY KEY, k8s_selector jsonb NOT NULL)",
        )
        .await;
    let refused = tables.run("db migrate");
    assert_eq!(refused.status, 1, "{}", refused.out);
    for told in [
        "the tables of the schema `staging` are none that rise can take over; nothing was changed",
        "jobs.job_id is integer, not bigint",
        "jobs.k8s_pool is missing and jobs.k8s_selector is there: a later version of the replaced service made this table",
        "hint: bring them to the form of migrations/0001_tables.sql",
    ] {
        assert!(refused.err.contains(told), "{told}: {}", refused.err);
    }
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'staging'";
    let columns: i64 = sqlx::query_scalar(columns)
        .fetch_one(&tables.sql)
        .await
        .unwrap();
    assert_eq!(columns, 2);
}

/// Three jobs and three workers, of two accounts in two pools.
const ROWS: &str = "
    INSERT INTO jobs (job_id, status, provider, entity_id, entity_name, entity_type, repo_full_name, installation_id,
                      job_labels, k8s_pool, k8s_image, k8s_pod, waiting_reason, failure_info, conclusion, created_at)
    VALUES
      (1, 'pending', 'github', 10, 'Acme', 'Organization', 'Acme/rocket', 5, '[\"a\",\"b\"]', 'scw-em-rv1', 'i', '',
       'no_free_board:scw-em-rv1', NULL, NULL, now() - interval '20 minutes'),
      (2, 'failed', 'github', 10, 'Acme', 'Organization', 'Acme/anvil', 5, '[\"a\"]', 'scw-em-rv1', 'i', NULL, NULL,
       '{\"version\":1,\"message\":\"job not found for job_id=2\"}', NULL, now() - interval '10 minutes'),
      (3, 'completed', 'github', 20, 'someone', 'User', 'someone/thing', 6, '[\"a\"]', 'cloudv10x-jupiter', 'i', 'w3', NULL,
       NULL, 'success', now() - interval '3 days');
    INSERT INTO workers (pod_name, status, provider, entity_id, entity_name, entity_type, installation_id, repo_full_name,
                         k8s_pool, k8s_image, k8s_node, failure_info, created_at, running_at, completed_at)
    VALUES
      ('w1', 'running', 'github', 10, 'Acme', 'Organization', 5, NULL, 'scw-em-rv1', 'i', 'board-1', NULL,
       now() - interval '5 minutes', now() - interval '4 minutes', NULL),
      ('w2', 'failed', 'github', 10, 'Acme', 'Organization', 5, NULL, 'scw-em-rv1', 'i', 'board-2',
       '{\"version\":2,\"reason\":\"pod_failed\"}', now() - interval '15 minutes', NULL, now() - interval '12 minutes'),
      ('w3', 'completed', 'github', 20, 'someone', 'User', 6, 'someone/thing', 'cloudv10x-jupiter', 'i', 'board-9', NULL,
       now() - interval '3 days', now() - interval '3 days', now() - interval '2 days');
";

/// The first column of what is listed.
fn listed(tables: &Tables, line: &str) -> Vec<String> {
    let answer = tables.run(line);
    assert_eq!(answer.status, 0, "{line}: {}", answer.err);
    let firsts = answer
        .out
        .lines()
        .filter_map(|line| line.split('\t').next());
    firsts.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_the_newest_come_first() {
    let tables = Tables::migrated().await;
    tables.sql(ROWS).await;
    for (line, expected) in [
        ("jobs", &["2", "1", "3"][..]),
        ("jobs --entity 10", &["2", "1"]),
        ("jobs --entity ACME", &["2", "1"]),
        ("jobs --repo acme/rocket", &["1"]),
        ("jobs --status pending,completed", &["1", "3"]),
        ("jobs --pool cloudv10x-jupiter", &["3"]),
        ("jobs --since 15m", &["2"]),
        ("jobs --since 1d", &["2", "1"]),
        ("jobs --since 2026-01-01", &["2", "1", "3"]),
        ("jobs --since 2999-01-01", &[]),
        ("jobs --limit 1", &["2"]),
        ("workers", &["w1", "w2", "w3"]),
        ("workers --status failed", &["w2"]),
        ("workers --entity someone --repo someone/thing", &["w3"]),
    ] {
        assert_eq!(listed(&tables, line), expected, "rise {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_tells_why() {
    let tables = Tables::migrated().await;
    tables.sql(ROWS).await;
    let jobs = tables.run("jobs").out;
    let mut lines = jobs.lines();
    assert_eq!(
        lines.next(),
        Some("2\tfailed\tAcme/anvil\ta\tscw-em-rv1\t\t10m ago\tjob not found for job_id=2")
    );
    assert_eq!(
        lines.next(),
        Some("1\tpending\tAcme/rocket\ta,b\tscw-em-rv1\t\t20m ago\tno_free_board:scw-em-rv1")
    );
    let workers = tables.run("workers --status failed").out;
    assert_eq!(
        workers,
        "w2\tfailed\tAcme\tscw-em-rv1\tboard-2\t15m ago\t\tpod_failed\n"
    );
    let json = tables.run("jobs --json --status failed").json();
    assert_eq!(json["rows"][0]["job_id"], 2);
    let exact = tables.run("jobs --exact --status failed").out;
    assert!(exact.contains("T") && exact.contains("Z\t"), "{exact}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_unhealthy_until_a_scheduler_speaks() {
    let tables = Tables::migrated().await;
    tables.sql(ROWS).await;
    let answer = tables.run("status");
    assert_eq!(answer.status, 1);
    assert!(
        answer
            .out
            .starts_with("staging: unhealthy\n  ! no scheduler has led yet\n"),
        "{}",
        answer.out
    );

    tables
        .sql(
            r#"INSERT INTO scheduler_state (epoch, round, at, state) VALUES (3, 77, now(), jsonb_build_object(
                 'version', '0.1.0', 'last_good_round_at', now(), 'effects_in_flight', 2,
                 'boards', '[{"name":"board-1","pool":"scw-em-rv1","state":"busy"},
                             {"name":"board-2","pool":"scw-em-rv1","state":"quarantined"}]'::jsonb,
                 'queue', jsonb_build_array(jsonb_build_object('reason', 'no_free_board', 'subject', 'scw-em-rv1',
                                                               'jobs', 1, 'oldest', now() - interval '20 minutes'))))"#,
        )
        .await;
    let answer = tables.run("status");
    assert_eq!(answer.status, 0, "{}", answer.out);
    for part in [
        "staging: healthy\n",
        "scheduler: epoch 3, round 77, version 0.1.0, 2 effects in flight, last good round ",
        "scw-em-rv1\t1 busy, 1 quarantined\t1\t0\t0\t1\n",
        "the oldest has waited 20m: job 1 of Acme/rocket: no_free_board (scw-em-rv1)\n",
        "  asks for [a,b], which is pool scw-em-rv1\n",
        "no_free_board\tscw-em-rv1\t1\t20m\n",
        "workers\tscw-em-rv1\tpod_failed\t1\t12m ago\n",
        "jobs\tscw-em-rv1\tjob not found for job_id\t1\t",
    ] {
        assert!(
            answer.out.contains(part),
            "{part:?} is not in {}",
            answer.out
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_silence_and_alerts() {
    let tables = Tables::migrated().await;
    tables
        .sql(
            "INSERT INTO scheduler_state (epoch, round, at, state) VALUES (1, 1, now() - interval '5 minutes', '{}');
             INSERT INTO alerts (name, subject, text) VALUES ('pods_vanished', '', 'half of the pods are gone');
             INSERT INTO alerts (name, text, closed_at) VALUES ('over', 'is over', now());",
        )
        .await;
    let answer = tables.run("status --json");
    assert_eq!(answer.status, 1);
    let report = answer.json();
    let reasons: Vec<&str> = report["unhealthy"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        reasons[0].starts_with("scheduler silent since "),
        "{reasons:?}"
    );
    assert_eq!(reasons[1], "alert pods_vanished: half of the pods are gone");
    assert_eq!(reasons.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_on_a_schema_that_is_not_migrated_names_the_command() {
    let answer = Tables::none().await.run("status");
    assert_eq!(answer.status, 2);
    assert!(answer.err.contains("rise db migrate"), "{}", answer.err);
}

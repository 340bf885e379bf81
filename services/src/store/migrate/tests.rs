//! Making the tables, taking over those of the replaced service and of its ancestor, and refusing others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sandbox::pg::TestDatabase;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

use super::baseline::{COLUMNS, Found, FoundColumn, FoundTable, Need, TABLES, compare};
use super::{MigrateFailed, Migrated, adopt, migrate, status};

/// The tables of the replaced service, from its own document.
const SEED: &str = include_str!("tests/seed.sql");
/// Those of its ancestor: no log of events, and workers that know neither whose nor since when.
const OLDER: &str = include_str!("tests/older.sql");
/// Rows of every status and shape that fit both.
const ROWS: &str = include_str!("tests/rows.sql");
/// Rows that only the seed's tables hold.
const SEED_ROWS: &str = include_str!("tests/seed_rows.sql");

/// A database with what these statements make in the schema `staging`.
struct Base {
    database: TestDatabase,
    sql: PgPool,
}

impl Base {
    async fn with(statements: &[&str]) -> Self {
        let database = TestDatabase::create().await.unwrap();
        let url = format!("{}?options=-csearch_path%3Dstaging", database.url());
        let sql = PgPoolOptions::new()
            .max_connections(4)
            .connect(&url)
            .await
            .unwrap();
        let base = Self { database, sql };
        if !statements.is_empty() {
            base.execute("CREATE SCHEMA staging").await;
        }
        for text in statements {
            base.execute(text).await;
        }
        base
    }

    async fn execute(&self, text: &str) {
        let text = AssertSqlSafe(text.to_owned());
        sqlx::raw_sql(text).execute(&self.sql).await.unwrap();
    }

    async fn migrate(&self) -> Result<Migrated, MigrateFailed> {
        migrate(self.database.url(), "staging").await
    }

    /// Returns the columns that were added to tables that were there.
    async fn migrated(&self) -> Vec<String> {
        let Migrated { added, migrations } = self.migrate().await.unwrap();
        assert!(migrations.iter().all(|it| it.applied), "{migrations:?}");
        added
    }

    async fn rows(&self, query: &str) -> Vec<Value> {
        let text = format!("SELECT to_jsonb(q) FROM ({query}) AS q");
        sqlx::query_scalar(AssertSqlSafe(text))
            .fetch_all(&self.sql)
            .await
            .unwrap()
    }

    /// Every row of a table, in the order of its key.
    async fn table(&self, name: &str) -> Vec<Value> {
        self.rows(&format!("SELECT * FROM {name} ORDER BY 1")).await
    }

    /// All that the catalog says of the replaced service's tables and of the schema's types: columns, defaults,
    /// constraints, triggers, unique indexes.
    async fn catalog(&self) -> Vec<Value> {
        self.rows(
            "SELECT 'column' AS what, c.relname AS of, a.attname AS name,
               format('%s %s %s', format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) AS is
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
             WHERE c.relnamespace = 'staging'::regnamespace AND c.relkind IN ('r', 'v')
             UNION ALL SELECT 'constraint', c.relname, x.conname, pg_get_constraintdef(x.oid)
             FROM pg_constraint x JOIN pg_class c ON c.oid = x.conrelid WHERE x.connamespace = 'staging'::regnamespace
             UNION ALL SELECT 'trigger', c.relname, t.tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t
             JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'staging'::regnamespace
             UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'staging'
             UNION ALL SELECT 'value', t.typname, e.enumlabel, e.enumsortorder::text FROM pg_enum e
             JOIN pg_type t ON t.oid = e.enumtypid ORDER BY 1, 2, 3",
        )
        .await
    }
}

/// A row with nothing but these columns.
fn only(row: &Value, columns: &[&str]) -> Value {
    columns
        .iter()
        .map(|name| ((*name).to_owned(), row[name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The names of a row's columns.
fn columns(row: &Value) -> Vec<&str> {
    row.as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test]
async fn an_empty_database_gets_every_table() {
    let base = Base::with(&[]).await;
    assert!(
        status(base.database.url(), "staging")
            .await
            .unwrap()
            .iter()
            .all(|it| !it.applied)
    );
    base.migrated().await;
    let theirs = COLUMNS.iter().map(|it| (it.table, it.name, it.kind));
    let mut known: Vec<_> = theirs.chain(adopt::ADDED).collect();
    known.sort_unstable();
    let found = base
        .rows(
            "SELECT c.relname AS t, a.attname AS n, format_type(a.atttypid, a.atttypmod) AS k FROM pg_class c
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             WHERE c.relnamespace = 'staging'::regnamespace AND c.relname IN ('jobs', 'workers', 'installation_events')",
        )
        .await;
    let mut found: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (text("t"), text("n"), text("k"))
        })
        .collect();
    found.sort_unstable();
    // A new column of these tables goes into `ADDED` as well.
    assert_eq!(found, known, "what is checked is what is made");
}

/// What the reference's document says, and what migration 1 makes where nothing is, are the same tables.
#[tokio::test]
async fn what_is_made_from_nothing_is_what_the_replaced_service_has_and_more() {
    let seed = Base::with(&[SEED]).await;
    let theirs = seed.catalog().await;
    let ours = Base::with(&[]).await;
    ours.migrated().await;
    let made = ours.catalog().await;
    for thing in theirs {
        assert!(made.contains(&thing), "{thing} is not made");
    }
}

#[tokio::test]
async fn the_seed_s_tables_are_taken_over_with_every_row() {
    let base = Base::with(&[SEED, ROWS, SEED_ROWS]).await;
    let mut before = BTreeMap::new();
    for (table, _) in TABLES {
        before.insert(table, base.table(table).await);
    }
    let catalog = base.catalog().await;
    assert_eq!(base.migrated().await, Vec::<String>::new());
    for (table, rows) in before {
        let after = base.table(table).await;
        assert_eq!(after.len(), rows.len());
        for (was, is) in rows.iter().zip(&after) {
            assert_eq!(only(is, &columns(was)), *was);
            let added = columns(is);
            let added = added.iter().filter(|name| was.get(**name).is_none());
            for name in added {
                assert_eq!(is[*name], Value::Null, "{table}.{name} is not made up");
            }
        }
    }
    let after = base.catalog().await;
    for thing in &catalog {
        assert!(after.contains(thing), "{thing} is gone");
    }
    // Nothing else holds the columns that the replaced service writes.
    for thing in after.iter().filter(|it| !catalog.contains(it)) {
        let of = thing["of"].as_str().unwrap();
        let unique = thing["is"].as_str().unwrap().contains("UNIQUE");
        let what = thing["what"].as_str().unwrap();
        if TABLES.iter().any(|(table, _)| *table == of) {
            let harmless = match what {
                "column" => !thing["is"].as_str().unwrap().contains(" t "),
                "index" => !unique || thing["name"] == "rise_events_delivery",
                _ => false,
            };
            assert!(harmless, "{thing}");
        }
    }
}

#[tokio::test]
async fn the_ancestor_s_tables_are_taken_over_and_told_what_they_lack() {
    let base = Base::with(&[OLDER, ROWS]).await;
    let (jobs, workers) = (base.table("jobs").await, base.table("workers").await);
    assert_eq!(
        base.migrated().await,
        [
            "jobs.failure_info",
            "jobs.k8s_pod",
            "workers.entity_type",
            "workers.installation_id",
            "workers.repo_full_name",
            "workers.running_at",
            "workers.completed_at",
        ]
    );
    for (before, table) in [(&jobs, "jobs"), (&workers, "workers")] {
        let after = base.table(table).await;
        assert_eq!(after.len(), before.len());
        for (was, is) in before.iter().zip(&after) {
            assert_eq!(only(is, &columns(was)), *was);
        }
    }
    assert_eq!(base.table("installation_events").await, Vec::<Value>::new());
    let told = [
        "pod_name",
        "entity_type",
        "installation_id",
        "repo_full_name",
        "completed_at",
        "running_at",
    ];
    let rows = base.table("workers").await;
    let told: Vec<Value> = rows.iter().map(|row| only(row, &told)).collect();
    let ended = "2026-01-02T04:00:00+00:00";
    let expected = [
        ("w-busy", "Organization", 12, None, None),
        ("w-done", "Organization", 12, None, Some(ended)),
        ("w-failed", "User", 20, Some("ada/engine"), Some(ended)),
        ("w-orphan", "Organization", 0, None, Some(ended)),
        ("w-pending", "Organization", 12, None, None),
        ("w-third", "Organization", 12, None, Some(ended)),
    ];
    let expected = expected.map(|(name, kind, installation, repository, ended)| {
        json!({ "pod_name": name, "entity_type": kind, "installation_id": installation,
                "repo_full_name": repository, "completed_at": ended, "running_at": null })
    });
    assert_eq!(told, expected);
    // As the replaced service makes them, for it reads these columns as never NULL.
    let seed = Base::with(&[SEED]).await;
    let made = base.catalog().await;
    let needed = |it: &&Value| it["what"] == "column" && it["of"] == "workers";
    for thing in seed.catalog().await.iter().filter(needed) {
        assert!(made.contains(thing), "{thing}");
    }
}

#[tokio::test]
async fn doing_it_again_changes_nothing() {
    for statements in [&[][..], &[SEED, ROWS, SEED_ROWS], &[OLDER, ROWS]] {
        let base = Base::with(statements).await;
        base.migrated().await;
        let (catalog, jobs) = (base.catalog().await, base.table("jobs").await);
        let (workers, applied) = (
            base.table("workers").await,
            base.table("_sqlx_migrations").await,
        );
        assert_eq!(base.migrated().await, Vec::<String>::new());
        assert_eq!(base.catalog().await, catalog);
        assert_eq!(base.table("jobs").await, jobs);
        assert_eq!(base.table("workers").await, workers);
        assert_eq!(base.table("_sqlx_migrations").await, applied);
    }
}

#[tokio::test]
async fn of_two_at_once_one_waits_for_the_other() {
    for statements in [&[][..], &[SEED, ROWS, SEED_ROWS], &[OLDER, ROWS]] {
        let base = Base::with(statements).await;
        let (one, two) = tokio::join!(base.migrate(), base.migrate());
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.migrations, two.migrations);
        assert!(
            one.added.is_empty() || two.added.is_empty(),
            "one of them adds"
        );
        let applied = base.table("_sqlx_migrations").await;
        assert!(applied.iter().all(|row| row["success"] == true));
    }
}

/// The replaced service's own statements, as its intake sends them.
async fn old_intake(sql: &PgPool, job: i64) -> Duration {
    let begun = Instant::now();
    sqlx::query(
        "INSERT INTO jobs (job_id, status, provider, entity_id, entity_name, entity_type, repo_full_name, installation_id,
           job_labels, k8s_pool, k8s_image, html_url, created_at, updated_at)
         VALUES ($1, 'pending', 'github', 1, 'org', 'Organization', 'org/r', 12, '[\"ubuntu-24.04-riscv\"]', 'scw-em-rv1',
           'i', 'https://example.com', now(), now()) ON CONFLICT (job_id) DO NOTHING",
    )
    .bind(job)
    .execute(sql)
    .await
    .unwrap();
    sqlx::query(
        "WITH prev AS (SELECT status FROM jobs WHERE job_id = $1) UPDATE jobs SET status = 'running',
           k8s_pod = COALESCE(k8s_pod, $2), updated_at = now() WHERE job_id = $1 AND status = 'pending'",
    )
    .bind(job)
    .bind("")
    .execute(sql)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO installation_events (source, event, outcome, installation_id, app_id, entity_type, entity_id,
           entity_name, payload) VALUES ('webhook', 'workflow_job.queued', 'job_stored', 12, 2167633,
           $1::entity_type_enum, 1, 'org', '{}')",
    )
    .bind("Organization")
    .execute(sql)
    .await
    .unwrap();
    begun.elapsed()
}

/// Deliveries go on while the schema is migrated, and while a long transaction holds a table before it: none fails, and
/// none waits behind the migration for longer than its own patience with locks.
#[tokio::test]
async fn intake_goes_on_meanwhile() {
    /// What a migration waits for a lock, and then some for a busy machine. GitHub waits for ten seconds.
    const NO_LONGER: Duration = Duration::from_secs(8);
    let base = Base::with(&[SEED, ROWS, SEED_ROWS]).await;
    let (stop, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let senders: Vec<_> = (0..2_i64)
        .map(|sender| {
            let (sql, stop, sent) = (base.sql.clone(), stop.clone(), sent.clone());
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                let mut job = 1_000_000 * (sender + 1);
                while !stop.load(Ordering::Relaxed) {
                    job += 1;
                    slowest = slowest.max(old_intake(&sql, job).await);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                slowest
            })
        })
        .collect();
    let mut long = base.sql.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM jobs")
        .execute(&mut *long)
        .await
        .unwrap();
    let url = base.database.url().to_owned();
    let migration = tokio::spawn(async move { migrate(&url, "staging").await });
    // It meets the lock, gives way, and intake goes on.
    let refused = "SELECT count(*) > 0 AS w FROM pg_locks WHERE NOT granted AND relation = 'staging.jobs'::regclass
                   AND mode = 'AccessExclusiveLock'";
    while base.rows(refused).await[0]["w"] != true {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let then = sent.load(Ordering::Relaxed);
    while sent.load(Ordering::Relaxed) < then + 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!migration.is_finished());
    long.commit().await.unwrap();
    migration.await.unwrap().unwrap();
    let then = sent.load(Ordering::Relaxed);
    while sent.load(Ordering::Relaxed) < then + 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        let slowest = sender.await.unwrap();
        assert!(slowest < NO_LONGER, "a delivery took {slowest:?}");
    }
    let written = base
        .rows("SELECT count(*) AS n FROM installation_events WHERE event = 'workflow_job.queued'")
        .await;
    assert!(written[0]["n"].as_u64().unwrap() >= u64::from(sent.load(Ordering::Relaxed)));
}

/// After the migration the replaced service's statements still do what they did.
#[tokio::test]
async fn the_replaced_service_can_run_again_on_the_result() {
    for statements in [&[][..], &[SEED, ROWS, SEED_ROWS], &[OLDER, ROWS]] {
        let base = Base::with(statements).await;
        base.migrated().await;
        old_intake(&base.sql, 7).await;
        old_intake(&base.sql, 7).await;
        base.execute(
            "INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id,
               repo_full_name, job_labels, k8s_pool, k8s_image) VALUES ('w-again', 'github', 1, 'org', 'Organization', 12,
               NULL, '[]', 'scw-em-rv1', 'i') ON CONFLICT DO NOTHING;
             UPDATE workers SET status = 'completed', completed_at = COALESCE(completed_at, now()), updated_at = now()
               WHERE pod_name = 'w-again' AND status IN ('pending', 'running')",
        )
        .await;
        let job = base.rows("SELECT * FROM jobs WHERE job_id = 7").await;
        assert_eq!(
            (&job[0]["status"], &job[0]["k8s_pod"]),
            (&json!("running"), &json!(""))
        );
    }
}

#[tokio::test]
async fn what_cannot_be_mended_is_told_whole_and_left_alone() {
    let cases: [(&str, &[&str]); 8] = [
        (
            "ALTER TABLE jobs DROP COLUMN k8s_pool, ADD COLUMN k8s_selector jsonb NOT NULL;
             ALTER TABLE workers DROP COLUMN k8s_pool, ADD COLUMN k8s_selector jsonb NOT NULL;",
            &[
                "jobs.k8s_pool is missing and jobs.k8s_selector is there: a later version of the replaced service made \
                 this table, which knows node selectors and no pools",
                "workers.k8s_pool is missing and workers.k8s_selector is there: a later version of the replaced service \
                 made this table, which knows node selectors and no pools",
            ],
        ),
        (
            "ALTER TABLE jobs ALTER COLUMN installation_id TYPE integer, ALTER COLUMN k8s_image DROP NOT NULL;
             ALTER TABLE workers DROP COLUMN job_labels, ALTER COLUMN k8s_node SET NOT NULL;",
            &[
                "jobs.installation_id is integer, not bigint",
                "jobs.k8s_image may be NULL",
                "workers.job_labels is missing, and nothing tells what its rows would hold",
                "workers.k8s_node may not be NULL",
            ],
        ),
        (
            "ALTER TABLE workers DROP CONSTRAINT workers_pkey, ADD PRIMARY KEY (pod_name, entity_id);",
            &["the primary key of workers is (pod_name, entity_id), not (pod_name)"],
        ),
        (
            "ALTER TABLE jobs ADD COLUMN tenant text NOT NULL, ADD COLUMN note text, ADD COLUMN n int NOT NULL DEFAULT 1;",
            &["jobs.tenant is not known and needs a value"],
        ),
        (
            "ALTER TABLE jobs ADD COLUMN conclusion integer;",
            &["jobs.conclusion is integer, not text"],
        ),
        (
            "ALTER TYPE status_enum RENAME VALUE 'failed' TO 'broken';",
            &["status_enum lacks 'failed'"],
        ),
        (
            "ALTER TYPE status_enum RENAME VALUE 'failed' TO 'x'; ALTER TYPE status_enum RENAME VALUE 'pending' TO 'failed';
             ALTER TYPE status_enum RENAME VALUE 'x' TO 'pending';",
            &["the values of status_enum are in the order failed, running, completed, pending, not pending, running, \
               completed, failed"],
        ),
        (
            "ALTER TABLE installation_events RENAME TO kept; CREATE VIEW installation_events AS SELECT * FROM kept;",
            &["installation_events is not a table"],
        ),
    ];
    for (change, expected) in cases {
        let base = Base::with(&[SEED, change]).await;
        let before = base.catalog().await;
        let refused = base.migrate().await.unwrap_err();
        let MigrateFailed::Unsuitable { differences, .. } = &refused else {
            panic!("{change}: {refused}");
        };
        for difference in expected {
            let told = differences.iter().any(|it| it == difference);
            assert!(told, "{change}: {differences:#?}");
        }
        if !change.contains("VIEW") {
            assert_eq!(differences.len(), expected.len(), "{differences:#?}");
        }
        assert_eq!(base.catalog().await, before, "{change}");
    }
}

/// One difference that cannot be mended keeps the others from being mended.
#[tokio::test]
async fn nothing_is_mended_beside_what_cannot_be() {
    let base = Base::with(&[OLDER, "ALTER TABLE jobs DROP COLUMN entity_name"]).await;
    let before = base.catalog().await;
    let refused = base.migrate().await.unwrap_err();
    assert!(
        matches!(refused, MigrateFailed::Unsuitable { .. }),
        "{refused}"
    );
    assert_eq!(base.catalog().await, before);
}

/// Every column that is missing is either added or told.
#[test]
fn a_column_that_is_missing_is_added_or_told() {
    let table = |name: &str, key: &str, without: &str| {
        let columns = COLUMNS
            .iter()
            .filter(|it| it.table == name && it.name != without);
        let columns = columns.map(|it| {
            let not_null = matches!(it.need, Need::Given | Need::Told(_));
            let kind = it.kind.to_owned();
            let column = FoundColumn {
                kind,
                not_null,
                fills_itself: false,
            };
            (it.name.to_owned(), column)
        });
        FoundTable {
            is_table: true,
            primary_key: vec![key.to_owned()],
            columns: columns.collect(),
        }
    };
    for column in COLUMNS {
        let tables = TABLES.map(|(name, key)| {
            let without = if name == column.table {
                column.name
            } else {
                ""
            };
            (name.to_owned(), table(name, key, without))
        });
        let found = Found {
            tables: tables.into(),
            enums: BTreeMap::new(),
        };
        let compared = compare(&found, &adopt::ADDED);
        if column.need == Need::Given {
            assert_eq!(compared.unwrap_err().len(), 1, "{column:?}");
        } else {
            assert_eq!(compared.unwrap(), [column]);
        }
    }
    assert_eq!(compare(&Found::default(), &adopt::ADDED), Ok(vec![]));
}

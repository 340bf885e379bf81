//! Deliveries come in any order, more than once, and at the same time: a job always ends where GitHub says.

use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::published::workflow_jobs;
use super::*;

const ACTIONS: [&str; 3] = ["queued", "in_progress", "completed"];

#[tokio::test]
async fn a_repeated_delivery_adds_no_row_and_gets_the_same_answer() {
    let world = World::new().await;
    let mut first = Vec::new();
    for word in ACTIONS {
        let id = uuid::Uuid::new_v4().to_string();
        let answer = world.send(Delivery::job(&action(word)).id(&id)).await;
        first.push((word, id, answer));
        for (word, id, answer) in &first {
            let again = world.send(Delivery::job(&action(word)).id(id)).await;
            assert_eq!(&again, answer, "{word}");
        }
    }
    assert_eq!(world.count("installation_events").await, 3);
    let ping = Delivery::of("ping", "{}").id(&first[0].1);
    world.send(ping).await.is(200, "pong");
    // Another job's delivery under an id that is taken: no row, but the job is not lost.
    let mut other = base();
    other["workflow_job"]["id"] = json!(8);
    let answer = world.send(Delivery::job(&other).id(&first[0].1)).await;
    answer.is(200, "Job 8 stored.");
    assert_eq!(world.count("installation_events").await, 3);
}

#[tokio::test]
async fn a_failed_job_that_runs_after_all_records_it() {
    let world = World::new().await;
    world.send(Delivery::job(&base())).await;
    let failed = "UPDATE jobs SET status = 'failed', failure_info = '{\"version\": 1, \"message\": \"gone\"}'";
    world.database.execute(failed).await;
    let mut running = action("in_progress");
    running["workflow_job"]["started_at"] = json!("2026-01-02T03:05:00Z");
    let id = uuid::Uuid::new_v4().to_string();
    for _ in 0..2 {
        let answer = world.send(Delivery::job(&running).id(&id)).await;
        answer.is(200, "Job 7 marked running (was failed).");
    }
    let job = world.job(7).await;
    assert_eq!(
        (&job["status"], &job["k8s_pod"]),
        (&json!("failed"), &json!("r-1"))
    );
    assert_eq!(job["started_at"], "2026-01-02T03:05:00+00:00");
    assert_eq!(job["failure_info"]["message"], "gone");
    let mut completed = action("completed");
    completed["workflow_job"]["completed_at"] = json!("2026-01-02T03:06:00Z");
    completed["workflow_job"]["conclusion"] = json!("success");
    let answer = world.send(Delivery::job(&completed)).await;
    answer.is(200, "Job 7 completed (was failed).");
    let job = world.job(7).await;
    assert_eq!(job["status"], "failed");
    assert_eq!(job["finished_at"], "2026-01-02T03:06:00+00:00");
    assert_eq!(job["conclusion"], "success");
    world
        .send(Delivery::job(&base()))
        .await
        .is(200, "Job 7 already exists.");
    let events = world.events().await;
    let outcomes: Vec<_> = events.iter().map(|event| &event["outcome"]).collect();
    assert_eq!(
        outcomes,
        [
            "job_stored",
            "job_ran_after_failed",
            "job_ran_after_failed",
            "job_already_exists"
        ]
    );
}

#[tokio::test]
async fn the_runner_is_bound_once_and_never_to_nothing() {
    let world = World::new().await;
    let with_runner = |word: &str, runner: Value| {
        let mut body = action(word);
        body["workflow_job"]["runner_name"] = runner;
        Delivery::job(&body)
    };
    // Cancelled before it began.
    world.send(with_runner("queued", json!("r-0"))).await;
    world.send(with_runner("completed", json!(""))).await;
    assert_eq!(world.job(7).await["k8s_pod"], Value::Null);
    // A row of the replaced service, which stores the empty name, is bound all the same; then it stays bound.
    world.database.execute("UPDATE jobs SET k8s_pod = ''").await;
    world.send(with_runner("completed", Value::Null)).await;
    assert_eq!(world.job(7).await["k8s_pod"], "");
    world.send(with_runner("in_progress", json!("r-1"))).await;
    assert_eq!(world.job(7).await["status"], "completed", "never back");
    world.send(with_runner("completed", json!("r-2"))).await;
    let job = world.job(7).await;
    assert_eq!(
        (&job["status"], &job["k8s_pod"]),
        (&json!("completed"), &json!("r-1"))
    );
}

#[tokio::test]
async fn a_job_that_the_scheduler_moved_is_bound_by_its_delivery() {
    let world = World::new().await;
    world.send(Delivery::job(&base())).await;
    world
        .database
        .execute("UPDATE jobs SET status = 'running'")
        .await;
    let answer = world.send(Delivery::job(&action("in_progress"))).await;
    answer.is(200, "Job 7 marked running (was running).");
    let job = world.job(7).await;
    assert_eq!(
        (&job["status"], &job["k8s_pod"]),
        (&json!("running"), &json!("r-1"))
    );
}

#[tokio::test]
async fn a_delivery_sees_what_was_done_while_it_waited() {
    let world = World::new().await;
    world.send(Delivery::job(&base())).await;
    let failing = "UPDATE jobs SET status = 'failed'";
    let held = world.database.hold(failing).await;
    let release = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waits = || async { world.database.value(waiting).await == json!(1) };
        until("the wait for the row", waits).await;
        held.commit().await;
    };
    let running = Delivery::job(&action("in_progress"));
    let (answer, ()) = tokio::join!(world.send(running), release);
    answer.is(200, "Job 7 marked running (was failed).");
    let job = world.job(7).await;
    assert_eq!(
        (&job["status"], &job["k8s_pod"]),
        (&json!("failed"), &json!("r-1"))
    );
    assert_eq!(world.events().await[1]["outcome"], "job_ran_after_failed");
}

#[tokio::test]
async fn two_first_deliveries_of_a_job_are_told_apart() {
    let world = World::new().await;
    // Another ghfe has stored the job and is about to commit.
    let storing = "INSERT INTO jobs (job_id, provider, entity_id, entity_name, entity_type, repo_full_name,
            installation_id, k8s_pool, k8s_image) VALUES (7, 'github', 99, 'x', 'Organization', 'x/y', 1, 'p', 'i');
        INSERT INTO installation_events (source, event, outcome, job_id, payload)
            VALUES ('webhook', 'workflow_job.queued', 'job_stored', 7, '{}')";
    let held = world.database.hold(storing).await;
    let release = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waits = || async { world.database.value(waiting).await == json!(1) };
        until("the wait for the row", waits).await;
        held.commit().await;
    };
    let running = Delivery::job(&action("in_progress"));
    let (answer, ()) = tokio::join!(world.send(running), release);
    answer.is(200, "Job 7 marked running (was pending).");
    assert_eq!(world.job(7).await["status"], "running");
    assert_eq!(world.count("jobs").await, 1);
}

#[tokio::test]
async fn a_repetition_touches_nothing() {
    let world = World::new().await;
    for word in ACTIONS {
        world.send(Delivery::job(&action(word))).await;
    }
    let before = world.job(7).await;
    for word in ACTIONS {
        world.send(Delivery::job(&action(word))).await;
    }
    assert_eq!(world.job(7).await, before);
}

/// A story of one job: its three deliveries in some order, some more than once, some at the same time.
#[derive(Debug, Clone)]
struct Story {
    payload: usize,
    /// What is sent together: indices into the three deliveries.
    together: Vec<Vec<usize>>,
}

fn stories(payloads: usize) -> impl Strategy<Value = Story> {
    let extra = proptest::collection::vec(0..ACTIONS.len(), 0..5);
    let order = extra
        .prop_map(|mut extra| {
            extra.extend(0..ACTIONS.len());
            extra
        })
        .prop_shuffle();
    (
        0..payloads,
        order,
        proptest::collection::vec(1..=4_usize, 8),
    )
        .prop_map(|(payload, mut order, sizes)| {
            let mut together = Vec::new();
            for size in sizes {
                let rest = order.split_off(size.min(order.len()));
                together.push(std::mem::replace(&mut order, rest));
            }
            together.push(order);
            together.retain(|group| !group.is_empty());
            Story { payload, together }
        })
}

#[test]
fn any_order_any_repetition_any_concurrency() {
    let payloads = workflow_jobs();
    if payloads.is_empty() {
        eprintln!("skipped: the published payloads are not here");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new());
    let job = std::sync::atomic::AtomicI64::new(1_000);
    let mut runner = TestRunner::new(Config {
        cases: 150,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&stories(payloads.len()), |story| {
            let id = job.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            runtime.block_on(tell(&world, &payloads[story.payload], id, &story));
            Ok(())
        })
        .unwrap();
}

async fn tell(world: &World, payload: &Value, job: i64, story: &Story) {
    let deliveries: Vec<_> = ACTIONS
        .iter()
        .map(|word| (routed(payload, job, word), uuid::Uuid::new_v4().to_string()))
        .collect();
    let mut answers: BTreeMap<usize, Answer> = BTreeMap::new();
    let deliveries = &deliveries;
    for group in &story.together {
        let sent = group.iter().map(|&which| async move {
            let (body, id) = &deliveries[which];
            (which, world.send(Delivery::job(body).id(id)).await)
        });
        for (which, answer) in join_all(sent).await {
            assert_eq!(answer.status, 200, "{answer:?}");
            let first = answers.entry(which).or_insert_with(|| answer.clone());
            assert_eq!(*first, answer, "the same delivery, another answer");
        }
    }
    let row = world.job(job).await;
    assert_eq!(row["status"], "completed");
    assert_eq!(row["k8s_pod"], format!("runner-of-{job}"));
    assert_eq!(row["conclusion"], "success");
    assert_eq!(row["started_at"], "2026-01-02T03:05:00+00:00");
    let rows = format!("installation_events WHERE job_id = {job}");
    assert_eq!(world.count(&rows).await, 3);
}

/// A published payload as one of our jobs.
fn routed(payload: &Value, job: i64, word: &str) -> Value {
    let mut body = payload.clone();
    body["action"] = json!(word);
    body["installation"] = json!({ "id": 1 });
    body["repository"]["owner"]["id"] = json!(99);
    let told = &mut body["workflow_job"];
    told["id"] = json!(job);
    told["labels"] = json!(["ubuntu-24.04-riscv"]);
    let (runner, started, ended, conclusion) = match word {
        "queued" => (Value::Null, Value::Null, Value::Null, Value::Null),
        "in_progress" => (
            json!(format!("runner-of-{job}")),
            json!("2026-01-02T03:05:00Z"),
            Value::Null,
            Value::Null,
        ),
        _ => (
            json!(format!("runner-of-{job}")),
            json!("2026-01-02T03:05:00Z"),
            json!("2026-01-02T03:06:00Z"),
            json!("success"),
        ),
    };
    told["runner_name"] = runner;
    told["started_at"] = started;
    told["completed_at"] = ended;
    told["conclusion"] = conclusion;
    body
}

//! The switch from the replaced service's scheduler to ours and back: its rows and pods are taken on, ours are what it
//! reads, and no job notices. A scheduler of that kind beside ours is noticed.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sandbox::doors::faults::Fault;
use sandbox::world::cluster::{Behaviour, Kind, PatchType};
use sandbox::world::github::JobId;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::rise::run;
use crate::support::{Given, ORG_REPO, ORG_REPO_2, Rig, USER_REPO, USER_REPO_2, holds};

/// What the replaced service's rows do not have.
const WITHOUT_OURS: &str = "
    UPDATE jobs SET run_id = NULL, run_attempt = NULL, repo_id = NULL, workflow_name = NULL, job_name = NULL,
      head_branch = NULL, sender_id = NULL, sender_login = NULL, private = NULL, queued_at = NULL, started_at = NULL,
      finished_at = NULL, conclusion = NULL, waiting_reason = NULL, waiting_since = NULL, last_checked_at = NULL;
    UPDATE workers SET runner_id = NULL, epoch = NULL, image_digest = NULL, repo_id = NULL, condemned_at = NULL,
      condemned_reason = NULL, deregistered_at = NULL, pod_created_at = NULL, scheduled_at = NULL, pulled_at = NULL,
      registered_at = NULL, busy_at = NULL, slot_free_at = NULL;
    UPDATE installation_events SET delivery_id = NULL, job_id = NULL;
    DELETE FROM scheduler_state";

/// Long enough to be running still when the other scheduler has begun, on a machine with a lot to do.
const STILL_RUNNING: TimeDelta = TimeDelta::seconds(30);

async fn sql(rig: &Rig, text: &str) {
    let text = AssertSqlSafe(text.to_owned());
    sqlx::raw_sql(text).execute(&rig.sql).await.unwrap();
}

async fn values(rig: &Rig, query: &str) -> Vec<Value> {
    let text = format!("SELECT to_jsonb(q) FROM ({query}) AS q");
    sqlx::query_scalar(AssertSqlSafe(text))
        .fetch_all(&rig.sql)
        .await
        .unwrap()
}

/// Makes of our rows and pods what the replaced service would have left: no column and no note of ours.
async fn as_it_leaves_them(rig: &Rig) {
    sql(rig, WITHOUT_OURS).await;
    let note = json!({ "metadata": { "annotations": { "riseproject.dev/worker": null } } });
    rig.with(|world| {
        let now = world.now();
        for pod in world.cluster.pods() {
            let (cluster, name) = (&mut world.cluster, &pod.name);
            cluster
                .patch(Kind::Pod, "default", name, PatchType::Merge, &note, now)
                .unwrap();
        }
    });
}

async fn leads(rig: &Rig) {
    rig.until("the scheduler leads and has looked", async || {
        let ready = rig.scheduler().ready().await.unwrap_or_default();
        let looked = ready["round"].as_u64().is_some_and(|round| round > 0);
        holds(ready["leads"] == true && looked, ready)
    })
    .await;
}

/// A page of the scheduler.
async fn page(rig: &Rig, path: &str) -> Vec<Value> {
    let url = format!("{}{path}", rig.scheduler().url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().json().await.unwrap()
}

/// What the replaced service shows of a table's row, newest first: its columns, those without a value left out.
fn as_it_shows(table: &str) -> String {
    let time = |name: &str| {
        format!("'{name}', to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    };
    let plain = |names: &[&str]| {
        let pairs: Vec<String> = names
            .iter()
            .map(|name| format!("'{name}', {name}"))
            .collect();
        pairs.join(", ")
    };
    let (own, times): (&[&str], &[&str]) = match table {
        "jobs" => (
            &["job_id", "repo_full_name", "k8s_pod", "html_url"],
            &["created_at", "updated_at"],
        ),
        _ => (
            &["pod_name", "repo_full_name", "k8s_node"],
            &["created_at", "running_at", "completed_at", "updated_at"],
        ),
    };
    let both = plain(&[
        "status",
        "provider",
        "entity_id",
        "entity_name",
        "entity_type",
        "installation_id",
        "job_labels",
        "k8s_pool",
        "k8s_image",
    ]);
    let times: Vec<String> = times.iter().map(|name| time(name)).collect();
    format!(
        "SELECT jsonb_strip_nulls(jsonb_build_object({}, {both}, {})) || CASE WHEN failure_info IS NULL THEN '{{}}'
           ELSE jsonb_build_object('failure_info', failure_info) END AS shown
         FROM {table} ORDER BY created_at DESC",
        plain(own),
        times.join(", ")
    )
}

async fn pages_are_as_it_shows_them(rig: &Rig) {
    let by_name = |rows: Vec<Value>| -> BTreeMap<String, Value> {
        rows.into_iter()
            .map(|row| (format!("{}{}", row["pod_name"], row["job_id"]), row))
            .collect()
    };
    rig.until("the pages are as the rows", async || {
        for table in ["jobs", "workers"] {
            let rows = values(rig, &as_it_shows(table)).await;
            let rows = rows.into_iter().map(|row| row["shown"].clone()).collect();
            let (rows, shown) = (
                by_name(rows),
                by_name(page(rig, &format!("/{table}.json")).await),
            );
            holds(rows == shown, format!("{rows:#?}\nbut\n{shown:#?}"))?;
        }
        Ok(())
    })
    .await;
}

/// The row of the worker that has a job.
async fn row_of(rig: &Rig, job: JobId) -> crate::support::Worker {
    let name = rig.taken_by(job).unwrap();
    let workers = rig.workers().await;
    workers.into_iter().find(|it| it.pod_name == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_rows_and_pods_are_taken_on_and_no_job_notices() {
    let mut rig = Rig::start(Given::boards(5)).await;
    let over = rig.push(ORG_REPO);
    rig.done(&[over]).await;
    rig.settled().await;
    // A job of an organisation, one of a person, and one whose row the replaced service ended although it runs.
    let busy = [
        rig.queue(ORG_REPO, STILL_RUNNING),
        rig.queue(USER_REPO, STILL_RUNNING),
        rig.queue(ORG_REPO_2, STILL_RUNNING),
    ];
    for job in busy {
        rig.in_progress(job).await;
        rig.until("its row runs", async || {
            let row = row_of(&rig, job).await;
            holds(row.status == "running", format!("{row:?}"))
        })
        .await;
    }
    // One whose pod is there and whose row does not know it yet.
    let mut held = rig.arm_kubernetes("create_pod", Fault::HoldAnswer, 1);
    let starting = rig.push(USER_REPO_2);
    rig.met(&mut held, 1).await;
    rig.take_scheduler(0).kill();
    held.release();
    let by: Vec<String> = busy.iter().map(|job| rig.taken_by(*job).unwrap()).collect();
    as_it_leaves_them(&rig).await;
    sql(
        &rig,
        &format!(
            "UPDATE workers SET status = 'failed', completed_at = now(),
               failure_info = '{{\"version\": 2, \"reason\": \"runner_never_registered\"}}' WHERE pod_name = '{}'",
            by[2]
        ),
    )
    .await;
    let finished = format!(
        "SELECT * FROM ({}) AS q WHERE shown->>'status' = 'completed'",
        as_it_shows("jobs")
    );
    let before = values(&rig, &finished).await;

    rig.start_scheduler();
    leads(&rig).await;
    pages_are_as_it_shows_them(&rig).await;
    let kept = page(&rig, "/jobs.json").await;
    assert!(
        before.iter().all(|row| kept.contains(&row["shown"])),
        "{kept:#?}"
    );
    // Its work is found among what it left.
    let after = rig.push(ORG_REPO);
    let all = [over, busy[0], busy[1], busy[2], starting, after];
    rig.done(&all).await;
    for (job, name) in busy.iter().zip(&by) {
        assert_eq!(
            rig.taken_by(*job).as_ref(),
            Some(name),
            "no job changed hands"
        );
    }
    rig.until("every pod is over and every row closed", async || {
        let open = rig.pods().into_iter().find(|pod| !pod.is_terminal());
        holds(open.is_none(), format!("{open:?}"))?;
        let live = rig.workers().await.into_iter().find(|it| it.is_live());
        holds(live.is_none(), format!("{live:?}"))?;
        let runners = rig.runners();
        holds(runners.is_empty(), format!("{runners:?}"))
    })
    .await;
    rig.never_broken();
    let workers = rig.workers().await;
    assert_eq!(workers.len(), all.len(), "{workers:#?}");
    for worker in &workers {
        let wrongly_ended = worker.pod_name == by[2];
        let expected = if wrongly_ended { "failed" } else { "completed" };
        assert_eq!(worker.status, expected, "{worker:?}");
        assert_eq!(
            worker.reason(),
            wrongly_ended.then_some("runner_never_registered")
        );
    }
    pages_are_as_it_shows_them(&rig).await;
}

/// What the replaced service reads into values that cannot be NULL, and the words that it knows.
fn it_can_read(worker: &Value) {
    let status = worker["status"].as_str().unwrap();
    assert!(["pending", "running", "completed", "failed"].contains(&status));
    let ended = matches!(status, "completed" | "failed");
    assert_eq!(worker["completed_at"].is_string(), ended, "{worker:#}");
    if status == "running" {
        assert!(worker["running_at"].is_string() && worker["k8s_node"].is_string());
    }
    let info = &worker["failure_info"];
    assert_eq!(info.is_object(), status == "failed", "{worker:#}");
    if status != "failed" {
        return;
    }
    assert_eq!(info["version"], 2, "{info:#}");
    assert!(info["reason"].is_string(), "{info:#}");
    let text = |value: &Value| value.is_null() || value.is_string();
    for key in ["pod_reason", "pod_message", "collect_error"] {
        assert!(text(&info[key]), "{key}: {info:#}");
    }
    for container in info["containers"]
        .as_object()
        .into_iter()
        .flat_map(|it| it.values())
    {
        let code = &container["exit_code"];
        assert!(code.is_null() || code.is_i64(), "{container:#}");
        for key in ["reason", "message", "logs"] {
            assert!(text(&container[key]), "{key}: {container:#}");
        }
    }
    for event in info["events"].as_array().into_iter().flatten() {
        for key in ["type", "reason", "message", "first_seen", "last_seen"] {
            assert!(text(&event[key]), "{key}: {event:#}");
        }
        assert!(event["count"].is_i64(), "{event:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_leave_is_what_it_reads_and_the_way_back_and_forth_kills_nothing() {
    let mut rig = Rig::start(Given::boards(3)).await;
    rig.with(|world| world.cluster.next_pod_behaves(Behaviour::FailsBeforeJob));
    let first = rig.push(ORG_REPO);
    rig.done(&[first]).await;
    rig.settled().await;
    let running = rig.queue(ORG_REPO, STILL_RUNNING);
    let name = rig.in_progress(running).await;
    rig.until("its row runs", async || {
        let row = row_of(&rig, running).await;
        holds(row.status == "running", format!("{row:?}"))
    })
    .await;
    rig.take_scheduler(0).terminate();
    let workers = values(&rig, "SELECT * FROM workers").await;
    assert_eq!(workers.len(), 3, "{workers:#?}");
    workers.iter().for_each(it_can_read);
    // Its first sweep ends rows without a pod: of ours none that is live.
    let pods: Vec<String> = rig.pods().into_iter().map(|pod| pod.name).collect();
    for worker in workers.iter().filter(|it| it["status"] == "running") {
        assert!(
            pods.iter().any(|pod| worker["pod_name"] == **pod),
            "{worker:#}"
        );
    }
    // It works: a new worker of its own kind, whose pod went while nobody looked.
    sql(
        &rig,
        "INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id, job_labels, k8s_pool,
           k8s_image) SELECT 'rise-riscv-runner-staging-theirs000', provider, entity_id, entity_name, entity_type,
           installation_id, job_labels, k8s_pool, k8s_image FROM workers LIMIT 1;
         UPDATE workers SET status = 'completed', completed_at = COALESCE(completed_at, now()), updated_at = now()
           WHERE pod_name = 'rise-riscv-runner-staging-theirs000' AND status IN ('pending', 'running')",
    )
    .await;
    rig.start_scheduler();
    leads(&rig).await;
    let ready = rig.scheduler().ready().await.unwrap_or_default();
    assert_eq!(ready["other_scheduler"], Value::Null, "it is gone: {ready}");
    let last = rig.push(USER_REPO);
    rig.done(&[running, last]).await;
    assert_eq!(rig.taken_by(running), Some(name));
    rig.never_broken();
    pages_are_as_it_shows_them(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_another_kind_of_scheduler_nothing_is_begun_until_it_is_gone() {
    let config = "[rules]\nother_scheduler_lasts = \"20s\"";
    let rig = Rig::start(Given::boards(2).config(config)).await;
    let running = rig.push_long(ORG_REPO);
    let name = rig.in_progress(running).await;
    // It makes a worker, as it does: a row without a term.
    let theirs = format!(
        "INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id, job_labels, k8s_pool,
           k8s_image) SELECT 'rise-riscv-runner-staging-theirs000', provider, entity_id, entity_name, entity_type,
           installation_id, job_labels, k8s_pool, k8s_image FROM workers WHERE pod_name = '{name}';
         NOTIFY staging_queue_event"
    );
    sql(&rig, &theirs).await;
    let seen = rig
        .until("it is noticed", async || {
            let ready = rig.scheduler().ready().await.unwrap_or_default();
            let other = ready["other_scheduler"].clone();
            holds(other.is_object(), &ready)?;
            let told = ready["problems"].to_string();
            let told = told.contains("A scheduler of another kind works on the same tables");
            holds(told, &ready)?;
            Ok(other)
        })
        .await;
    assert_eq!(
        seen["sign"],
        json!({ "kind": "worker", "name": "rise-riscv-runner-staging-theirs000" })
    );
    let waits = rig.push(USER_REPO);
    rig.until("its job waits for that reason", async || {
        let row = rig.job(waits).await;
        let reason = row.as_ref().and_then(|row| row.waiting_reason.as_deref());
        holds(reason == Some("other_scheduler"), format!("{row:?}"))
    })
    .await;
    assert_eq!(rig.pods().len(), 1, "no pod is made beside it");
    let state = rig.state().await;
    assert_eq!(state["other_scheduler"], seen);
    let status = run("status", &[("POSTGRES_URL", rig.database())]);
    assert_eq!(status.status, 1, "{}", status.out);
    let told = "a scheduler of another kind works on the same tables";
    assert!(status.out.contains(told), "{}", status.out);
    // When it is gone, jobs get their boards; the one that ran all the time runs on.
    rig.done(&[waits]).await;
    let ready = rig.scheduler().ready().await.unwrap_or_default();
    assert_eq!(ready["other_scheduler"], Value::Null, "{ready}");
    assert_eq!(rig.taken_by(running), Some(name));
    rig.never_broken();
}

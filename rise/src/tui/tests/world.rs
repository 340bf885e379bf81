//! Worlds as the tables tell of them, at noon.

use std::sync::Arc;
use std::time::Instant;

use chrono::TimeDelta;
use rise_model::Time;
use rise_model::config::{Cap, Caps};
use serde_json::{Value, json};
use services::store::live::{
    FailedTogether, LastHour, Live, LiveJob, LiveWorker, Minute, QueueTimes,
};
use services::store::operator::{Alert, LiveCount, LiveKind, Overview, SchedulerRow};

use crate::tui::app::{Acting, App, Message, Published, Settings, View};
use crate::tui::snapshot::{Known, Snapshot};

pub(super) fn noon() -> Time {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Time {
    noon() - TimeDelta::seconds(seconds)
}

pub(super) fn known() -> Known {
    Known {
        environment: "staging",
        pools: vec!["scw-em-rv1".into(), "cloudv10x-jupiter".into()],
        caps: Caps {
            default_max_workers: Cap::Workers(20),
            entities: Vec::new(),
        },
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        environment: "staging",
        acting: Acting::ReadOnly,
        cluster: true,
        log_file: "/var/log/rise/tui.log".into(),
    }
}

pub(super) fn nothing() -> Live {
    Live {
        overview: Overview {
            now: noon(),
            scheduler: None,
            live: vec![],
            oldest_waiting: None,
            failures: vec![],
            alerts: vec![],
        },
        workers: vec![],
        jobs: vec![],
        failures: vec![],
    }
}

pub(super) fn worker(number: i64, status: &str) -> LiveWorker {
    let over = matches!(status, "completed" | "failed");
    LiveWorker {
        pod_name: format!("rise-riscv-runner-staging-{number:09}"),
        status: status.into(),
        entity_id: 99,
        entity_name: "ggml-org".into(),
        repo_full_name: None,
        job_labels: json!(["ubuntu-24.04-riscv"]),
        k8s_pool: "scw-em-rv1".into(),
        k8s_image: "ghcr.io/rise/runner:24.04".into(),
        k8s_node: (status != "pending").then(|| format!("riscv-runner-{}", number % 6 + 1)),
        reason: (status == "failed").then(|| "pod_failed".into()),
        message: (status == "failed").then(|| "the container ended with 137".into()),
        condemned_reason: None,
        created_at: ago(60 + number),
        running_at: (status != "pending").then(|| ago(50 + number)),
        completed_at: over.then(|| ago(number)),
        job_id: (status != "pending").then_some(43_718_000_000 + number),
        job_repo: (status != "pending").then(|| "ggml-org/llama.cpp".into()),
        job_status: (status != "pending")
            .then(|| if over { "completed" } else { "running" }.into()),
    }
}

pub(super) fn job(number: i64, status: &str, reason: Option<&str>) -> LiveJob {
    let began = status != "pending";
    let over = matches!(status, "completed" | "failed");
    LiveJob {
        job_id: 43_718_000_000 + number,
        status: status.into(),
        entity_id: 99,
        entity_name: "ggml-org".into(),
        entity_type: "Organization".into(),
        repo_full_name: "ggml-org/llama.cpp".into(),
        job_name: Some(format!("build-{number}")),
        job_labels: json!(["ubuntu-24.04-riscv"]),
        k8s_pool: "scw-em-rv1".into(),
        k8s_image: "ghcr.io/rise/runner:24.04".into(),
        k8s_pod: began.then(|| format!("rise-riscv-runner-staging-{number:09}")),
        k8s_node: began.then(|| format!("riscv-runner-{}", number % 6 + 1)),
        html_url: Some(format!(
            "https://github.com/ggml-org/llama.cpp/actions/runs/1/job/{number}"
        )),
        waiting_reason: reason.map(str::to_owned),
        conclusion: over.then(|| "success".into()),
        reason: None,
        message: None,
        queued_at: ago(100 + number),
        started_at: began.then(|| ago(40 + number)),
        finished_at: over.then(|| ago(number)),
    }
}

fn board(number: usize, pool: &str, state: &str) -> Value {
    let busy = state == "busy";
    json!({
        "name": format!("riscv-runner-{number}"), "pool": pool, "state": state,
        "worker": busy.then(|| format!("rise-riscv-runner-staging-{number:09}")),
        "job": busy.then_some(43_718_000_000_i64 + i64::try_from(number).unwrap()),
    })
}

fn scheduler(boards: &[Value]) -> SchedulerRow {
    SchedulerRow {
        epoch: 3,
        round: 4_711,
        at: ago(4),
        state: json!({
            "version": "0.1.0", "effects_in_flight": 2, "cluster_as_of": ago(6), "boards": boards, "queue": [],
        }),
    }
}

fn count(kind: LiveKind, status: &str, count: i64) -> LiveCount {
    LiveCount {
        kind,
        pool: "scw-em-rv1".into(),
        status: status.into(),
        count,
    }
}

pub(super) fn hour() -> LastHour {
    let minute = |at: i64| Minute {
        at: ago((59 - at) * 60),
        waiting: (at * 7) % 13,
        running: (at * 3) % 7,
    };
    LastHour {
        minutes: (0..60).map(minute).collect(),
        queue: QueueTimes {
            jobs: 212,
            p50: Some(14.2),
            p95: Some(95.0),
        },
    }
}

pub(super) fn normal() -> Live {
    let mut live = nothing();
    let states = ["busy", "busy", "busy", "starting", "free", "idle"];
    let mut boards: Vec<Value> = (1..)
        .zip(states)
        .map(|(number, state)| board(number, "scw-em-rv1", state))
        .collect();
    boards.push(board(7, "cloudv10x-jupiter", "free"));
    boards.push(board(8, "cloudv10x-jupiter", "cordoned"));
    live.overview.scheduler = Some(scheduler(&boards));
    live.overview.live = vec![
        count(LiveKind::Job, "pending", 2),
        count(LiveKind::Job, "running", 3),
        count(LiveKind::Worker, "pending", 1),
        count(LiveKind::Worker, "running", 4),
    ];
    live.workers = vec![worker(0, "pending")];
    live.workers
        .extend((1..=3).map(|number| worker(number, "running")));
    live.workers
        .extend((4..=11).map(|number| worker(number, "completed")));
    live.workers.push(worker(12, "failed"));
    live.jobs = vec![
        job(21, "pending", Some("starting:riscv-runner-4")),
        job(22, "pending", Some("no_free_board:scw-em-rv1")),
    ];
    live.jobs
        .extend((1..=3).map(|number| job(number, "running", None)));
    live.jobs
        .extend((4..=11).map(|number| job(number, "completed", None)));
    live.failures = vec![group("worker", "pod_failed", 1)];
    live
}

fn group(kind: &str, reason: &str, count: i64) -> FailedTogether {
    FailedTogether {
        kind: kind.into(),
        reason: reason.into(),
        message: "the container ended with #".into(),
        count,
        first: ago(7_200),
        last: ago(120),
        pools: vec!["scw-em-rv1".into()],
        boards: vec![
            "riscv-runner-1".into(),
            "riscv-runner-2".into(),
            "riscv-runner-3".into(),
        ],
        images: vec!["ghcr.io/rise/runner:24.04".into()],
        entities: vec!["ggml-org".into()],
        latest: "rise-riscv-runner-staging-000000012".into(),
    }
}

/// Dead boards, a refused image, jobs that wait for many reasons, an alert.
pub(super) fn outage() -> Live {
    let mut live = normal();
    let states = ["lost", "lost", "lost", "quarantined", "cordoned", "busy"];
    let boards: Vec<Value> = (1..)
        .zip(states)
        .map(|(number, state)| board(number, "scw-em-rv1", state))
        .collect();
    live.overview.scheduler = Some(scheduler(&boards));
    live.overview.alerts = vec![
        Alert {
            name: "queue_old".into(),
            subject: "scw-em-rv1".into(),
            opened_at: ago(900),
            text: "jobs wait ten minutes beside boards that are lost".into(),
        },
        Alert {
            name: "github_budget".into(),
            subject: "installation 77".into(),
            opened_at: ago(300),
            text: "less than a fifth of the hour's calls is left".into(),
        },
    ];
    let reasons = [
        "no_free_board:scw-em-rv1",
        "no_board_in_pool:scw-em-rv1",
        "at_cap:entity:99",
        "backing_off",
        "cluster_unreachable",
        "image_breaker:ghcr.io/rise/runner:26.04",
        "github_budget:77",
        "paused:pool:scw-em-rv1",
        "runner_ready",
    ];
    for (number, reason) in (30..).zip(reasons.iter().cycle().take(40)) {
        live.jobs.push(job(number, "pending", Some(reason)));
    }
    live.overview.live[0].count = 42;
    live.failures = vec![
        group("worker", "image_pull_failed", 44),
        group("worker", "node_unreachable", 3),
        group("job", "unknown", 2),
    ];
    live
}

/// Ten thousand workers at work.
pub(super) fn many() -> Live {
    let mut live = normal();
    live.workers = (0..10_000)
        .map(|number| {
            worker(
                number,
                if number % 3 == 0 {
                    "pending"
                } else {
                    "running"
                },
            )
        })
        .collect();
    live
}

/// Names that people who mean no good could choose.
pub(super) fn hostile() -> Live {
    let names = [
        "漢字漢字漢字漢字漢字漢字漢字漢字漢字/とても長い名前のリポジトリ",
        "שלום/עולם-ארוך-מאוד-מאוד",
        "a\u{202e}gpj.exe/b\u{200b}\u{200d}c",
        "\u{1b}[2J\u{1b}[31mred\u{1b}]0;title\u{7}/x\r\n",
        "👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦/🏳️‍🌈",
        "e\u{301}e\u{301}e\u{301}/combining",
        "",
    ];
    let mut live = normal();
    live.jobs.clear();
    live.workers.clear();
    for (number, name) in (0..).zip(names) {
        let mut hostile_job = job(number, "pending", Some(name));
        hostile_job.repo_full_name = name.into();
        hostile_job.entity_name = name.into();
        hostile_job.job_name = Some(name.repeat(20));
        live.jobs.push(hostile_job);
        let mut hostile_worker = worker(number, "failed");
        hostile_worker.k8s_node = Some(name.into());
        hostile_worker.job_repo = Some(name.into());
        hostile_worker.reason = Some(name.into());
        live.workers.push(hostile_worker);
    }
    live.failures[0].message = names.join("");
    live.failures[0].boards = names.iter().map(|name| (*name).to_owned()).collect();
    live
}

/// What is published of a world, read at a moment.
pub(super) fn published(live: Live, read_at: Instant) -> Arc<Published> {
    Arc::new(Published {
        snapshot: Some(Arc::new(Snapshot::new(&known(), live, Some(hour())))),
        read_at: Some(read_at),
        trouble: None,
    })
}

/// A screen that has just been given a world.
pub(super) fn app(live: Live, view: View, size: (u16, u16)) -> App {
    let now = Instant::now();
    let mut app = App::new(settings(), view, size);
    app.update(Message::Tick(now));
    app.update(Message::Data(published(live, now)));
    app
}

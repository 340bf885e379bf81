//! One row looked at closely: its story in phases, what became of its pod, its log.

use rise_model::Time;
use rise_model::waiting::explain;
use serde_json::Value;
use services::kubernetes::Diagnostics;
use services::store::live::FailedTogether;
use services::store::story::{JobDetail, JobStory, LogLine, WorkerDetail, WorkerStory};

use super::app::{App, Detail, Tab, View};
use super::ask::Story;
use super::dialog::Object;
use super::document::{Document, Line};
use super::grid::{Cell, Id};
use super::keys::Act;
use super::snapshot::List;
use super::text;
use super::theme::Tone;
use crate::commands::lists::labels;
use crate::when;

/// Where a jump leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Row(View, List, Id),
    /// To be looked up in the log.
    Look(String),
}

/// A line of a story for who does not look at the screen.
pub(crate) enum Told {
    Heading(String),
    Line(String),
}

/// A job's story.
pub(crate) fn job_told(story: &JobStory, columns: usize) -> Vec<Told> {
    let mut document = Document::new(columns, true);
    job_story(&mut document, story, story.now);
    told(document)
}

/// A worker's story, and its pod as it is now.
pub(crate) fn worker_told(
    story: &WorkerStory,
    pod: Option<&Diagnostics>,
    columns: usize,
) -> Vec<Told> {
    let mut document = Document::new(columns, true);
    worker_story(&mut document, story, story.now);
    if let Some(pod) = pod {
        document.heading("Pod");
        pod_now(&mut document, pod, story.now);
        for container in pod.containers.values() {
            if let Some(log) = &container.logs {
                document.heading("The end of its log");
                document.text(log, Tone::Plain);
            }
        }
    }
    told(document)
}

fn told(document: Document) -> Vec<Told> {
    let lines = document.finish().into_iter();
    lines
        .map(|line| match line.spans.as_slice() {
            [(heading, Tone::Strong)] => Told::Heading(heading.clone()),
            _ => Told::Line(line.plain().trim_end().to_owned()),
        })
        .collect()
}

/// The name of what a row is about.
pub(super) fn name(id: &Id) -> String {
    match id {
        Id::Worker(name) | Id::Board(name) | Id::Demand(name) | Id::Failure(name) => name.clone(),
        Id::Job(id) | Id::Event(id) => id.to_string(),
    }
}

/// Worker → job → account; board → worker; failure → the last of it; event → job.
pub(super) fn owner(app: &App) -> Option<Target> {
    let snapshot = app.snapshot()?;
    let job = |id: i64| Target::Row(View::Jobs, List::Jobs, Id::Job(id));
    let worker =
        |name: &str| Target::Row(View::Workers, List::Workers, Id::Worker(name.to_owned()));
    let story = app
        .detail
        .as_ref()
        .and_then(|detail| detail.story.as_deref());
    match app.subject()? {
        Id::Worker(name) => {
            let named = match story {
                Some(Story::Worker(story)) => story.jobs.first().map(|job| job.job_id),
                Some(Story::Job(_)) | None => {
                    snapshot.worker(name).and_then(|worker| worker.job_id)
                }
            };
            let entity = || Some(Target::Look(snapshot.worker(name)?.entity_id.to_string()));
            named.map(job).or_else(entity)
        }
        Id::Job(id) => match story {
            Some(Story::Job(story)) => Some(Target::Look(story.job.entity_id.to_string())),
            Some(Story::Worker(_)) | None => {
                Some(Target::Look(snapshot.job(*id)?.entity_id.to_string()))
            }
        },
        Id::Board(name) => Some(worker(snapshot.board(name)?.worker.as_deref()?)),
        Id::Failure(key) => {
            let group = snapshot.failure(key)?;
            match group.latest.parse() {
                Ok(id) if group.kind == "job" => Some(job(id)),
                Ok(_) | Err(_) => Some(worker(&group.latest)),
            }
        }
        Id::Event(id) => {
            let event = app.traced.as_ref()?.event(*id)?;
            Some(event.job_id.map_or(
                Target::Row(View::Pools, List::Demand, Id::Demand(String::new())),
                job,
            ))
        }
        Id::Demand(_) => None,
    }
}

/// What an act is done to, and what it would hit.
pub(super) fn object(app: &App, act: Act) -> Option<(Object, Option<String>)> {
    let snapshot = app.snapshot()?;
    let entity = |id: i64, login: &str| Some((Object::Entity(id, login.to_owned()), None));
    let pool = |row: &Id| {
        let list = app.list()?;
        let grid = app.grid(list)?;
        let row = grid.rows.iter().find(|known| known.id == *row)?;
        let at = grid
            .columns
            .iter()
            .position(|column| column.name == "POOL")?;
        match row.cells.get(at)? {
            Cell::Text(pool) => Some((Object::Pool(pool.clone()), None)),
            Cell::Empty | Cell::Word(..) | Cell::Number(_) | Cell::Age(_) | Cell::Lasted(..) => {
                None
            }
        }
    };
    match (act, app.subject()?) {
        (Act::KillWorker, Id::Worker(name)) => {
            let job = snapshot
                .worker(name)
                .filter(|worker| worker.job_status.as_deref() == Some("running"));
            let hits = job
                .and_then(|worker| worker.job_id)
                .map(|id| format!("job {id} runs on it"));
            Some((Object::Worker(name.clone()), hits))
        }
        (Act::BanEntity, Id::Worker(name)) => {
            let worker = snapshot.worker(name)?;
            entity(worker.entity_id, &worker.entity_name)
        }
        (Act::BanEntity, Id::Job(id)) => {
            let job = snapshot.job(*id)?;
            entity(job.entity_id, &job.entity_name)
        }
        (Act::Recheck, Id::Job(id)) => Some((Object::Job(*id), None)),
        (Act::Quarantine, Id::Board(name)) => Some((Object::Board(name.clone()), None)),
        (Act::Pause, id @ (Id::Board(_) | Id::Demand(_))) => pool(id),
        (Act::KillWorker | Act::BanEntity | Act::Recheck | Act::Quarantine | Act::Pause, _) => None,
    }
}

/// The lines of a detail.
pub(super) fn lines(app: &App, detail: &Detail, columns: usize) -> Vec<Line> {
    let mut document = Document::new(columns, detail.wrap);
    let to = &mut document;
    if let Some(trouble) = &detail.trouble {
        to.text(trouble, Tone::Bad);
    }
    match (detail.tab, detail.story.as_deref(), &detail.subject) {
        (Tab::Log, _, _) => log(to, detail),
        (Tab::Pod, Some(story), _) => pod(to, app, detail, story),
        (Tab::Story, Some(Story::Worker(story)), _) => worker_story(to, story, app.now()),
        (Tab::Story, Some(Story::Job(story)), _) => job_story(to, story, app.now()),
        (Tab::Story | Tab::Pod, None, Id::Worker(_) | Id::Job(_)) => {
            if detail.trouble.is_none() {
                to.text("reading …", Tone::Quiet);
            }
        }
        (_, None, id) => from_row(to, app, id),
    }
    document.finish()
}

/// The pod as it is now, or why that cannot be said.
fn pod(to: &mut Document, app: &App, detail: &Detail, story: &Story) {
    match (&detail.pod, story) {
        (_, Story::Job(story)) if story.job.k8s_pod.is_none() => {
            to.text("no worker has taken it", Tone::Quiet);
        }
        (Some(Ok(pod)), _) => pod_now(to, pod, app.now()),
        (Some(Err(trouble)), _) => to.text(trouble, Tone::Bad),
        (None, _) if !app.settings.cluster => to.text(NO_CLUSTER, Tone::Quiet),
        (None, _) => to.text("reading …", Tone::Quiet),
    }
}

/// Said where a pod or a log would be.
pub(super) const NO_CLUSTER: &str =
    "no kubeconfig is known here: set KUBECONFIG to see pods and logs";

fn log(to: &mut Document, detail: &Detail) {
    for line in &detail.log {
        to.text(line, Tone::Plain);
    }
    if let Some(state) = &detail.log_state {
        to.text(state, Tone::Quiet);
    } else if detail.log.is_empty() {
        to.text("reading …", Tone::Quiet);
    }
}

/// A moment, its distance from the one before, and how long ago it was.
struct Moment<'a> {
    what: &'a str,
    at: Option<Time>,
    note: String,
    tone: Tone,
}

fn moment(what: &str, at: Option<Time>) -> Moment<'_> {
    Moment {
        what,
        at,
        note: String::new(),
        tone: Tone::Plain,
    }
}

/// Moments in their order, with the time between them as a bar: the longest is the widest.
fn timeline(to: &mut Document, moments: Vec<Moment<'_>>, now: Time) {
    let mut known: Vec<(Time, Moment<'_>)> = moments
        .into_iter()
        .filter_map(|moment| Some((moment.at?, moment)))
        .collect();
    known.sort_by_key(|(at, _)| *at);
    let steps: Vec<i64> = known
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0).num_milliseconds().max(0))
        .collect();
    let longest = steps.iter().copied().max().unwrap_or(0).max(1);
    let widest = if to.columns() >= 100 { 24 } else { 8 };
    for (index, (at, moment)) in known.iter().enumerate() {
        let step = index.checked_sub(1).map(|index| steps[index]);
        let after = step
            .map(|step| format!("+{}", seconds(step)))
            .unwrap_or_default();
        let bar = step
            .map(|step| bar(step, longest, widest))
            .unwrap_or_default();
        to.parts(vec![
            (format!("  {:<18}", text::clean(moment.what)), moment.tone),
            (at.format("%m-%d %H:%M:%S  ").to_string(), Tone::Plain),
            (
                format!("{:>9}  ", format!("{} ago", when::length(*at, now))),
                Tone::Quiet,
            ),
            (format!("{after:>9} "), Tone::Accent),
            (format!("{bar:<widest$} "), Tone::Busy),
            (text::clean(&moment.note), Tone::Quiet),
        ]);
    }
}

fn seconds(milliseconds: i64) -> String {
    if milliseconds < 60_000 {
        format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100)
    } else {
        when::length(
            Time::UNIX_EPOCH,
            Time::UNIX_EPOCH + chrono::TimeDelta::milliseconds(milliseconds),
        )
    }
}

fn bar(part: i64, whole: i64, columns: usize) -> String {
    let filled = usize::try_from(part).unwrap_or(0).saturating_mul(columns)
        / usize::try_from(whole).unwrap_or(1).max(1);
    "▪".repeat(filled.min(columns))
}

fn worker_moments(worker: &WorkerDetail) -> Vec<Moment<'_>> {
    let end = match worker.status.as_str() {
        "failed" => Moment {
            tone: Tone::Bad,
            ..moment("failed", worker.completed_at)
        },
        _ => moment("ended", worker.completed_at),
    };
    vec![
        moment("reserved", Some(worker.created_at)),
        moment("pod made", worker.pod_created_at),
        Moment {
            note: worker.k8s_node.clone().unwrap_or_default(),
            ..moment("on a board", worker.scheduled_at)
        },
        moment("image there", worker.pulled_at),
        moment("container runs", worker.running_at),
        moment("runner online", worker.registered_at),
        moment("took a job", worker.busy_at),
        Moment {
            note: worker.condemned_reason.clone().unwrap_or_default(),
            tone: Tone::Waiting,
            ..moment("given up", worker.condemned_at)
        },
        end,
        moment("board free", worker.slot_free_at),
        moment("runner removed", worker.deregistered_at),
    ]
}

fn worker_story(to: &mut Document, story: &WorkerStory, now: Time) {
    let worker = &story.worker;
    if let Some(info) = &worker.failure_info {
        to.heading("Failure");
        failure_info(to, info, now);
    }
    to.heading("Phases");
    let mut moments = worker_moments(worker);
    for job in &story.jobs {
        let note = format!("job {} {}", job.job_id, job.repo_full_name);
        moments.push(Moment {
            note: note.clone(),
            ..moment("job began", job.started_at)
        });
        moments.push(Moment {
            note: job.conclusion.clone().unwrap_or(note),
            ..moment("job ended", job.finished_at)
        });
    }
    timeline(to, moments, now);
    to.heading("Worker");
    worker_facts(to, worker, now);
    for job in &story.jobs {
        to.heading(&format!("Job {}", job.job_id));
        job_facts(to, job, now);
    }
}

fn worker_facts(to: &mut Document, worker: &WorkerDetail, now: Time) {
    to.pair("worker", &worker.pod_name, Tone::Strong);
    to.pair("status", &worker.status, Tone::of_status(&worker.status));
    to.pair(
        "given up",
        worker.condemned_reason.as_deref().unwrap_or_default(),
        Tone::Waiting,
    );
    to.pair(
        "account",
        &format!(
            "{} ({} {})",
            worker.entity_name, worker.entity_type, worker.entity_id
        ),
        Tone::Plain,
    );
    to.pair(
        "repository",
        worker.repo_full_name.as_deref().unwrap_or_default(),
        Tone::Plain,
    );
    to.pair("labels", &labels(&worker.job_labels), Tone::Plain);
    to.pair("pool", &worker.k8s_pool, Tone::Plain);
    to.pair("image", &worker.k8s_image, Tone::Plain);
    to.pair(
        "board",
        worker.k8s_node.as_deref().unwrap_or("none yet"),
        Tone::Plain,
    );
    let number = |id: Option<i64>| id.map(|id| id.to_string()).unwrap_or_default();
    to.pair("runner", &number(worker.runner_id), Tone::Plain);
    to.pair(
        "installation",
        &worker.installation_id.to_string(),
        Tone::Plain,
    );
    to.pair("epoch", &number(worker.epoch), Tone::Plain);
    to.pair("changed", &when::ago(worker.updated_at, now), Tone::Quiet);
}

fn job_story(to: &mut Document, story: &JobStory, now: Time) {
    let job = &story.job;
    if job.status == "pending" {
        to.heading("Waiting");
        let reason = job.waiting_reason.as_deref();
        let why = reason.map_or_else(|| "no reason is known yet".to_owned(), explain);
        to.pair("why", &why, Tone::Waiting);
        to.pair("code", reason.unwrap_or_default(), Tone::Quiet);
        let since = job
            .waiting_since
            .map(|since| when::length(since, now))
            .unwrap_or_default();
        to.pair("for this reason", &since, Tone::Plain);
        to.pair(
            "in the queue",
            &when::length(job.queued_at.unwrap_or(job.created_at), now),
            Tone::Plain,
        );
        let ahead = story.ahead.map(|ahead| match ahead {
            0 => "nobody in its pool".to_owned(),
            1 => "1 job in its pool".to_owned(),
            more => format!("{more} jobs in its pool"),
        });
        to.pair("ahead of it", &ahead.unwrap_or_default(), Tone::Plain);
    }
    if let Some(info) = &job.failure_info {
        to.heading("Failure");
        failure_info(to, info, now);
    }
    to.heading("Story");
    let mut moments: Vec<Moment<'_>> = story.events.iter().map(delivery).collect();
    moments.push(moment("queued", job.queued_at));
    moments.push(Moment {
        note: job.k8s_pod.clone().unwrap_or_default(),
        tone: Tone::Busy,
        ..moment("began", job.started_at)
    });
    moments.push(Moment {
        note: job.conclusion.clone().unwrap_or_default(),
        tone: Tone::of_status(&job.status),
        ..moment("over", job.finished_at)
    });
    if let Some(worker) = &story.worker {
        let steps = worker_moments(worker).into_iter();
        moments.extend(steps.filter(|step| !matches!(step.what, "board free" | "runner removed")));
    }
    timeline(to, moments, now);
    to.heading("Job");
    job_facts(to, job, now);
    if let Some(worker) = &story.worker {
        to.heading("Worker");
        worker_facts(to, worker, now);
    }
}

fn delivery(line: &LogLine) -> Moment<'_> {
    let what = line
        .event
        .strip_prefix("workflow_job.")
        .unwrap_or(&line.event);
    Moment {
        what: "told of",
        at: Some(line.received_at),
        note: format!("{what}: {}", line.outcome),
        tone: Tone::Quiet,
    }
}

fn job_facts(to: &mut Document, job: &JobDetail, now: Time) {
    to.pair("job", &job.job_id.to_string(), Tone::Strong);
    to.pair("status", &job.status, Tone::of_status(&job.status));
    to.pair(
        "conclusion",
        job.conclusion.as_deref().unwrap_or_default(),
        Tone::Plain,
    );
    to.pair("repository", &job.repo_full_name, Tone::Plain);
    to.pair(
        "name",
        job.job_name.as_deref().unwrap_or_default(),
        Tone::Plain,
    );
    to.pair(
        "workflow",
        job.workflow_name.as_deref().unwrap_or_default(),
        Tone::Plain,
    );
    to.pair(
        "branch",
        job.head_branch.as_deref().unwrap_or_default(),
        Tone::Plain,
    );
    let run = match (job.run_id, job.run_attempt) {
        (Some(run), Some(attempt)) => format!("{run}, attempt {attempt}"),
        (Some(run), None) => run.to_string(),
        (None, _) => String::new(),
    };
    to.pair("run", &run, Tone::Plain);
    to.pair("labels", &labels(&job.job_labels), Tone::Plain);
    to.pair("pool", &job.k8s_pool, Tone::Plain);
    to.pair("image", &job.k8s_image, Tone::Plain);
    to.pair(
        "worker",
        job.k8s_pod.as_deref().unwrap_or_default(),
        Tone::Plain,
    );
    to.pair(
        "account",
        &format!(
            "{} ({} {})",
            job.entity_name, job.entity_type, job.entity_id
        ),
        Tone::Plain,
    );
    to.pair(
        "caused by",
        job.sender_login.as_deref().unwrap_or_default(),
        Tone::Plain,
    );
    to.pair(
        "installation",
        &job.installation_id.to_string(),
        Tone::Plain,
    );
    let seen = match job.private {
        Some(true) => "private",
        Some(false) => "public",
        None => "",
    };
    to.pair("repository is", seen, Tone::Plain);
    to.pair(
        "page",
        job.html_url.as_deref().unwrap_or_default(),
        Tone::Accent,
    );
    let asked = job
        .last_checked_at
        .map(|at| when::ago(at, now))
        .unwrap_or_default();
    to.pair("GitHub was asked", &asked, Tone::Quiet);
    to.pair("changed", &when::ago(job.updated_at, now), Tone::Quiet);
}

/// A failure in any of the shapes that were ever written.
fn failure_info(to: &mut Document, info: &Value, now: Time) {
    let Some(info) = info.as_object() else {
        to.text(&info.to_string(), Tone::Bad);
        return;
    };
    let said = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    for key in [
        "reason",
        "message",
        "pod_reason",
        "pod_message",
        "collect_error",
    ] {
        if let Some(value) = info.get(key).filter(|value| !value.is_null()) {
            let tone = if key == "reason" {
                Tone::Bad
            } else {
                Tone::Plain
            };
            to.pair(&key.replace('_', " "), &said(value), tone);
        }
    }
    let known = [
        "reason",
        "message",
        "pod_reason",
        "pod_message",
        "collect_error",
        "containers",
        "events",
        "version",
    ];
    for (key, value) in info
        .iter()
        .filter(|(key, _)| !known.contains(&key.as_str()))
    {
        to.pair(&text::clean(key), &said(value), Tone::Plain);
    }
    for (name, container) in info
        .get("containers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        container_report(to, name, container);
    }
    let events: Vec<&Value> = info
        .get("events")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect();
    if !events.is_empty() {
        to.heading("Events of the pod");
    }
    for event in events {
        let of = |key: &str| event.get(key).map(said).unwrap_or_default();
        let at = of("last_seen").parse::<Time>().ok();
        pod_event(to, &of("type"), &of("reason"), &of("message"), at, now);
    }
}

fn container_report(to: &mut Document, name: &str, container: &Value) {
    let of = |key: &str| container.get(key).filter(|value| !value.is_null());
    let said = |key: &str| {
        of(key).map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    to.heading(&format!("Container {}", text::clean(name)));
    to.pair(
        "exit code",
        &said("exit_code").unwrap_or_default(),
        Tone::Bad,
    );
    to.pair("reason", &said("reason").unwrap_or_default(), Tone::Plain);
    to.pair("message", &said("message").unwrap_or_default(), Tone::Plain);
    if let Some(log) = said("logs") {
        to.heading("The end of its log");
        to.text(&log, Tone::Plain);
    }
}

fn pod_event(
    to: &mut Document,
    kind: &str,
    reason: &str,
    message: &str,
    at: Option<Time>,
    now: Time,
) {
    let tone = if kind == "Warning" {
        Tone::Waiting
    } else {
        Tone::Plain
    };
    let age = at
        .map(|at| format!("{} ago", when::length(at, now)))
        .unwrap_or_default();
    to.pair(&age, &format!("{kind} {reason}: {message}"), tone);
}

fn pod_now(to: &mut Document, pod: &Diagnostics, now: Time) {
    to.pair(
        "missing",
        pod.collect_error.as_deref().unwrap_or_default(),
        Tone::Waiting,
    );
    to.pair(
        "pod reason",
        pod.pod_reason.as_deref().unwrap_or_default(),
        Tone::Bad,
    );
    to.pair(
        "pod message",
        pod.pod_message.as_deref().unwrap_or_default(),
        Tone::Plain,
    );
    for (name, container) in &pod.containers {
        to.heading(&format!("Container {}", text::clean(name)));
        match container.exit_code {
            Some(code) => to.pair(
                "exit code",
                &code.to_string(),
                if code == 0 { Tone::Good } else { Tone::Bad },
            ),
            None if container.reason.is_empty() => to.pair("state", "running", Tone::Busy),
            None => to.pair("state", "waiting", Tone::Waiting),
        }
        to.pair("reason", &container.reason, Tone::Plain);
        to.pair("message", &container.message, Tone::Plain);
    }
    to.heading("Events of the pod");
    if pod.events.is_empty() {
        to.text("  none that Kubernetes still has", Tone::Quiet);
    }
    for event in &pod.events {
        pod_event(
            to,
            &event.kind,
            &event.reason,
            &event.message,
            event.last_seen,
            now,
        );
    }
}

/// What a row itself says, where there is no story of its own.
fn from_row(to: &mut Document, app: &App, id: &Id) {
    let snapshot = app.snapshot();
    let group = match id {
        Id::Failure(key) => snapshot.and_then(|snapshot| snapshot.failure(key)),
        Id::Worker(_) | Id::Job(_) | Id::Board(_) | Id::Demand(_) | Id::Event(_) => None,
    };
    if let Some(group) = group {
        return failed_together(to, group, app.now());
    }
    let row = app.list().and_then(|list| {
        let grid = app.grid(list)?;
        Some((grid, grid.rows.iter().find(|row| row.id == *id)?))
    });
    let Some((grid, row)) = row else {
        to.text("it is gone", Tone::Quiet);
        return;
    };
    for (column, cell) in grid.columns.iter().zip(&row.cells) {
        to.pair(
            &column.name.to_lowercase(),
            &cell.shown(app.now()),
            cell.tone(),
        );
    }
    if let Id::Board(name) = id {
        workers_of_board(to, app, name);
    }
}

fn workers_of_board(to: &mut Document, app: &App, board: &str) {
    let Some(snapshot) = app.snapshot() else {
        return;
    };
    to.heading("Workers on it, the latest first");
    let on_it = snapshot
        .live
        .workers
        .iter()
        .filter(|worker| worker.k8s_node.as_deref() == Some(board));
    for worker in on_it.take(50) {
        let why = worker
            .reason
            .as_deref()
            .or(worker.condemned_reason.as_deref())
            .unwrap_or_default();
        to.parts(vec![
            (
                format!("  {:>9}  ", when::length(worker.created_at, app.now())),
                Tone::Quiet,
            ),
            (
                format!("{:<10} ", worker.status),
                Tone::of_status(&worker.status),
            ),
            (format!("{}  ", text::clean(&worker.pod_name)), Tone::Plain),
            (
                text::clean(worker.job_repo.as_deref().unwrap_or(&worker.entity_name)),
                Tone::Quiet,
            ),
            (format!("  {}", text::clean(why)), Tone::Bad),
        ]);
    }
}

fn failed_together(to: &mut Document, group: &FailedTogether, now: Time) {
    to.pair("reason", &group.reason, Tone::Bad);
    to.pair("message", &group.message, Tone::Plain);
    to.pair(
        "how many",
        &format!("{} {}s in seven days", group.count, group.kind),
        Tone::Plain,
    );
    to.pair(
        "first",
        &format!(
            "{}, {}",
            when::ago(group.first, now),
            when::exact(group.first)
        ),
        Tone::Plain,
    );
    to.pair(
        "last",
        &format!(
            "{}, {}",
            when::ago(group.last, now),
            when::exact(group.last)
        ),
        Tone::Plain,
    );
    to.pair("latest", &group.latest, Tone::Accent);
    for (name, values) in [
        ("pools", &group.pools),
        ("boards", &group.boards),
        ("images", &group.images),
        ("accounts", &group.entities),
    ] {
        to.pair(name, &values.join(", "), Tone::Plain);
    }
    to.heading("j jumps to the latest of them");
}

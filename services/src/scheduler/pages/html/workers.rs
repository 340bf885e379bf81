//! `/workers`. Asked for one worker it shows all that is kept of its logs.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use rise_model::Status;

use super::super::Pages;
use super::super::access::Session;
use super::super::lists::{self, ListFailed, Listed};
use super::super::params::encoded;
use super::failure::{Failure, Logs};
use super::moment::{Moment, length};
use super::rows::{FilterForm, Paging, class, labels};
use super::text::Shown;
use super::{Leader, Now, Place, Shell, answer, counted};
use crate::store::pages::WorkerEntry;
use crate::style::STYLE;

#[derive(Template)]
#[template(path = "workers.html")]
struct WorkersPage {
    shell: Shell,
    form: FilterForm,
    total: String,
    rows: Vec<Row>,
    paging: Option<Paging>,
}

#[derive(Debug)]
struct Row {
    name: Shown,
    href: String,
    status: String,
    class: &'static str,
    entity_id: i64,
    entity: Shown,
    repository: Option<Shown>,
    labels: Vec<Shown>,
    pool: Shown,
    image: Image,
    board: Option<Shown>,
    jobs: Vec<i64>,
    story: Vec<Shown>,
    failure: Option<Failure>,
    created: Moment,
}

/// A reference: its end tells images apart, the rest is long.
#[derive(Debug)]
struct Image {
    whole: Shown,
    end: Shown,
}

impl Image {
    fn of(reference: &str) -> Self {
        Self {
            whole: Shown::line(reference),
            end: Shown::line(reference.rsplit('/').next().unwrap_or(reference)),
        }
    }
}

pub(in super::super) async fn page(
    State(pages): State<Pages>,
    Extension(session): Extension<Session>,
    uri: Uri,
) -> Result<Response, ListFailed> {
    let Listed {
        params,
        rows,
        total,
    } = lists::read_workers(&pages, session, &uri).await?;
    let logs = if params.filter().worker.is_some() {
        Logs::Whole
    } else {
        Logs::Ends
    };
    let written = pages.store.last_written().await?;
    let page = WorkersPage {
        shell: Shell::new(Place::Workers, &pages, session, &written),
        form: FilterForm::new("/workers", &params),
        total: counted(total, "worker", "workers"),
        rows: rows
            .into_iter()
            .map(|worker| row(worker, written.now, logs))
            .collect(),
        paging: Paging::new("/workers", &params, total),
    };
    Ok(answer(StatusCode::OK, &page))
}

fn row(worker: WorkerEntry, now: Now, logs: Logs) -> Row {
    let failure = worker.failure_info.as_ref();
    Row {
        class: class(&worker.status),
        story: story(&worker, now),
        name: Shown::line(&worker.pod_name),
        href: encoded(&worker.pod_name),
        entity_id: worker.entity_id,
        entity: Shown::line(&worker.entity_name),
        repository: worker.repo_full_name.as_deref().map(Shown::line),
        labels: labels(&worker.job_labels),
        pool: Shown::line(&worker.k8s_pool),
        image: Image::of(&worker.k8s_image),
        board: worker
            .k8s_node
            .as_deref()
            .filter(|node| !node.is_empty())
            .map(Shown::line),
        failure: failure.map(|info| Failure::of(info, now, logs)),
        created: Moment::ago(worker.created_at, now),
        jobs: worker.jobs,
        status: worker.status,
    }
}

fn story(worker: &WorkerEntry, now: Now) -> Vec<Shown> {
    let mut story = Vec::new();
    let mut say = |text: String| story.push(Shown::line(&text));
    let (made, runs, ended) = (worker.created_at, worker.running_at, worker.completed_at);
    match Status::parse(&worker.status) {
        Some(Status::Pending) => say(format!("starting for {}", length(made, now))),
        Some(Status::Running) => {
            if let Some(began) = runs {
                say(format!("runs {}", length(began, now)));
            }
        }
        Some(Status::Completed | Status::Failed) | None => match (runs, ended) {
            (Some(began), Some(ended)) => say(format!("ran {}", length(began, ended))),
            (None, Some(ended)) => say(format!("never ran, ended after {}", length(made, ended))),
            (_, None) => {}
        },
    }
    if let Some(began) = runs {
        say(format!("up after {}", length(made, began)));
    }
    if let Some(reason) = worker.condemned_reason.as_deref() {
        say(format!("given up: {reason}"));
    }
    story
}

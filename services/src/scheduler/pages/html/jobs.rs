//! `/jobs`, which is `/history` too.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use rise_model::Status;
use rise_model::waiting::explain;

use super::super::Pages;
use super::super::access::Session;
use super::super::lists::{self, ListFailed, Listed};
use super::super::params::encoded;
use super::failure::{Failure, Logs};
use super::moment::{Moment, length};
use super::rows::{FilterForm, GitHubLinks, Paging, class, labels};
use super::text::Shown;
use super::{Leader, Now, Place, Shell, answer, counted};
use crate::store::pages::JobEntry;
use crate::style::STYLE;

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    shell: Shell,
    form: FilterForm,
    total: String,
    rows: Vec<Row>,
    paging: Option<Paging>,
}

#[derive(Debug)]
struct Row {
    id: i64,
    status: String,
    class: &'static str,
    name: Shown,
    repository: Shown,
    links: GitHubLinks,
    entity_id: i64,
    entity: Shown,
    sender: Option<Shown>,
    labels: Vec<Shown>,
    pool: Shown,
    /// Its address here, and its name.
    worker: Option<(String, Shown)>,
    /// How it stands, in words.
    story: Vec<Shown>,
    failure: Option<Failure>,
    created: Moment,
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
    } = lists::read_jobs(&pages, session, &uri).await?;
    let written = pages.store.last_written().await?;
    let page = JobsPage {
        shell: Shell::new(Place::Jobs, &pages, session, &written),
        form: FilterForm::new("/jobs", &params),
        total: counted(total, "job", "jobs"),
        rows: rows.into_iter().map(|job| row(job, written.now)).collect(),
        paging: Paging::new("/jobs", &params, total),
    };
    Ok(answer(StatusCode::OK, &page))
}

fn row(job: JobEntry, now: Now) -> Row {
    let name = job
        .job_name
        .as_deref()
        .filter(|name| !name.trim().is_empty());
    let failure = job.failure_info.as_ref();
    Row {
        id: job.job_id,
        class: class(&job.status),
        story: story(&job, now),
        name: Shown::line(name.unwrap_or("job")),
        repository: Shown::line(&job.repo_full_name),
        links: GitHubLinks::of(job.html_url.as_deref(), &job.repo_full_name),
        entity_id: job.entity_id,
        entity: Shown::line(&job.entity_name),
        sender: job.sender_login.as_deref().map(Shown::line),
        labels: labels(&job.job_labels),
        pool: Shown::line(&job.k8s_pool),
        worker: job
            .k8s_pod
            .as_deref()
            .filter(|pod| !pod.is_empty())
            .map(|pod| (encoded(pod), Shown::line(pod))),
        failure: failure.map(|info| Failure::of(info, now, Logs::Whole)),
        created: Moment::ago(job.created_at, now),
        status: job.status,
    }
}

fn story(job: &JobEntry, now: Now) -> Vec<Shown> {
    let queued = job.queued_at.unwrap_or(job.created_at);
    let mut story = Vec::new();
    let mut say = |text: String| story.push(Shown::line(&text));
    let waited = job.started_at.map(|began| length(queued, began));
    match Status::parse(&job.status) {
        Some(Status::Pending) => {
            say(format!("waits {}", length(queued, now)));
            if let Some(reason) = job.waiting_reason.as_deref() {
                say(explain(reason));
            }
        }
        Some(Status::Running) => {
            if let Some(began) = job.started_at {
                say(format!("runs {}", length(began, now)));
            }
            if let Some(waited) = waited {
                say(format!("waited {waited}"));
            }
        }
        Some(Status::Completed) | None => {
            if let Some(conclusion) = job.conclusion.as_deref() {
                say(conclusion.to_owned());
            }
            if let Some((began, ended)) = job.started_at.zip(job.finished_at) {
                say(format!("took {}", length(began, ended)));
            }
            if let Some(waited) = waited {
                say(format!("waited {waited}"));
            }
        }
        Some(Status::Failed) => {}
    }
    story
}

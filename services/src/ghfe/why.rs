//! `GET /trace/why/…`: why something is as it is, with what proves it. The bearer token is that of `/trace/`.
//!
//! `/trace/why/entity/ID`, `/trace/why/installation/ID`, `/trace/why/job/ID`; `?repo=OWNER/NAME` asks about a repository,
//! `?job=ID` about a job of an account, `?at=TIME` shows the account as of then.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use rise_model::trace::{Account, Case, JobFacts, Verdict, WaitingJob, diagnose, fold};
use rise_model::{EntityId, InstallationId, JobId, Time};
use serde::{Deserialize, Serialize};

use super::App;
use super::trace::TraceError;
use crate::store::TraceEvent;
use crate::store::why::Asked;

/// What else is asked.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Question {
    repo: Option<String>,
    job: Option<i64>,
    at: Option<Time>,
}

/// The answer.
#[derive(Serialize)]
struct Why<'a> {
    now: Time,
    verdict: Verdict,
    /// As of the time asked for, else now.
    account: Account,
    job: Option<&'a JobFacts>,
    waiting: &'a [WaitingJob],
    /// Rows of the log, oldest first: all about installations, of others the newest.
    events: Vec<TraceEvent>,
}

/// One question.
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    Path((kind, id)): Path<(String, String)>,
    question: Result<Query<Question>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let admitted = headers
        .get(AUTHORIZATION)
        .is_some_and(|value| app.bearer.admits(value.as_bytes()));
    if !admitted {
        return TraceError::Unauthorized.into_response();
    }
    let Ok(Query(question)) = question else {
        let text =
            "the query is ?repo=OWNER/NAME&job=ID&at=TIME, with TIME as 2026-11-24T22:10:00Z";
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    answer(&app, &kind, &id, question)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn answer(
    app: &App,
    kind: &str,
    id: &str,
    question: Question,
) -> Result<Response, TraceError> {
    let number = |name: &'static str| id.parse().map_err(|_| TraceError::InvalidNumber(name));
    let mut job = question.job.map(JobId);
    let mut installation = None;
    let entity = match kind {
        "entity" => Some(EntityId(number("entity_id")?)),
        "installation" => {
            let asked = InstallationId(number("installation_id")?);
            installation = Some(asked);
            let found = app.read(app.store.entity_of_installation(asked)).await?;
            Some(found.ok_or(TraceError::NotFound("Entity"))?)
        }
        "job" => {
            let asked = JobId(number("job_id")?);
            job = Some(asked);
            app.read(app.store.entity_of_job(asked)).await?
        }
        _ => return Err(TraceError::NoSuchKind),
    };
    let facts = app.read(app.store.why(Asked { entity, job })).await?;
    let account = fold(&facts.events, facts.now);
    let verdict = diagnose(&Case {
        now: facts.now,
        apps: app.apps,
        events: &facts.events,
        account: &account,
        job_id: job,
        job: facts.job.as_ref(),
        repository: question.repo.as_deref(),
        installation,
        waiting: &facts.waiting,
        settings: &facts.settings,
        lost: &facts.lost,
        scheduler: facts.scheduler,
    });
    let account = match question.at {
        Some(at) => fold(&facts.events, at),
        None => account,
    };
    let why = Why {
        now: facts.now,
        verdict,
        account,
        job: facts.job.as_ref(),
        waiting: &facts.waiting,
        events: facts.events.iter().map(TraceEvent::from).collect(),
    };
    Ok(Json(why).into_response())
}

//! Jobs and workers as JSON: what is alive now, and page by page what ever was.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::Serialize;

use super::Pages;
use super::params::{InvalidParameter, Params};
use crate::causes::WithCauses;
use crate::store::StoreError;
use crate::store::pages::{JobEntry, WorkerEntry};

/// How soon it is worth asking again when the database fails, in seconds.
const ASK_AGAIN_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListFailed {
    #[error(transparent)]
    Parameter(#[from] InvalidParameter),
    #[error("the database failed; ask again in a few seconds")]
    Store(#[from] StoreError),
}

impl IntoResponse for ListFailed {
    fn into_response(self) -> Response {
        let text = format!("{self}\n");
        match self {
            Self::Parameter(_) => (StatusCode::BAD_REQUEST, text).into_response(),
            Self::Store(error) => {
                tracing::warn!(
                    error = %WithCauses(&error),
                    "a page could not be read from the database"
                );
                let ask_again = [(header::RETRY_AFTER, ASK_AGAIN_AFTER)];
                (StatusCode::SERVICE_UNAVAILABLE, ask_again, text).into_response()
            }
        }
    }
}

/// What waits and what runs.
#[derive(Debug, Serialize)]
pub(super) struct Usage {
    jobs: Vec<JobEntry>,
    workers: Vec<WorkerEntry>,
}

pub(super) async fn usage(State(pages): State<Pages>) -> Result<Json<Usage>, ListFailed> {
    Ok(Json(Usage {
        jobs: pages.store.live_jobs().await?,
        workers: pages.store.live_workers().await?,
    }))
}

pub(super) async fn jobs(State(pages): State<Pages>, uri: Uri) -> Result<Response, ListFailed> {
    let params = params(&uri)?;
    let created = params.created();
    let rows = pages.store.jobs_created(created, params.slice()).await?;
    let total = match params.total_if_last(rows.len()) {
        Some(total) => total,
        None => pages.store.count_jobs_created(created).await?,
    };
    Ok(page(&rows, params.link(uri.path(), total)))
}

pub(super) async fn workers(State(pages): State<Pages>, uri: Uri) -> Result<Response, ListFailed> {
    let params = params(&uri)?;
    let created = params.created();
    let rows = pages.store.workers_created(created, params.slice()).await?;
    let total = match params.total_if_last(rows.len()) {
        Some(total) => total,
        None => pages.store.count_workers_created(created).await?,
    };
    Ok(page(&rows, params.link(uri.path(), total)))
}

fn params(uri: &Uri) -> Result<Params, InvalidParameter> {
    Params::parse(uri.query().unwrap_or_default(), Utc::now().date_naive())
}

fn page<T: Serialize>(rows: &[T], link: Option<String>) -> Response {
    let mut response = Json(rows).into_response();
    // Paths of ours, digits, dashes: always a header's value.
    if let Some(Ok(link)) = link.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

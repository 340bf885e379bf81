//! Jobs and workers as JSON: what is alive now, and page by page what ever was.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::Utc;
use serde::Serialize;

use super::access::Session;
use super::params::{InvalidParameter, Params};
use super::{Pages, privacy};
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

pub(super) async fn usage(
    State(pages): State<Pages>,
    Extension(session): Extension<Session>,
) -> Result<Json<Usage>, ListFailed> {
    let viewer = session.viewer();
    Ok(Json(Usage {
        jobs: privacy::jobs(viewer, pages.store.live_jobs(viewer).await?),
        workers: privacy::workers(viewer, pages.store.live_workers(viewer).await?),
    }))
}

pub(super) async fn jobs(
    State(pages): State<Pages>,
    Extension(session): Extension<Session>,
    uri: Uri,
) -> Result<Response, ListFailed> {
    Ok(page(&uri, &read_jobs(&pages, session, &uri).await?))
}

pub(super) async fn workers(
    State(pages): State<Pages>,
    Extension(session): Extension<Session>,
    uri: Uri,
) -> Result<Response, ListFailed> {
    Ok(page(&uri, &read_workers(&pages, session, &uri).await?))
}

/// One page of a list, as somebody may see it.
pub(super) struct Listed<T> {
    /// What was asked for.
    pub(super) params: Params,
    /// The rows of this page.
    pub(super) rows: Vec<T>,
    /// Rows of the whole list, as far as links need it.
    pub(super) total: i64,
}

pub(super) async fn read_jobs(
    pages: &Pages,
    session: Session,
    uri: &Uri,
) -> Result<Listed<JobEntry>, ListFailed> {
    let (store, viewer) = (&pages.store, session.viewer());
    let params = params(uri)?;
    let rows = store.jobs(viewer, params.filter(), params.slice()).await?;
    let total = match params.total_if_last(rows.len()) {
        Some(total) => total,
        None => store.count_jobs(viewer, params.filter()).await?,
    };
    Ok(Listed {
        params,
        rows: privacy::jobs(viewer, rows),
        total,
    })
}

pub(super) async fn read_workers(
    pages: &Pages,
    session: Session,
    uri: &Uri,
) -> Result<Listed<WorkerEntry>, ListFailed> {
    let (store, viewer) = (&pages.store, session.viewer());
    let params = params(uri)?;
    let rows = store
        .workers(viewer, params.filter(), params.slice())
        .await?;
    let total = match params.total_if_last(rows.len()) {
        Some(total) => total,
        None => store.count_workers(viewer, params.filter()).await?,
    };
    Ok(Listed {
        params,
        rows: privacy::workers(viewer, rows),
        total,
    })
}

fn params(uri: &Uri) -> Result<Params, InvalidParameter> {
    Params::parse(uri.query().unwrap_or_default(), Utc::now())
}

fn page<T: Serialize>(uri: &Uri, listed: &Listed<T>) -> Response {
    let mut response = Json(&listed.rows).into_response();
    let link = listed.params.link(uri.path(), listed.total);
    // Paths of ours, digits, dashes and escaped values: always a header's value.
    if let Some(Ok(link)) = link.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

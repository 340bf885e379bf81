//! `GET /trace/…`: reading the log over HTTP, with a bearer token, in the shapes of the replaced service.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use rise_model::{EntityId, EventId, InstallationId, JobId};
use serde_json::json;

use super::App;
use crate::causes::WithCauses;
use crate::store::{StoreError, TraceEvent};

/// What `/trace/` can be asked for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Entity,
    Installation,
    Job,
    Payload,
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "entity" => Some(Self::Entity),
            "installation" => Some(Self::Installation),
            "job" => Some(Self::Job),
            "payload" => Some(Self::Payload),
            _ => None,
        }
    }

    /// What its number is called.
    fn id_name(self) -> &'static str {
        match self {
            Self::Entity => "entity_id",
            Self::Installation => "installation_id",
            Self::Job => "job_id",
            Self::Payload => "event_id",
        }
    }
}

/// A list, its fields in the order of the replaced service.
#[derive(serde::Serialize)]
struct Events {
    events: Vec<TraceEvent>,
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum TraceError {
    #[error("Unauthorized")]
    Unauthorized,
    #[error("Method Not Allowed")]
    NoSuchKind,
    #[error("Invalid {0}")]
    InvalidNumber(&'static str),
    #[error("{0} not found")]
    NotFound(&'static str),
    #[error("The database cannot be read now")]
    Database(#[from] StoreError),
}

impl IntoResponse for TraceError {
    fn into_response(self) -> Response {
        let text = self.to_string();
        match self {
            Self::Unauthorized => {
                let how = [(WWW_AUTHENTICATE, "Bearer")];
                (StatusCode::UNAUTHORIZED, how, text).into_response()
            }
            // On this path, as on any other, there is the webhook.
            Self::NoSuchKind => {
                let allow = [(http::header::ALLOW, "POST")];
                (StatusCode::METHOD_NOT_ALLOWED, allow, text).into_response()
            }
            Self::InvalidNumber(_) => (StatusCode::BAD_REQUEST, text).into_response(),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, text).into_response(),
            Self::Database(error) => {
                tracing::error!(
                    error = %WithCauses(&error),
                    "the log could not be read"
                );
                let later = [(RETRY_AFTER, "5")];
                (StatusCode::SERVICE_UNAVAILABLE, later, text).into_response()
            }
        }
    }
}

/// One read.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Path((kind, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    answer(&app, &kind, &id, &headers)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn answer(
    app: &App,
    kind: &str,
    id: &str,
    headers: &HeaderMap,
) -> Result<Response, TraceError> {
    let kind = Kind::parse(kind).ok_or(TraceError::NoSuchKind)?;
    headers
        .get(AUTHORIZATION)
        .filter(|value| app.bearer.admits(value.as_bytes()))
        .ok_or(TraceError::Unauthorized)?;
    let id: i64 = id
        .parse()
        .map_err(|_| TraceError::InvalidNumber(kind.id_name()))?;
    let entity = match kind {
        Kind::Entity => Some(EntityId(id)),
        Kind::Installation => {
            let installation = InstallationId(id);
            app.read(app.store.entity_of_installation(installation))
                .await?
        }
        Kind::Job => app.read(app.store.entity_of_job(JobId(id))).await?,
        Kind::Payload => {
            let payload = app.read(app.store.payload_of_event(EventId(id))).await?;
            let payload = payload.ok_or(TraceError::NotFound("Payload"))?;
            return Ok(Json(json!({ "payload": payload })).into_response());
        }
    };
    let entity = entity.ok_or(TraceError::NotFound("Entity"))?;
    let events = app.read(app.store.events_of_entity(entity)).await?;
    Ok(Json(Events { events }).into_response())
}

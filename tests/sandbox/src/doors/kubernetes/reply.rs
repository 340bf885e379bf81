//! Answers: objects, lists and refusals, in the form that the client accepts.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::table::{self, RowObject};
use crate::world::Time;
use crate::world::cluster::{ApiError, Kind, Reason};

/// The form in which a client wants objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The objects themselves.
    Whole,
    /// Rows for a terminal, as `kubectl get` prints them.
    Table(RowObject),
    /// Only their metadata.
    Metadata,
}

impl Form {
    /// The first form of the `Accept` header that this server has.
    ///
    /// # Errors
    /// 406 when it has none of them.
    pub(super) fn accepted(headers: &HeaderMap, include_object: &str) -> Result<Self, ApiError> {
        let Some(accept) = headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
        else {
            return Ok(Self::Whole);
        };
        let known = accept.split(',').find_map(|choice| {
            let mut parts = choice.split(';').map(str::trim);
            let json = matches!(parts.next()?, "application/json" | "application/*" | "*/*");
            let form = parts.find_map(|parameter| parameter.strip_prefix("as="));
            match (json, form) {
                (true, None) => Some(Self::Whole),
                (true, Some("Table")) => Some(Self::Table(RowObject::named(include_object))),
                (true, Some("PartialObjectMetadata" | "PartialObjectMetadataList")) => {
                    Some(Self::Metadata)
                }
                _ => None,
            }
        });
        known.ok_or_else(|| {
            let message = "only the following media types are accepted: application/json";
            ApiError::new(Reason::NotAcceptable, message)
        })
    }

    /// One object in this form.
    pub(super) fn object(self, kind: Kind, object: &Value, now: Time) -> Value {
        match self {
            Self::Whole => object.clone(),
            Self::Table(rows) => table::table(kind, &[object], &json!({}), rows, now),
            Self::Metadata => partial(object),
        }
    }

    /// A list in this form.
    pub(super) fn list(self, kind: Kind, objects: &[&Value], metadata: &Value, now: Time) -> Value {
        match self {
            Self::Table(rows) => table::table(kind, objects, metadata, rows, now),
            Self::Whole => json!({
                "kind": format!("{}List", kind.name()), "apiVersion": "v1", "metadata": metadata, "items": objects,
            }),
            Self::Metadata => json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": objects.iter().map(|object| partial(object)).collect::<Vec<_>>(),
            }),
        }
    }
}

/// An object reduced to its metadata.
pub(super) fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
    })
}

/// A refusal as a response.
pub(super) fn refuse(error: &ApiError) -> Response {
    let status =
        StatusCode::from_u16(error.reason.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(error.status())).into_response()
}

/// An object with a status.
pub(super) fn answer(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

/// Plain text.
pub(super) fn text(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], body).into_response()
}

//! `POST` on any path: one delivery from GitHub.
//!
//! Headers are looked at first, then the body is read, then its signature is verified, and only then anything in it is
//! read. The answer is given when the delivery is in the database; what is staging's is answered by staging, and then
//! written.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use rise_model::intake::{
    EventRow, Headers, Intake, IntakeRules, Refusal, WebhookOutcome, clean, decide,
};
use rise_model::{JobId, PodName};

use super::App;
use super::body::{BodyError, Delivered};
use super::secrets::Signature;
use super::staging::StagingError;
use crate::causes::WithCauses;
use crate::store::{StoreError, Written};

/// One text for a signature that is missing, malformed or wrong: which of these it was is nobody's business.
const BAD_SIGNATURE: &str = "Request signatures didn't match!";
/// A larger body is read on a thread where it keeps nobody waiting.
const LARGE_BODY_BYTES: usize = 256 * 1024;
/// GitHub does not come again by itself; the scheduler asks for missed deliveries once a while.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// The webhook on a path that nothing else is on.
pub(super) async fn take_if_post(state: State<Arc<App>>, request: Request) -> Response {
    if request.method() == Method::POST {
        take(state, request).await
    } else {
        let allow = [(ALLOW, "POST")];
        (StatusCode::METHOD_NOT_ALLOWED, allow, "Method Not Allowed").into_response()
    }
}

/// Takes one delivery.
pub(super) async fn take(State(app): State<Arc<App>>, request: Request) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let headers = Arc::new(parts.headers);
    let taken = receive(&app, &headers, body, began).await;
    taken.unwrap_or_else(|failure| {
        // One that staging did not take is in the log, and was counted with it.
        if !matches!(failure, Failure::Staging(_)) {
            app.stats.refused(failure.word());
        }
        failure.told(&headers)
    })
}

async fn receive(
    app: &Arc<App>,
    headers: &Arc<HeaderMap>,
    body: Body,
    began: Instant,
) -> Result<Response, Failure> {
    let signature = match before_body(app, headers) {
        Ok(signature) => signature,
        Err(failure) => {
            // A sender that waits for leave to send is answered at once; another one reads when it has sent.
            if !headers.contains_key(EXPECT) {
                app.budget.skip(body).await;
            }
            return Err(failure);
        }
    };
    // The share of the budget is held to the end: what waits for a slow database takes memory too.
    let Delivered { bytes, share } = app.budget.read(body).await.map_err(Failure::Body)?;
    let intake = if bytes.len() > LARGE_BODY_BYTES {
        let (app, headers, bytes) = (Arc::clone(app), Arc::clone(headers), bytes.clone());
        tokio::task::spawn_blocking(move || verify_and_decide(&app, &headers, &signature, &bytes))
            .await
            .unwrap_or(Err(Failure::Internal))?
    } else {
        verify_and_decide(app, headers, &signature, &bytes)?
    };
    let answer = match intake {
        Intake::Staging { row } => hand_on(app, headers, bytes, row, began).await,
        Intake::Log { .. } | Intake::Job { .. } => write(app, &intake, began)
            .await
            .map(|written| written.answer.into_response()),
    };
    drop(share);
    answer
}

async fn write(app: &App, intake: &Intake, began: Instant) -> Result<Written, Failure> {
    let written = app.intake.record(intake).await.map_err(Failure::from)?;
    if written.job_changed {
        app.wake.ask();
    }
    tell(intake, &written, began);
    app.stats.taken(written.outcome, began.elapsed());
    Ok(written)
}

/// Whoever hears 503 after staging took the delivery brings it again, and staging knows it by its id.
async fn hand_on(
    app: &App,
    headers: &HeaderMap,
    bytes: Bytes,
    row: EventRow,
    began: Instant,
) -> Result<Response, Failure> {
    // There are no repositories of staging's without a way there.
    let staging = app.staging.as_ref().ok_or(Failure::Internal)?;
    match staging.hand_on(headers, bytes).await {
        Ok(answered) => {
            let intake = Intake::Log {
                row,
                outcome: WebhookOutcome::ProxiedToStaging,
                answer: format!("handed to staging, which answered {}", answered.status()),
            };
            write(app, &intake, began).await?;
            Ok(answered)
        }
        Err(error) => {
            write(app, &Intake::Staging { row }, began).await?;
            Err(Failure::Staging(error))
        }
    }
}

/// Why a delivery was not taken.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("Missing X-Github-Event header")]
    NoEvent,
    #[error("{BAD_SIGNATURE}")]
    Signature,
    #[error(transparent)]
    Body(BodyError),
    #[error(transparent)]
    Refused(Refusal),
    #[error("The database cannot take deliveries now")]
    Database(#[source] StoreError),
    #[error("The delivery holds a value that the database cannot store")]
    Unstorable(#[source] StoreError),
    #[error("staging proxy failed")]
    Staging(#[source] StagingError),
    #[error("internal error")]
    Internal,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_about_the_data() {
            Self::Unstorable(error)
        } else {
            Self::Database(error)
        }
    }
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoEvent | Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Signature => StatusCode::UNAUTHORIZED,
            Self::Body(error) => error.status(),
            // To deliver it again would not help.
            Self::Unstorable(_) => StatusCode::BAD_REQUEST,
            Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Staging(_) => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Its name in metrics, beside the outcomes of deliveries that were taken.
    fn word(&self) -> &'static str {
        match self {
            Self::NoEvent => "refused_no_event",
            Self::Signature => "refused_signature",
            Self::Body(_) => "refused_body",
            Self::Refused(_) => "refused_payload",
            Self::Unstorable(_) => "refused_unstorable",
            Self::Database(_) => "failed_database",
            Self::Staging(_) => "proxy_failed",
            Self::Internal => "failed_internal",
        }
    }

    /// Logs it, where it is handled, and makes the answer.
    fn told(self, headers: &HeaderMap) -> Response {
        let status = self.status();
        // From whoever sent it, so escaped and cut.
        let sent =
            |name| text(headers, name).map(|value| value.chars().take(64).collect::<String>());
        let delivery = sent("x-github-delivery");
        let event = sent("x-github-event");
        if status == StatusCode::INTERNAL_SERVER_ERROR
            || matches!(
                self,
                Self::Database(_) | Self::Unstorable(_) | Self::Staging(_)
            )
        {
            tracing::error!(
                delivery.id = delivery,
                delivery.event = event,
                http.status = status.as_u16(),
                error = %WithCauses(&self),
                "a delivery was not taken: {self}"
            );
        } else if matches!(self, Self::NoEvent) {
            // Whoever tries doors on the internet.
            tracing::debug!("a request was refused: {self}");
        } else {
            tracing::warn!(
                delivery.id = delivery,
                delivery.event = event,
                http.status = status.as_u16(),
                "a delivery was refused: {self}"
            );
        }
        let mut answer = (status, self.to_string()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if matches!(self, Self::Body(_)) {
            // What is left of the body would be read as the next request.
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        answer
    }
}

fn before_body(app: &App, headers: &HeaderMap) -> Result<Signature, Failure> {
    if headers
        .get("x-github-event")
        .is_none_or(HeaderValue::is_empty)
    {
        return Err(Failure::NoEvent);
    }
    let signature = headers
        .get("x-hub-signature-256")
        .and_then(|value| Signature::parse(value.as_bytes()))
        .ok_or(Failure::Signature)?;
    app.budget
        .admits(announced(headers))
        .map_err(Failure::Body)?;
    Ok(signature)
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn verify_and_decide(
    app: &App,
    headers: &HeaderMap,
    signature: &Signature,
    body: &[u8],
) -> Result<Intake, Failure> {
    if !app.secrets.signed(body, signature) {
        return Err(Failure::Signature);
    }
    let in_force = app.settings.now();
    let rules = IntakeRules {
        in_force: &in_force,
        apps: &app.apps,
        routing: &app.routing,
        image_tag: &app.image_tag,
        public_only: app.section.public_only,
        staging: &app.staging_repositories,
        stored_payload_bytes: app.section.stored_payload_bytes,
    };
    let event = text(headers, "x-github-event").unwrap_or_default();
    let app_id = text(headers, "x-github-hook-installation-target-id");
    let delivery = text(headers, "x-github-delivery");
    let known = Headers {
        app: app_id.as_deref(),
        delivery: delivery.as_deref(),
    };
    let body = json(headers, body);
    decide(&rules, &event, known, &clean(&body)).map_err(Failure::Refused)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// The JSON of a delivery: the body, or the field `payload` of a form. A body that begins as JSON is JSON, whatever it
/// is called.
fn json<'a>(headers: &HeaderMap, body: &'a [u8]) -> Cow<'a, [u8]> {
    let is_form = text(headers, CONTENT_TYPE.as_str())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !is_form || body.trim_ascii_start().starts_with(b"{") {
        return Cow::Borrowed(body);
    }
    serde_urlencoded::from_bytes::<Vec<(Cow<'_, str>, Cow<'_, str>)>>(body)
        .ok()
        .and_then(|fields| fields.into_iter().find(|(name, _)| name == "payload"))
        .map_or(Cow::Borrowed(body), |(_, payload)| {
            Cow::Owned(payload.into_owned().into_bytes())
        })
}

/// One line a delivery: what became of a job is its story, the rest is for who looks closer.
fn tell(intake: &Intake, written: &Written, began: Instant) {
    let row = intake.row();
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let delivery = row.delivery.map(tracing::field::display);
    match intake {
        Intake::Job { job, .. } => tracing::info!(
            job.id = job.id.0,
            job.labels = %job.labels.set(),
            entity.id = job.entity.0,
            entity.name = job.entity_name,
            entity.r#type = job.entity_kind.as_str(),
            repository.name = job.repository_name,
            pool.name = job.pool.as_str(),
            runner.name = job.runner.as_ref().map(PodName::as_str),
            delivery.id = delivery,
            delivery.event = row.event,
            delivery.outcome = written.outcome.as_str(),
            elapsed_ms,
            "job {} of {} {}",
            job.id,
            job.repository_name,
            what_became_of(job.id, &written.answer),
        ),
        Intake::Log { .. } | Intake::Staging { .. } => tracing::debug!(
            job.id = row.job.map(|id| id.0),
            entity.id = row.entity.id.map(|id| id.0),
            entity.name = row.entity.name,
            delivery.id = delivery,
            delivery.event = row.event,
            delivery.outcome = written.outcome.as_str(),
            elapsed_ms,
            "delivery of {}: {}",
            row.event,
            written.answer,
        ),
    }
}

/// What an answer says of its job: `marked running (was pending)`.
fn what_became_of(job: JobId, answer: &str) -> &str {
    let said = answer.strip_prefix(&format!("Job {job} "));
    said.unwrap_or(answer).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use rise_model::Status;
    use rise_model::intake::{JobAction, Recorded};

    use super::*;

    #[test]
    fn the_log_names_a_job_once() {
        for (action, found, expected) in [
            (JobAction::Queued, Recorded::New, "stored"),
            (
                JobAction::InProgress,
                Recorded::Was(Status::Pending),
                "marked running (was pending)",
            ),
            (
                JobAction::Completed,
                Recorded::New,
                "completed (was unknown)",
            ),
        ] {
            let answer = found.answer(action, JobId(7));
            assert_eq!(what_became_of(JobId(7), &answer), expected);
        }
    }
}

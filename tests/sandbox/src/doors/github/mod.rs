//! GitHub's REST API on the world, with its authentication, limits, conditional requests and delays.
//!
//! A request passes: log → armed faults → trouble by chance → delay → who asks → limits → the operation → ETag. Every
//! operation is a plain function on the world.

mod answers;
mod auth;
mod jobs;
mod log;
mod operation;
mod reply;
mod runners;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query as AxumQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};
use rand::Rng;
use serde_json::Value;
use tokio::sync::watch;

pub use auth::{AppKeys, NoKey};
pub use log::{AnswerRecord, RequestRecord};

use self::answers::{Ask, answer};
use self::log::RequestLog;
use self::operation::Operation;
use self::reply::{Query, Reply};
use super::SharedWorld;
use super::faults::Faults;
use super::trouble::{ApiTrouble, Trouble, one_in};
use crate::world::World;
use crate::world::github::{Allowance, Caller, POINTS_OF_A_CHANGE};

/// The largest body that is read. GitHub's own limit for these operations is not known; none needs a tenth of this.
const MAX_BODY: usize = 1 << 20;

/// The stream of chance for delays and trouble.
const CHANCE_STREAM: u64 = 0x6170_6964;

/// How the door behaves.
#[derive(Debug, Clone)]
pub struct GitHubDoorConfig {
    /// How long each answer takes; nothing for at once.
    pub delay: Option<RangeInclusive<Duration>>,
    /// How many requests are remembered with their answers.
    pub requests_kept: usize,
}

impl Default for GitHubDoorConfig {
    fn default() -> Self {
        let delay = Duration::from_millis(20)..=Duration::from_millis(60);
        Self {
            delay: Some(delay),
            requests_kept: 10_000,
        }
    }
}

/// GitHub's REST API. Clones share one door.
#[derive(Debug, Clone)]
pub struct GitHubDoor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: SharedWorld,
    keys: AppKeys,
    faults: Faults,
    log: RequestLog,
    delay: Option<RangeInclusive<Duration>>,
    trouble: Trouble<ApiTrouble>,
    hook_url: watch::Receiver<Option<String>>,
}

impl GitHubDoor {
    pub(super) fn new(
        config: &GitHubDoorConfig,
        world: SharedWorld,
        keys: AppKeys,
        seed: u64,
        hook_url: watch::Receiver<Option<String>>,
    ) -> Self {
        Self(Arc::new(Inner {
            world,
            keys,
            faults: Faults::default(),
            log: RequestLog::new(config.requests_kept),
            delay: config.delay.clone(),
            trouble: Trouble::none(seed, CHANCE_STREAM),
            hook_url,
        }))
    }

    /// The Apps' keys, whose private halves the product signs with.
    #[must_use]
    pub fn keys(&self) -> &AppKeys {
        &self.0.keys
    }

    /// Trouble on demand.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// From now on requests meet this trouble by chance.
    pub fn set_trouble(&self, trouble: ApiTrouble) {
        self.0.trouble.set(trouble);
    }

    /// The last requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.0.log.all()
    }

    pub(super) fn router(&self) -> Router {
        Router::new()
            .fallback(handle)
            .layer(middleware::from_fn_with_state(self.clone(), delay))
            .layer(middleware::from_fn_with_state(self.clone(), trouble))
            .layer(middleware::from_fn_with_state(self.clone(), fault))
            .layer(middleware::from_fn_with_state(self.clone(), record))
            .with_state(self.clone())
    }
}

/// Notes the request and its answer.
async fn record(State(door): State<GitHubDoor>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_BODY).await else {
        let reply = Reply::error(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large");
        return reply.into_response(None, None);
    };
    let number = door.0.log.begin(RequestRecord {
        number: 0,
        at: door.0.world.read(World::now),
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        operation: operation_name(&parts.method, parts.uri.path()),
        body: serde_json::from_slice(&bytes).ok(),
        answer: None,
    });
    let response = next
        .run(Request::from_parts(parts, Body::from(bytes)))
        .await;
    let (parts, body) = response.into_parts();
    // The body is one of ours and in memory, so it can be read.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body = serde_json::from_slice(&bytes).ok();
    door.0.log.end(
        number,
        AnswerRecord {
            status: parts.status,
            body,
        },
    );
    Response::from_parts(parts, Body::from(bytes))
}

async fn fault(State(door): State<GitHubDoor>, request: Request, next: Next) -> Response {
    let name = operation_name(request.method(), request.uri().path());
    door.0.faults.carry(name, request, next).await
}

async fn delay(State(door): State<GitHubDoor>, request: Request, next: Next) -> Response {
    if let Some(range) = door.0.delay.clone() {
        let pause = door.0.trouble.draw(|_, chance| chance.random_range(range));
        tokio::time::sleep(pause).await;
    }
    next.run(request).await
}

async fn trouble(State(door): State<GitHubDoor>, request: Request, next: Next) -> Response {
    let bad_gateway =
        || Reply::error(StatusCode::BAD_GATEWAY, "Server Error").into_response(None, None);
    let (refuse, garble, limited) = door.0.trouble.draw(|trouble, chance| {
        (
            one_in(trouble.refuse_one_in, chance),
            one_in(trouble.garble_one_in, chance),
            one_in(trouble.limit_one_in, chance).then_some(trouble.retry_after),
        )
    });
    if refuse {
        return bad_gateway();
    }
    if let Some(wait) = limited {
        return too_fast(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX).max(1))
            .into_response(None, None);
    }
    let answer = next.run(request).await;
    if garble { bad_gateway() } else { answer }
}

fn operation_name(method: &Method, path: &str) -> &'static str {
    Operation::of(method, path).map_or("unknown", |operation| operation.name())
}

async fn handle(State(door): State<GitHubDoor>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    if !parts.headers.contains_key(header::USER_AGENT) {
        let message = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
        return Reply::forbidden(message).into_response(None, None);
    }
    let query = AxumQuery::<Query>::try_from_uri(&parts.uri).map(|query| query.0);
    let query = query.unwrap_or_default();
    let operation = Operation::of(&parts.method, parts.uri.path());
    let hook_url = door.0.hook_url.borrow().clone();
    door.0.world.with(|world| {
        let now = world.now();
        let github = &mut world.github;
        let caller = match auth::identify(github, &door.0.keys, &parts.headers, now) {
            Ok(caller) => caller,
            Err(reply) => return reply.into_response(None, None),
        };
        let free = operation == Some(Operation::GetRateLimit);
        let points = if parts.method == Method::GET {
            1
        } else {
            POINTS_OF_A_CHANGE
        };
        let allowance = github.allowance(caller, points, now);
        if let Some(refusal) = refusal(caller, allowance).filter(|_| !free) {
            return refusal.into_response(None, Some(github.rate_limit(caller, now)));
        }
        let ask = Ask {
            caller,
            uri: &parts.uri,
            query,
            body: &body,
            hook_url,
            now,
        };
        let mut reply = match &operation {
            Some(operation) => answer(github, operation, &ask).unwrap_or_else(|refusal| refusal),
            None => Reply::not_found(),
        };
        let etag = (parts.method == Method::GET && reply.status == StatusCode::OK)
            .then(|| etag(&parts.headers, reply.body.as_ref()));
        let known = etag
            .as_deref()
            .is_some_and(|etag| matches(&parts.headers, etag));
        if known {
            reply.status = StatusCode::NOT_MODIFIED;
        }
        if !free && !known {
            github.count_request(caller, points, now);
        }
        reply.into_response(etag.as_deref(), Some(github.rate_limit(caller, now)))
    })
}

/// What a caller hears who asks too much or too fast.
fn refusal(caller: Caller, allowance: Allowance) -> Option<Reply> {
    match allowance {
        Allowance::Granted => None,
        Allowance::Exhausted => {
            let whose = match caller {
                Caller::App(id) => format!("App ID {id}"),
                Caller::Installation(id) => format!("installation ID {}", id.0),
                Caller::Anonymous => "127.0.0.1".to_owned(),
            };
            Some(Reply::forbidden(&format!(
                "API rate limit exceeded for {whose}."
            )))
        }
        Allowance::TooFast(wait) => Some(too_fast(wait.num_seconds() + 1)),
    }
}

/// The secondary limit.
fn too_fast(wait_seconds: i64) -> Reply {
    let message =
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    Reply {
        retry_after_seconds: Some(wait_seconds),
        ..Reply::forbidden(message)
    }
}

/// The tag of a body for this caller: another token sees another tag.
fn etag(headers: &HeaderMap, body: Option<&Value>) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        context.update(value.as_bytes());
    }
    context.update(body.map(ToString::to_string).unwrap_or_default().as_bytes());
    format!("W/\"{}\"", hex::encode(context.finish()))
}

/// Whether the caller already has what this tag names.
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let bare = etag.trim_start_matches("W/");
    let asked = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let mut tags = asked.unwrap_or_default().split(',');
    tags.any(|tag| tag.trim() == "*" || tag.trim().trim_start_matches("W/") == bare)
}

//! The cluster's API server over HTTP: enough of it for `kubectl` and for the `kube` crate.
//!
//! A request passes: token → armed faults → rights → the operation on the world. Watches and followed logs stay open
//! and are woken by the world's changes.

mod answers;
mod discovery;
mod kubeconfig;
mod logs;
mod reply;
mod request;
mod table;
#[cfg(test)]
mod tests;
mod watches;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use std::time::Duration;

use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use axum::middleware::{self, Next};
use axum::response::Response;

pub use kubeconfig::kubeconfig;

use self::kubeconfig::TOKEN_PATH;
use self::request::{Place, Query};
use super::SharedWorld;
use super::faults::Faults;
use crate::world::cluster::{ApiError, Reason};

#[derive(Debug, Clone)]
struct Door {
    world: SharedWorld,
    faults: Faults,
    token: String,
}

/// The API server as the doors serve it.
#[derive(Debug)]
pub struct KubernetesDoor {
    world: SharedWorld,
    faults: Faults,
    token: String,
    delay: Duration,
    pub(super) url: String,
}

impl KubernetesDoor {
    pub(super) fn new(world: SharedWorld, token: Option<String>, delay: Duration) -> Self {
        Self {
            world,
            faults: Faults::default(),
            token: token.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string()),
            delay,
            url: String::new(),
        }
    }

    /// Where it is, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bearer token that callers need.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A kubeconfig for it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        kubeconfig(&self.url, &self.token)
    }

    /// Trouble on demand.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn router(&self) -> Router {
        let delay = self.delay;
        router(self.world.clone(), self.faults.clone(), self.token.clone()).layer(
            middleware::from_fn(move |request: Request<Body>, next: Next| async move {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                next.run(request).await
            }),
        )
    }
}

/// The API server of the cluster in `world`; callers need `token` as a bearer token.
pub fn router(world: SharedWorld, faults: Faults, token: String) -> Router {
    let door = Door {
        world,
        faults,
        token,
    };
    Router::new()
        .fallback(answers::answer)
        .with_state(door.world.clone())
        .layer(middleware::from_fn_with_state(door.clone(), carry))
        .layer(middleware::from_fn_with_state(door, authenticate))
}

/// Lets through who has the token, in the header or in the path.
async fn authenticate(
    State(door): State<Door>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let in_header = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .is_some_and(|token| token == door.token);
    let in_path = take_token(request.uri(), &door.token);
    let open = matches!(
        Place::of(request.uri().path()),
        Place::Health | Place::Version | Place::Description(_)
    );
    let admitted = in_header || in_path.is_some() || open;
    if let Some(uri) = in_path {
        *request.uri_mut() = uri;
    }
    if !admitted {
        return reply::refuse(&ApiError::new(Reason::Unauthorized, "Unauthorized"));
    }
    next.run(request).await
}

/// The address without the token at its beginning, if it has the right one there.
fn take_token(uri: &Uri, token: &str) -> Option<Uri> {
    let whole = uri.path_and_query()?.as_str();
    let rest = whole
        .strip_prefix('/')?
        .strip_prefix(TOKEN_PATH)?
        .strip_prefix('/')?
        .strip_prefix(token)?;
    let path: PathAndQuery = match rest {
        "" => "/".parse().ok()?,
        rest if rest.starts_with('/') => rest.parse().ok()?,
        _ => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

async fn carry(State(door): State<Door>, request: Request<Body>, next: Next) -> Response {
    let place = Place::of(request.uri().path());
    let operation = request::operation(request.method(), &place, &Query::of(request.uri()));
    door.faults.carry(&operation, request, next).await
}

//! The scheduler's HTTP: whether it is alive and ready, and the replaced service's pages, for people and as JSON.
//!
//! Everything but the sign-in form is GET, reads only, and is answered within a set time: a page that cannot be made in time, or while the
//! database fails, is a 503 that says so. Nothing is cached on the way, nothing is guessed from content.

mod access;
mod html;
mod lists;
mod metrics;
mod params;
mod privacy;
mod ready;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use secrecy::SecretString;
use tokio::sync::watch;
use tower_http::set_header::SetResponseHeaderLayer;

use super::metrics::Counters;
use super::status::SchedulerStatus;
use crate::config::PagesSection;
use crate::github::GitHubUsage;
use crate::store::Store;
use crate::store::pages::PagesStore;

/// What browsers and proxies are told with every answer.
const ALWAYS_SENT: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// What pages are made from.
#[derive(Debug, Clone)]
struct Pages {
    store: PagesStore,
    status: watch::Receiver<SchedulerStatus>,
    counters: Arc<Counters>,
    github: GitHubUsage,
    pools: Arc<[String]>,
    limits: PagesSection,
    /// `Prod` or `Staging`, for titles.
    environment: String,
    token: Option<access::Token>,
}

/// What pages tell of this process, besides the tables.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) status: watch::Receiver<SchedulerStatus>,
    pub(super) counters: Arc<Counters>,
    pub(super) github: GitHubUsage,
    /// The configured pools.
    pub(super) pools: Arc<[String]>,
}

/// The scheduler's routes. They read on connections of their own, so that they cannot keep the scheduler waiting.
pub(super) fn router(
    store: &Store,
    sources: Sources,
    limits: PagesSection,
    token: Option<&SecretString>,
) -> Router {
    let pages = Pages {
        environment: capitalised(store.schema()),
        store: store.pages(&limits),
        status: sources.status,
        counters: sources.counters,
        github: sources.github,
        pools: sources.pools,
        limits,
        token: token.and_then(access::Token::of),
    };
    let routes = Router::new()
        .route("/health", get(async || "ok"))
        .route("/ready", get(ready::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/", get(async || Redirect::to("/usage")))
        .route("/usage", get(html::usage::page))
        .route("/history", get(html::jobs::page))
        .route("/jobs", get(html::jobs::page))
        .route("/workers", get(html::workers::page))
        .route("/sign-in", get(access::form).post(access::sign_in))
        .route("/sign-out", post(access::sign_out))
        .route("/usage.json", get(lists::usage))
        .route("/history.json", get(lists::jobs))
        .route("/jobs.json", get(lists::jobs))
        .route("/workers.json", get(lists::workers))
        .method_not_allowed_fallback(async || {
            (
                StatusCode::METHOD_NOT_ALLOWED,
                "this page does not take that method\n",
            )
        })
        .layer(from_fn_with_state(pages.clone(), access::recognise))
        .with_state(pages);
    strict(routes, limits.answer_within.std())
}

/// Every answer comes in time, and with the headers that are always sent.
fn strict(routes: Router, answer_within: Duration) -> Router {
    let timed = routes.layer(from_fn(move |request: Request, next: Next| async move {
        tokio::time::timeout(answer_within, next.run(request))
            .await
            .unwrap_or_else(|_| too_slow())
    }));
    ALWAYS_SENT
        .into_iter()
        .fold(timed, |router, (name, value)| {
            router.layer(SetResponseHeaderLayer::if_not_present(
                name,
                HeaderValue::from_static(value),
            ))
        })
}

/// `prod` as `Prod`.
fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn too_slow() -> Response {
    let text = "this page could not be made in time; ask for less, or later\n";
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

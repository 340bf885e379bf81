//! Lists of many pages, and redirects, from stand-ins that answer as a test says.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use rise_model::span::Span;
use rise_model::{EntityKind, InstallationId, RunnerGroupId, RunnerId};
use sandbox::world::github::GitHubConfig;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::support::{ORG, client_of, labels, open_with, org};
use crate::github::{Access, GitHub, GitHubErrorKind, RunnerDeletion};

const ACCESS: Access = Access {
    kind: EntityKind::Organization,
    installation: InstallationId(1),
};

type Answering = fn(&Method, &str) -> Response;

struct StandIn {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    serving: AbortHandle,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl StandIn {
    /// Gives out tokens and answers everything else as told.
    async fn new(answering: Answering) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new()
            .fallback(answer)
            .with_state((answering, asked.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            asked,
            serving: serving.abort_handle(),
        }
    }

    fn client(&self) -> GitHub {
        client_of(&self.url)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    State((answering, asked)): State<(Answering, Arc<Mutex<Vec<String>>>)>,
    request: Request,
) -> Response {
    let uri = request.uri().to_string();
    if uri.ends_with("/access_tokens") {
        let token = json!({"token": "ghs_standin", "expires_at": "2999-01-01T00:00:00Z"});
        return (StatusCode::CREATED, axum::Json(token)).into_response();
    }
    let signed = request.headers().get(header::AUTHORIZATION);
    assert_eq!(signed.unwrap(), "Bearer ghs_standin");
    asked
        .lock()
        .unwrap()
        .push(format!("{} {uri}", request.method()));
    answering(request.method(), &uri)
}

fn runners(ids: std::ops::Range<i64>, total: u64, next: bool) -> Response {
    let runners: Vec<Value> = ids
        .map(|id| {
            json!({"id": id, "name": format!("r-{id}"), "os": "linux", "status": "offline",
                   "busy": false, "labels": []})
        })
        .collect();
    let body = axum::Json(json!({"total_count": total, "runners": runners}));
    if next {
        let link = "<https://elsewhere.invalid/?page=9>; rel=\"next\"";
        ([(header::LINK, link)], body).into_response()
    } else {
        body.into_response()
    }
}

fn incomplete(kind: &GitHubErrorKind) -> Option<(u64, u64)> {
    match kind {
        GitHubErrorKind::Incomplete { got, expected } => Some((*got, *expected)),
        _ => None,
    }
}

async fn list(answering: Answering) -> Result<Vec<i64>, GitHubErrorKind> {
    let stand_in = StandIn::new(answering).await;
    match stand_in.client().list_runners(ACCESS, &org(), None).await {
        Ok(runners) => Ok(runners.iter().map(|runner| runner.id.0).collect()),
        Err(error) => Err(error.kind().clone()),
    }
}

#[tokio::test]
async fn the_pretend_github_gives_a_list_of_many_pages_whole() {
    // So many registrations at once would meet the secondary limit, which is not what this is about.
    let mut world = GitHubConfig::quiet();
    world.rules.points_limit = None;
    let it = open_with(world, Span::seconds(10)).await;
    let access = it.access(ORG);
    for number in 0..150 {
        let name = format!("r-{number}");
        it.github
            .create_jit_config(
                access,
                &org(),
                &name.as_str().into(),
                RunnerGroupId(1),
                &labels(),
            )
            .await
            .unwrap();
    }
    let runners = it.github.list_runners(access, &org(), None).await.unwrap();
    assert_eq!(runners.len(), 150);
    assert_eq!(it.asked("list_runners"), 2);
}

#[tokio::test]
async fn all_pages_are_read_wherever_the_link_points() {
    let all = list(|_, uri| match uri {
        _ if uri.ends_with("page=1") => runners(0..100, 150, true),
        _ => runners(100..150, 150, false),
    });
    assert_eq!(all.await.unwrap().len(), 150);
}

#[tokio::test]
async fn a_page_that_fails_fails_the_list() {
    let failed = list(|_, uri| match uri {
        _ if uri.ends_with("page=1") => runners(0..100, 150, true),
        _ => StatusCode::BAD_GATEWAY.into_response(),
    });
    let kind = failed.await.unwrap_err();
    assert!(matches!(kind, GitHubErrorKind::Server { status: 502 }));
}

#[tokio::test]
async fn a_list_that_moves_while_it_is_read_is_no_list() {
    // One of the first page left: the hundred and first is on page one now, which was read already.
    let shrunk = list(|_, uri| match uri {
        _ if uri.ends_with("page=1") => runners(0..100, 150, true),
        _ => runners(101..150, 149, false),
    });
    assert_eq!(incomplete(&shrunk.await.unwrap_err()), Some((149, 149)));
    let short = list(|_, _| runners(0..3, 5, false));
    assert_eq!(incomplete(&short.await.unwrap_err()), Some((3, 5)));
    let empty = list(|_, _| axum::Json(json!({})).into_response());
    let kind = empty.await.unwrap_err();
    assert!(matches!(
        kind,
        GitHubErrorKind::Unexpected { status: 200, .. }
    ));
}

#[tokio::test]
async fn a_read_follows_a_rename_on_the_same_host() {
    let stand_in = StandIn::new(|_, uri| {
        if uri.starts_with("/orgs/ggml-org/") {
            let there = [(header::LOCATION, "/organizations/7/actions/runners/5")];
            return (StatusCode::MOVED_PERMANENTLY, there).into_response();
        }
        let runner = json!({"id": 5, "name": "r", "status": "online", "busy": false, "labels": []});
        axum::Json(runner).into_response()
    })
    .await;
    let runner = stand_in
        .client()
        .get_runner(ACCESS, &org(), RunnerId(5))
        .await
        .unwrap();
    assert_eq!(runner.id, RunnerId(5));
    assert_eq!(stand_in.asked().len(), 2);
}

#[tokio::test]
async fn a_change_follows_nothing() {
    for status in [301, 302, 307, 308] {
        let answering: Answering = match status {
            301 => |_, _| moved(StatusCode::MOVED_PERMANENTLY),
            302 => |_, _| moved(StatusCode::FOUND),
            307 => |_, _| moved(StatusCode::TEMPORARY_REDIRECT),
            _ => |_, _| moved(StatusCode::PERMANENT_REDIRECT),
        };
        let stand_in = StandIn::new(answering).await;
        let client = stand_in.client();
        let deleted = client.delete_runner(ACCESS, &org(), RunnerId(5)).await;
        let made = client
            .create_jit_config(ACCESS, &org(), &"r".into(), RunnerGroupId(1), &labels())
            .await;
        for error in [deleted.unwrap_err(), made.unwrap_err()] {
            assert!(
                matches!(error.kind(), GitHubErrorKind::Unexpected { status: s, .. } if *s == status),
                "{error}"
            );
            assert!(!error.answer_unknown());
        }
        assert_eq!(stand_in.asked().len(), 2, "each was sent once");
    }
}

fn moved(status: StatusCode) -> Response {
    (status, [(header::LOCATION, "/somewhere")]).into_response()
}

#[tokio::test]
async fn a_read_is_not_led_to_another_host() {
    let stand_in = StandIn::new(|_, _| {
        let away = [(header::LOCATION, "http://127.0.0.1:9/steal")];
        (StatusCode::FOUND, away).into_response()
    })
    .await;
    let error = stand_in
        .client()
        .get_runner(ACCESS, &org(), RunnerId(5))
        .await
        .unwrap_err();
    assert!(matches!(
        error.kind(),
        GitHubErrorKind::Unexpected { status: 302, .. }
    ));
}

#[tokio::test]
async fn a_deletion_without_a_body_is_understood() {
    let stand_in = StandIn::new(|method, _| {
        assert_eq!(method, Method::DELETE);
        StatusCode::NO_CONTENT.into_response()
    })
    .await;
    let deletion = stand_in
        .client()
        .delete_runner(ACCESS, &org(), RunnerId(5))
        .await;
    assert_eq!(deletion.unwrap(), RunnerDeletion::Deleted);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_quoted() {
    let stand_in = StandIn::new(|_, _| {
        let odd = json!({"runner": {"id": "x"}, "encoded_jit_config": "c2VjcmV0"});
        (StatusCode::CREATED, axum::Json(odd)).into_response()
    })
    .await;
    let error = stand_in
        .client()
        .create_jit_config(ACCESS, &org(), &"r".into(), RunnerGroupId(1), &labels())
        .await
        .unwrap_err();
    assert!(error.answer_unknown(), "it was made, whatever it was");
    assert!(!format!("{error:?}").contains("c2VjcmV0"));
}

#[tokio::test]
async fn names_cannot_change_the_path() {
    let stand_in = StandIn::new(|_, _| StatusCode::NOT_FOUND.into_response()).await;
    let odd = rise_model::ScopeName::Organization("a/../b?c".to_owned());
    let _ = stand_in
        .client()
        .get_runner(ACCESS, &odd, RunnerId(5))
        .await
        .unwrap_err();
    assert_eq!(
        stand_in.asked(),
        ["GET /orgs/a%2F..%2Fb%3Fc/actions/runners/5"]
    );
}

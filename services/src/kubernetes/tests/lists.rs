//! Lists of many pages, from a stand-in that cuts them as a test says.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rise_model::Time;
use rise_model::cluster::{Listed, Pod};
use serde_json::{Value, json};

use super::support::{StandIn, input, section};
use crate::kubernetes::{KubernetesError, KubernetesErrorKind, shape};

const QUERY: &str = "labelSelector=app%3Drise-riscv-runner&limit=500";

/// Lists pods from an API server that answers each query as told.
async fn list(answering: fn(&str) -> Response) -> Result<Listed<Pod>, KubernetesError> {
    let answer = |State(answering): State<fn(&str) -> Response>, RawQuery(query): RawQuery| async move {
        answering(query.unwrap_or_default().trim_start_matches('&'))
    };
    let router = Router::new()
        .route(
            "/api/v1/namespaces/default/pods",
            axum::routing::get(answer),
        )
        .with_state(answering);
    let stand_in = StandIn::serve(router, section()).await;
    stand_in.cluster.list_pods().await
}

fn page(names: &[&str], next: &str) -> Response {
    let items: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut pod = shape::pod(&input(name), "jit");
            pod["metadata"]["creationTimestamp"] = json!("2026-11-24T10:00:00Z");
            pod
        })
        .collect();
    let metadata = json!({ "resourceVersion": "7", "continue": next });
    let list = json!({
        "apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": items,
    });
    axum::Json(list).into_response()
}

#[tokio::test]
async fn all_pages_are_read() {
    let before = Time::from(std::time::SystemTime::now());
    let listed = list(|query| {
        let rest = query.strip_prefix(QUERY).expect("ours, in pages");
        match rest {
            "" => page(&["a", "b"], "two"),
            "&continue=two" => page(&["c"], "three"),
            "&continue=three" => page(&["d"], ""),
            _ => StatusCode::BAD_REQUEST.into_response(),
        }
    });
    let listed = listed.await.unwrap();
    let names: Vec<_> = listed.items.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert!(listed.begun_at >= before);
}

#[tokio::test]
async fn a_list_whose_page_fails_is_no_list() {
    let listed = list(|query| match query {
        QUERY => page(&["a", "b"], "two"),
        _ => (StatusCode::GONE, "too old").into_response(),
    });
    let error = listed.await.unwrap_err();
    assert!(
        matches!(error.kind(), KubernetesErrorKind::Expired),
        "{error}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_not_quoted() {
    let listed = list(|_| {
        let odd = json!({
            "apiVersion": "v1", "kind": "PodList", "metadata": {},
            "items": [{ "spec": { "containers": [{ "name": "runner", "env": "c2VjcmV0" }] } }],
        });
        axum::Json(odd).into_response()
    });
    let error = listed.await.unwrap_err();
    assert!(
        matches!(error.kind(), KubernetesErrorKind::Unexpected { .. }),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("c2VjcmV0"));
}

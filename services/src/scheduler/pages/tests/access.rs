//! What is seen with the token and without it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt;

use super::{Answer, get, guarded, routes};
use crate::store::testing::TestDatabase;

const TOKEN: &str = "open sesame & more";

/// A public, a private and an unknown job, each with a worker; one worker of an organisation.
const ROWS: &str = r#"
    INSERT INTO jobs (job_id, status, failure_info, provider, entity_id, entity_name, entity_type, repo_full_name,
        installation_id, k8s_pool, k8s_image, k8s_pod, sender_login, private, job_name)
    SELECT n, 'running', '{"version":1,"message":"why","events":[{"reason":"secret-event"}]}', 'github', n, 'user-' || n,
        'User', 'user-' || n || '/repo', 1, 'p', 'i', 'w-' || n, 'sender-' || n,
        CASE n WHEN 1 THEN false WHEN 2 THEN true END, 'name-' || n
    FROM generate_series(1, 3) AS n;
    INSERT INTO workers (pod_name, status, provider, entity_id, entity_name, entity_type, installation_id,
        repo_full_name, k8s_pool, k8s_image, failure_info)
    SELECT 'w-' || n, 'running', 'github', n, 'user-' || n, 'User', 1, CASE WHEN n < 4 THEN 'user-' || n || '/repo' END,
        'p', 'i', '{"version":2,"reason":"pod_failed","pod_reason":"Evicted","pod_message":"secret-message",
        "containers":{"runner":{"exit_code":137,"reason":"Error","message":"secret-words","logs":"secret-log"}},
        "events":[{"type":"Warning","reason":"secret-event","message":"m"}],"collect_error":"secret-error"}'
    FROM generate_series(1, 4) AS n;
    INSERT INTO alerts (name, subject, text) VALUES ('an_alert', 'secret-subject', 'secret-text');
"#;

async fn ask(routes: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(routes, request.body(Body::empty()).unwrap()).await
}

async fn answer(routes: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = routes.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, 1 << 24).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

async fn post(routes: &Router, path: &str, form: &str) -> Answer {
    let request = Request::builder()
        .method("POST")
        .uri(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    answer(routes, request).await
}

fn ids(rows: &Value, name: &str) -> Vec<String> {
    let rows = rows.as_array().unwrap();
    let mut ids: Vec<String> = rows.iter().map(|row| row[name].to_string()).collect();
    ids.sort();
    ids
}

const HIDDEN: [&str; 7] = [
    "user-2", "user-3", "name-2", "name-3", "secret-", "w-2", "sender-",
];

#[tokio::test]
async fn without_the_token_nothing_private_is_seen() {
    let database = TestDatabase::create().await;
    database.execute(ROWS).await;
    let routes = guarded(&database, TOKEN);
    for path in [
        "/usage",
        "/jobs",
        "/workers",
        "/usage.json",
        "/jobs.json",
        "/history.json",
        "/workers.json",
        "/jobs?job=2",
        "/workers?worker=w-2",
        "/jobs.json?worker=w-3",
        "/jobs?repo=user-2/repo",
        "/workers?entity=2",
    ] {
        let page = get(&routes, path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        // What was asked for is shown again.
        let mut shown = page.text;
        for asked in ["user-2/repo", "worker=w-2"] {
            if path.contains(asked) {
                shown = shown.replace(asked, "");
            }
        }
        for hidden in HIDDEN {
            assert!(!shown.contains(hidden), "{path} shows {hidden}: {shown}");
        }
    }
    let jobs = get(&routes, "/jobs.json").await.json();
    assert_eq!(ids(&jobs, "job_id"), ["1"]);
    assert_eq!(
        jobs[0]["failure_info"].to_string(),
        r#"{"message":"why","version":1}"#
    );
    let workers = get(&routes, "/workers.json").await.json();
    assert_eq!(ids(&workers, "pod_name"), [r#""w-1""#, r#""w-4""#]);
    assert_eq!(
        workers[0]["failure_info"],
        serde_json::json!({"version": 2, "reason": "pod_failed", "pod_reason": "Evicted",
            "containers": {"runner": {"exit_code": 137, "reason": "Error"}}})
    );
    let usage = get(&routes, "/usage.json").await.json();
    assert_eq!(ids(&usage["jobs"], "job_id"), ["1"]);
    // Counts name nobody, and say that they count more.
    let usage = get(&routes, "/usage").await.text;
    assert!(usage.contains("2 jobs of private repositories are counted but not named here."));
    assert!(usage.contains("an alert"));
    let total = get(&routes, "/jobs").await.text;
    assert!(total.contains("1 job, newest first"), "{total}");
}

#[tokio::test]
async fn with_the_token_everything_is_seen() {
    let database = TestDatabase::create().await;
    database.execute(ROWS).await;
    let routes = guarded(&database, TOKEN);
    let bearer = format!("Bearer {TOKEN}");
    let open = super::routes(&database);
    let signed = post(&routes, "/sign-in", "token=open+sesame+%26+more").await;
    assert_eq!(signed.status, StatusCode::SEE_OTHER);
    assert_eq!(signed.headers[header::LOCATION], "/usage");
    let set = signed.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        set.ends_with("; HttpOnly; SameSite=Lax") && set.contains("; Path=/; Max-Age="),
        "{set}"
    );
    assert!(!set.contains("sesame"));
    let cookie = set.split_once(';').unwrap().0;
    for headers in [[("authorization", bearer.as_str())], [("cookie", cookie)]] {
        for path in ["/jobs.json", "/workers.json", "/usage.json"] {
            let seen = ask(&routes, path, &headers).await.text;
            assert_eq!(seen, get(&open, path).await.text, "{path}");
            assert!(seen.contains("secret-event"), "{path}");
        }
        let page = ask(&routes, "/workers", &headers).await.text;
        assert!(page.contains("secret-log") && page.contains("Sign out"));
        let page = ask(&routes, "/jobs", &headers).await.text;
        assert!(page.contains("sender-2"));
    }
    assert_eq!(
        ids(&get(&open, "/jobs.json").await.json(), "job_id"),
        ["1", "2", "3"]
    );
    assert!(!get(&open, "/jobs").await.text.contains("signs in"));
}

#[tokio::test]
async fn a_token_in_the_address_becomes_a_cookie_and_leaves_the_address() {
    let database = TestDatabase::create().await;
    let routes = guarded(&database, TOKEN);
    let path = "/jobs?status=failed&token=open%20sesame%20%26%20more";
    let led = ask(&routes, path, &[("x-forwarded-proto", "https")]).await;
    assert_eq!(led.status, StatusCode::SEE_OTHER);
    assert_eq!(led.headers[header::LOCATION], "/jobs?status=failed");
    let cookie = led.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    for wrong in ["/jobs?token=x", "/jobs.json?token="] {
        let refused = get(&routes, wrong).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(refused.text.contains("That is not the token."));
        assert!(refused.headers.get(header::SET_COOKIE).is_none());
    }
    let refused = post(&routes, "/sign-in", "token=open").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let out = post(&routes, "/sign-out", "").await;
    assert!(
        out.headers[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
}

#[tokio::test]
async fn without_a_token_set_there_is_nothing_to_sign_in_to() {
    let database = TestDatabase::create().await;
    let open = routes(&database);
    assert_eq!(get(&open, "/sign-in").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        post(&open, "/sign-in", "token=x").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(get(&open, "/jobs?token=x").await.status, StatusCode::OK);
}

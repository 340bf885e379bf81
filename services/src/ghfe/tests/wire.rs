//! What the replaced service answers and keeps, to the letter, where no other test holds it already. The table of all of it,
//! and which test holds what, is in `tests/integration/wire.rs`.

use super::published::workflow_jobs;
use super::*;

/// Keys that go from `sender` and `repository.owner`.
const OF_AN_ACCOUNT: &str = "url html_url gists_url repos_url avatar_url events_url starred_url followers_url \
    following_url organizations_url subscriptions_url received_events_url";
const OF_AN_ORGANIZATION: &str =
    "url hooks_url repos_url avatar_url events_url issues_url members_url public_members_url";
const OF_A_JOB: &str = "url run_url check_run_url steps";
const OF_A_REPOSITORY: &str = "url license git_url ssh_url svn_url html_url keys_url tags_url blobs_url clone_url \
    forks_url hooks_url pulls_url teams_url trees_url events_url issues_url labels_url merges_url mirror_url archive_url \
    commits_url compare_url branches_url comments_url contents_url git_refs_url git_tags_url releases_url statuses_url \
    assignees_url downloads_url languages_url milestones_url stargazers_url deployments_url git_commits_url \
    subscribers_url contributors_url issue_events_url subscription_url collaborators_url issue_comment_url \
    notifications_url";

/// Adds keys to an object.
fn add(value: &mut Value, keys: &str) {
    for key in keys.split_whitespace() {
        value[key] = json!({ "of": key });
    }
}

#[tokio::test]
async fn trim_workflow_job_payload() {
    let world = World::new().await;
    let mut kept = base();
    kept["sender"] =
        json!({ "id": 8, "login": "s", "type": "User", "site_admin": false, "kept_url": "k" });
    kept["organization"] =
        json!({ "id": 9, "login": "o", "html_url": "kept here", "description": null });
    kept["workflow_job"]["html_url"] = json!("https://example.com");
    kept["workflow_job"]["run_id"] = json!(9_007_199_254_740_993_i64);
    kept["workflow_job"]["steps_url"] = json!("kept: another key");
    kept["workflow_job"]["deep"] = json!({ "url": "kept: not at that place", "license": 1 });
    kept["repository"]["topics"] = json!(["url", { "url": "kept" }]);
    kept["url"] = json!("kept: at the top");
    let mut sent = kept.clone();
    add(&mut sent["sender"], OF_AN_ACCOUNT);
    add(&mut sent["repository"]["owner"], OF_AN_ACCOUNT);
    add(&mut sent["organization"], OF_AN_ORGANIZATION);
    add(&mut sent["workflow_job"], OF_A_JOB);
    add(&mut sent["repository"], OF_A_REPOSITORY);
    world
        .send(Delivery::job(&sent))
        .await
        .is(200, "Job 7 stored.");
    let stored = world.event().await["payload"].clone();
    assert_eq!(
        stored, kept,
        "all else is kept, and numbers to their last digit"
    );
}

/// A delivery with two faults is answered for the one that the replaced service looks at first.
#[tokio::test]
async fn the_order_of_checks() {
    let world = World::new().await;
    let mut nothing = Delivery::of("workflow_job", "{bogus");
    (nothing.event, nothing.signature, nothing.app) = (None, None, Some("abc"));
    world
        .send(nothing)
        .await
        .is(400, "Missing X-Github-Event header");
    let mut unsigned = Delivery::of("workflow_job", "{bogus");
    (unsigned.signature, unsigned.app) = (None, None);
    let answer = world.send(unsigned).await;
    answer.is(401, "Request signatures didn't match!");
    let mut nobody_s = Delivery::of("workflow_job", "{bogus");
    nobody_s.app = None;
    let text = "Missing X-GitHub-Hook-Installation-Target-Id header";
    world.send(nobody_s).await.is(400, text);
    // Each of these lacks what the ones before it lack not, and everything after it.
    let places = [
        ("/repository", "Missing repository in payload"),
        ("/installation", "Missing installation in payload"),
        ("/workflow_job", "Missing workflow_job in payload"),
        ("/repository/owner", "Missing repository.owner in payload"),
        ("/repository/owner/id", "Owner ID is missing in payload"),
        ("/repository/owner/type", "unsupported entity type: \"\""),
        ("/workflow_job/id", "Job ID is missing in payload"),
        (
            "/repository/full_name",
            "Repository full name is missing in payload",
        ),
        ("/repository/id", "Repository ID is missing in payload"),
        ("/installation/id", "Installation ID is missing in payload"),
        (
            "/repository/owner/login",
            "Entity name is missing in payload",
        ),
        ("/workflow_job/html_url", "HTML URL is missing in payload"),
    ];
    for first in 0..places.len() {
        let mut body = base();
        for (pointer, _) in places[first..].iter().rev() {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            if let Some(parent) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.remove(key);
            }
        }
        world
            .send(Delivery::job(&body))
            .await
            .is(400, places[first].1);
    }
    // An action that means nothing is told before what the job lacks, and a job without our labels before what a
    // queued one needs.
    let mut waiting = without("/workflow_job/id");
    waiting["action"] = json!("waiting");
    world
        .send(Delivery::job(&waiting))
        .await
        .is(200, "Ignoring action: waiting");
    let mut not_ours = without("/installation/id");
    not_ours["workflow_job"]["labels"] = json!(["ubuntu-latest"]);
    let text = "Ignoring job: missing required platform label";
    world.send(Delivery::job(&not_ours)).await.is(200, text);
    assert_eq!(world.count("jobs").await, 0);
    assert_eq!(world.count("installation_events").await, 2);
}

/// Clients of the replaced service read its answers as plain text that ends with its last word.
#[tokio::test]
async fn answers_are_plain_text_without_a_last_line_end() {
    let world = World::new().await;
    let mut unsigned = Delivery::of("ping", "{}");
    unsigned.signature = None;
    for (delivery, status) in [
        (Delivery::of("ping", "{}"), 200),
        (Delivery::job(&base()), 200),
        (Delivery::of("workflow_job", "{bogus"), 400),
        (Delivery::job(&without("/workflow_job")), 400),
        (unsigned, 401),
    ] {
        let mut request = world.service.client.post(&world.service.base);
        for (name, value) in delivery.headers() {
            request = request.header(name, value);
        }
        let response = request.body(delivery.body).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        let text = response.text().await.unwrap();
        assert_eq!(text.trim(), text);
        assert!(!text.is_empty());
    }
}

/// Only a job that is queued needs its page; whose it is every delivery must tell, for each may be the first that is heard
/// of it. The replaced service, which stored nothing then, did not ask.
#[tokio::test]
async fn in_progress_and_completed_need_what_stores_a_job() {
    for word in ["in_progress", "completed"] {
        let world = World::new().await;
        for (pointer, text) in [
            ("/installation/id", "Installation ID is missing in payload"),
            (
                "/repository/owner/login",
                "Entity name is missing in payload",
            ),
        ] {
            let mut body = without(pointer);
            body["action"] = json!(word);
            world.send(Delivery::job(&body)).await.is(400, text);
        }
        let mut body = without("/workflow_job/html_url");
        body["action"] = json!(word);
        assert_eq!(world.send(Delivery::job(&body)).await.status, 200);
        assert_eq!(world.count("jobs").await, 1);
        assert_eq!(world.count("installation_events").await, 1);
    }
}

/// Each published payload of a job, as if its labels were ours: its action decides, its row is written.
#[tokio::test]
async fn published_jobs_with_our_labels() {
    let payloads = workflow_jobs();
    if payloads.is_empty() {
        eprintln!("skipped: the published payloads are not here");
        return;
    }
    for mut body in payloads {
        let world = World::new().await;
        body["workflow_job"]["labels"] = json!(["ubuntu-24.04-riscv"]);
        if body["installation"].is_null() {
            body["installation"] = json!({ "id": 1 });
        }
        let (job, word) = (body["workflow_job"]["id"].clone(), body["action"].clone());
        let answer = world.send(Delivery::job(&body)).await;
        let (text, status, outcome) = match word.as_str().unwrap() {
            "queued" => (format!("Job {job} stored."), "pending", "job_stored"),
            "in_progress" => (
                format!("Job {job} marked running (was unknown)."),
                "running",
                "job_marked_running",
            ),
            "completed" => (
                format!("Job {job} completed (was unknown)."),
                "completed",
                "job_marked_completed",
            ),
            other => (format!("Ignoring action: {other}"), "", "ignored_action"),
        };
        answer.is(200, &text);
        let event = world.event().await;
        assert_eq!(event["outcome"], outcome);
        assert_eq!(
            event["event"],
            format!("workflow_job.{}", word.as_str().unwrap())
        );
        let row = world.job(job.as_i64().unwrap()).await;
        assert_eq!(row["status"].as_str().unwrap_or_default(), status);
        if !row.is_null() {
            assert_eq!(row["repo_full_name"], body["repository"]["full_name"]);
            assert_eq!(row["entity_id"], body["repository"]["owner"]["id"]);
            assert_eq!(row["html_url"], body["workflow_job"]["html_url"]);
        }
    }
}

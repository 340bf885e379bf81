//! `rise trace` against a running ghfe: each cause is made to happen, as far as possible at the pretend GitHub, and found.

use sandbox::doors::webhooks::signature;
use sandbox::world::github::AppKind;
use serde_json::{Value, json};

use crate::rise::{Answer, run};
use crate::support::{Given, ORG_REPO, ORG_REPO_2, Rig, holds};

const ORG: &str = "sandbox-vectorworks";
const ORGANIZATION_APP: i64 = 2_167_633;

/// ghfe and the pretend GitHub, whose installations were announced.
async fn rig(config: &str) -> Rig {
    let mut given = Given::boards(1).config(config);
    given.github.announce_installations = true;
    let rig = Rig::without_scheduler(given).await;
    rig.until("the installations are logged", async || {
        let logged = rows(&rig, "event = 'installation.created'").await;
        holds(logged == 5, logged)
    })
    .await;
    alive(&rig).await;
    rig
}

async fn rows(rig: &Rig, which: &str) -> i64 {
    let query = format!("SELECT count(*) FROM installation_events WHERE {which}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        .fetch_one(&rig.sql)
        .await
        .unwrap()
}

async fn execute(rig: &Rig, statement: &str) {
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&rig.sql)
        .await
        .unwrap();
}

/// A scheduler gave a sign of life just now, and will for a while.
async fn alive(rig: &Rig) {
    execute(
        rig,
        "INSERT INTO scheduler_state (epoch, round, at, state) VALUES (1, 1, now() + interval '1 h', '{}')",
    )
    .await;
}

fn trace(rig: &Rig, line: &str) -> Answer {
    let url = rig.ghfe().url();
    let api = rig.doors.github_url();
    run(
        &format!("trace {line}"),
        &[
            ("RISE_URL", &url),
            ("TRACE_API_SECRET", "trace"),
            ("GITHUB_API_URL", api),
        ],
    )
}

fn cause(rig: &Rig, line: &str) -> String {
    let answer = trace(rig, &format!("{line} --json"));
    assert_eq!(answer.status, 0, "{}", answer.err);
    let verdict = &answer.json()["verdict"];
    verdict["cause"].as_str().unwrap().to_owned()
}

/// A delivery that the pretend GitHub does not make by itself.
async fn deliver(rig: &Rig, event: &str, payload: &Value) {
    let body = payload.to_string();
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(rig.ghfe().url())
        .header("X-GitHub-Event", event)
        .header("X-GitHub-Delivery", uuid::Uuid::new_v4().to_string())
        .header(
            "X-GitHub-Hook-Installation-Target-Id",
            ORGANIZATION_APP.to_string(),
        )
        .header(
            "X-Hub-Signature-256",
            signature("sandbox-webhook-secret", body.as_bytes()),
        )
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

async fn logged(rig: &Rig, event: &str) {
    rig.until("it is logged", async || {
        let count = rows(rig, &format!("event = '{event}'")).await;
        holds(count > 0, event)
    })
    .await;
}

async fn pushed(rig: &Rig, repository: &str) -> i64 {
    let job = rig.push_long(repository);
    rig.until("the job is stored", async || {
        holds(rig.job(job).await.is_some(), job.0)
    })
    .await;
    job.0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_owners_do_to_installations_is_found() {
    let rig = rig("").await;
    assert_eq!(cause(&rig, "--entity-name sandbox-ada"), "nothing_found");
    assert_eq!(cause(&rig, "--entity-id 4711"), "not_installed");

    // Uninstalled, and installed again.
    let job = pushed(&rig, ORG_REPO).await;
    let act = |act: &dyn Fn(&mut sandbox::world::github::GitHub, sandbox::world::Time)| {
        rig.with(|world| {
            let now = world.now();
            act(&mut world.github, now);
        });
    };
    act(&|github, now| github.uninstall(ORG, now).unwrap());
    logged(&rig, "installation.deleted").await;
    assert_eq!(cause(&rig, &format!("--job-id {job}")), "uninstalled");
    assert_eq!(cause(&rig, &format!("--repo {ORG_REPO_2}")), "uninstalled");
    act(&|github, now| {
        github.install(ORG, AppKind::Organization, now).unwrap();
    });
    rig.until("it is installed again", async || {
        let count = rows(&rig, "event = 'installation.created'").await;
        holds(count == 6, count)
    })
    .await;
    assert_eq!(cause(&rig, &format!("--job-id {job}")), "reinstalled");
    // What is asked of the account now is its oldest job, which has no reason yet.
    assert_eq!(
        cause(&rig, &format!("--repo {ORG_REPO_2}")),
        "nothing_found"
    );

    // Suspended.
    act(&|github, now| github.suspend("sandbox-openkernel", now).unwrap());
    logged(&rig, "installation.suspend").await;
    assert_eq!(cause(&rig, "--repo sandbox-openkernel/boot"), "suspended");

    // Taken from the repositories.
    act(&|github, now| {
        github
            .deselect_repository("ggml-org/whisper.cpp", now)
            .unwrap();
    });
    logged(&rig, "installation_repositories.removed").await;
    assert_eq!(
        cause(&rig, "--repo ggml-org/whisper.cpp"),
        "repository_removed"
    );
    assert_eq!(cause(&rig, "--repo ggml-org/llama.cpp"), "nothing_found");

    // Never selected.
    let payload = json!({
        "action": "created",
        "installation": {
            "id": 77, "account": {"id": 4712, "login": "some", "type": "Organization"},
            "target_id": 4712, "target_type": "Organization", "repository_selection": "selected",
        },
        "repositories": [{"id": 1, "full_name": "some/one", "private": false}],
    });
    deliver(&rig, "installation", &payload).await;
    let answer = trace(&rig, "--entity-id 4712 --json");
    assert_eq!(answer.json()["verdict"]["cause"], "nothing_found");
    let url = format!("{}/trace/why/entity/4712?repo=some/two", rig.ghfe().url());
    let told: Value = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .get(url)
        .bearer_auth("trace")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(told["verdict"]["cause"], "repository_never_selected");

    // The other App.
    act(&|github, now| {
        github.uninstall("sandbox-ada", now).unwrap();
        github
            .install("sandbox-ada", AppKind::Organization, now)
            .unwrap();
    });
    rig.until("the other App is installed", async || {
        let which = format!("event = 'installation.created' AND app_id = {ORGANIZATION_APP} AND entity_type = 'User'");
        let count = rows(&rig, &which).await;
        holds(count == 1, count)
    })
    .await;
    assert_eq!(cause(&rig, "--entity-name sandbox-ada"), "wrong_app");

    // Renamed.
    let job = pushed(&rig, "sandbox-tomas/zig-rv").await;
    act(&|github, now| {
        github
            .rename_account("sandbox-tomas", "tomas", now)
            .unwrap();
    });
    logged(&rig, "installation_target.renamed").await;
    let refused = format!(
        "INSERT INTO installation_events (source, event, outcome, entity_id, entity_type, payload)
         SELECT 'scheduler', 'auth_attempt.404', 'auth_404', entity_id, 'User', '{{}}' FROM jobs WHERE job_id = {job}"
    );
    execute(&rig, &refused).await;
    execute(
        &rig,
        &format!("UPDATE jobs SET status = 'failed' WHERE job_id = {job}"),
    )
    .await;
    assert_eq!(cause(&rig, &format!("--job-id {job}")), "renamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_jobs_is_found() {
    let config = r#"
[ghfe]
public_only = true
[[routes]]
labels = ["ubuntu-24.04-riscv"]
pool = "scw-em-rv1"
image = "ubuntu-24.04"
[[routes]]
labels = ["reserved"]
pool = "scw-em-rv1"
image = "ubuntu-24.04"
allow = [4711]
"#;
    let rig = rig(config).await;
    let ask = |job: i64| cause(&rig, &format!("--job-id {job}"));
    let push = async |labels: &[&str], outcome: &str| {
        let job = rig.with(|world| {
            let now = world.now();
            let hour = chrono::TimeDelta::hours(1);
            world
                .github
                .queue_job(ORG_REPO, labels, hour, now)
                .unwrap()
                .0
        });
        rig.until("the delivery is logged", async || {
            let which = format!("job_id = {job} AND outcome = '{outcome}'");
            let count = rows(&rig, &which).await;
            holds(count == 1, outcome)
        })
        .await;
        job
    };
    assert_eq!(
        ask(push(&["gpu"], "ignored_no_label").await),
        "label_not_routed"
    );
    assert_eq!(ask(push(&["reserved"], "not_allowed").await), "not_allowed");
    let private = json!({
        "action": "queued",
        "installation": {"id": 1},
        "repository": {"id": 2, "full_name": "x/y", "private": true, "owner": {"id": 99, "type": "Organization", "login": "x"}},
        "workflow_job": {"id": 7, "name": "build", "labels": ["ubuntu-24.04-riscv"], "html_url": "https://example.com"},
    });
    deliver(&rig, "workflow_job", &private).await;
    assert_eq!(ask(7), "private");

    // Reasons that the scheduler writes.
    let job = pushed(&rig, ORG_REPO).await;
    for (reason, expected) in [
        ("no_free_board:scw-em-rv1", "no_free_board"),
        ("at_cap:entity:171204518", "at_cap"),
        ("paused:pool:scw-em-rv1", "paused"),
        ("backing_off", "backing_off"),
    ] {
        let write = format!(
            "UPDATE jobs SET waiting_reason = '{reason}', waiting_since = now() WHERE job_id = {job}"
        );
        execute(&rig, &write).await;
        assert_eq!(ask(job), expected);
        assert_eq!(cause(&rig, &format!("--entity-name {ORG}")), expected);
    }

    // What operators set.
    execute(
        &rig,
        "INSERT INTO settings (scope, key, value, author, reason)
         VALUES ('entity:171204518', 'ban', 'true', 'ada', 'miners')",
    )
    .await;
    assert_eq!(ask(job), "banned");

    // Nothing was heard of it, and then that a delivery did not arrive.
    assert_eq!(ask(4_711), "job_unknown");
    execute(
        &rig,
        "INSERT INTO delivery_retry (guid, app_id, delivery_id, event, tries, last_try, given_up_at)
         VALUES (gen_random_uuid(), 2167633, 1, 'workflow_job', 3, now(), now())",
    )
    .await;
    assert_eq!(ask(4_711), "missed_delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_verdict_proof_answer_log_and_state() {
    let rig = rig("").await;
    let job = pushed(&rig, ORG_REPO).await;
    let before = "--at 2020-01-01T00:00:00Z";
    rig.with(|world| {
        let now = world.now();
        world.github.uninstall(ORG, now).unwrap();
    });
    logged(&rig, "installation.deleted").await;
    let answer = trace(&rig, &format!("--job-id {job}"));
    assert_eq!(answer.status, 0, "{}", answer.err);
    for part in [
        "Sandbox-vectorworks uninstalled the App",
        &format!("; job {job} can never run."),
        "cause: uninstalled",
        "of the log: installation.deleted ok",
        "What to answer",
        "Please install it again",
        "workflow_job.queued",
        "deleted since",
    ] {
        assert!(answer.out.contains(part), "{part} in:\n{}", answer.out);
    }
    assert!(!answer.out.contains("payload of row"), "{}", answer.out);
    let then = trace(&rig, &format!("--entity-name {ORG} {before}"));
    assert!(
        then.out.contains("as of 2020-01-01T00:00:00Z")
            && then.out.contains("no installation is known"),
        "{}",
        then.out
    );
    let more = trace(&rig, &format!("--job-id {job} --verbose"));
    assert!(more.out.contains("payload of row"), "{}", more.out);

    // What cannot be asked.
    let url = rig.ghfe().url();
    let refused = run(
        "trace --job-id 7",
        &[("RISE_URL", &url), ("TRACE_API_SECRET", "wrong")],
    );
    assert_eq!(refused.status, 3);
    assert!(
        refused.err.contains("refuses TRACE_API_SECRET"),
        "{}",
        refused.err
    );
    let unknown = trace(&rig, "--installation-id 4711");
    assert_eq!(unknown.status, 1);
    assert!(
        unknown
            .err
            .contains("nothing was ever heard of installation 4711"),
        "{}",
        unknown.err
    );
    let nobody = trace(&rig, "--entity-name nobody-of-this-name");
    assert_eq!(nobody.status, 1);
    assert!(nobody.err.contains("knows no account"), "{}", nobody.err);
    let nothing = run("trace --job-id 7", &[]);
    assert_eq!(nothing.status, 2);
    assert!(
        nothing
            .err
            .contains("RISE_URL (or PROD_URL), TRACE_API_SECRET"),
        "{}",
        nothing.err
    );
}

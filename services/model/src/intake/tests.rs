//! Every row of the decision, without any IO.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::config::{Cap, Caps, EntitySettings, LabelMatch, Pool, Route, RouteFor};
use crate::settings::{Scope, Setting, SettingValue, Settings};
use crate::{Image, LabelSet, PoolName, RepoId, Status};

const ORG_APP: &str = "2167633";
const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

fn route(labels: &[&str], pool: &str) -> Route {
    Route {
        labels: LabelSet::new(labels),
        label_match: LabelMatch::Exact,
        implied: LabelSet::default(),
        only_for: Vec::new(),
        allow: Vec::new(),
        pool: pool.into(),
        image: "24".into(),
    }
}

/// The routes of the default configuration, and one with an allow list.
fn routing() -> Routing {
    let only = |entity, repositories: &[&str]| RouteFor {
        entity: EntityId(entity),
        repositories: repositories.iter().map(|&name| name.to_owned()).collect(),
    };
    let mut jupiter = route(&["ubuntu-24.04-riscv"], "cloudv10x-jupiter");
    jupiter.only_for = vec![
        only(134_263_123, &[]),
        only(152_654_596, &["llama.cpp", "llama.cpp-validation"]),
    ];
    let mut closed = route(&["closed"], "scw-em-rv1");
    closed.allow = vec![EntityId(1)];
    Routing {
        images: BTreeMap::from([("24".to_owned(), "example/runner:24-{tag}".to_owned())]),
        pools: ["scw-em-rv1", "cloudv10x-jupiter"]
            .map(|name| Pool {
                name: name.into(),
                node_selector: BTreeMap::new(),
                ephemeral_storage: None,
            })
            .into(),
        routes: vec![
            jupiter,
            route(&["ubuntu-24.04-riscv"], "scw-em-rv1"),
            closed,
        ],
    }
}

struct World {
    public_only: bool,
    limit: usize,
    app: Option<&'static str>,
    delivery: Option<&'static str>,
    /// The repository of organisation 99 that is staging's.
    staging: Option<&'static str>,
    /// What operators set: scopes with their only value that is no number.
    set: &'static [(Scope, SettingValue)],
}

const WORLD: World = World {
    public_only: false,
    limit: 256 * 1024,
    app: Some(ORG_APP),
    delivery: Some(DELIVERY),
    staging: None,
    set: &[],
};

impl World {
    fn decide_text(&self, event: &str, body: &str) -> Result<Intake, Refusal> {
        let apps = Apps {
            organization: AppId(2_167_633),
            personal: AppId(3_131_217),
        };
        let rules = IntakeRules {
            apps: &apps,
            routing: &routing(),
            image_tag: "staging",
            public_only: self.public_only,
            staging: &self.staging(),
            in_force: &self.in_force(),
            stored_payload_bytes: self.limit,
        };
        let headers = Headers {
            app: self.app,
            delivery: self.delivery,
        };
        decide(&rules, event, headers, &clean(body.as_bytes()))
    }

    fn in_force(&self) -> InForce {
        let rows = self.set.iter().map(|(scope, value)| Setting {
            scope: scope.clone(),
            value: *value,
            author: "ada".into(),
            reason: "a test".into(),
            set_at: crate::testing::at(0),
            until: None,
            ended_at: None,
        });
        Settings::new(rows.collect()).in_force(crate::testing::at(1))
    }

    fn staging(&self) -> StagingRepositories {
        let caps = Caps {
            default_max_workers: Cap::Unlimited,
            entities: vec![EntitySettings {
                id: EntityId(99),
                name: "x".into(),
                max_workers: None,
                staging: self.staging.iter().map(|&name| name.to_owned()).collect(),
            }],
        };
        caps.staging()
    }

    fn decide(&self, event: &str, body: &Value) -> Result<Intake, Refusal> {
        self.decide_text(event, &body.to_string())
    }

    fn refusal(&self, event: &str, body: &Value) -> String {
        self.decide(event, body).unwrap_err().to_string()
    }

    fn logged(&self, event: &str, body: &Value) -> (EventRow, WebhookOutcome, String) {
        match self.decide(event, body) {
            Ok(Intake::Log {
                row,
                outcome,
                answer,
            }) => (row, outcome, answer),
            other => panic!("not logged: {other:?}"),
        }
    }

    fn job(&self, body: &Value) -> (EventRow, JobAction, JobRow) {
        match self.decide("workflow_job", body) {
            Ok(Intake::Job { row, action, job }) => (row, action, *job),
            other => panic!("not a job: {other:?}"),
        }
    }
}

/// The smallest payload that stores a job.
fn base() -> Value {
    json!({
        "action": "queued",
        "installation": { "id": 1 },
        "repository": { "id": 2, "full_name": "x/y", "owner": { "id": 99, "type": "Organization", "login": "x" } },
        "workflow_job": { "id": 7, "name": "build", "labels": ["ubuntu-24.04-riscv"],
                          "html_url": "https://example.com", "runner_name": "r-1" },
    })
}

/// `base()` with one place replaced, or removed when there is nothing to put there.
fn base_with(pointer: &str, value: Option<Value>) -> Value {
    let mut body = base();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let object = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(key.to_owned(), value),
        None => object.remove(key),
    };
    body
}

#[test]
fn the_app_id_is_looked_at_before_the_body() {
    let without = World { app: None, ..WORLD };
    assert_eq!(
        without
            .decide_text("ping", "{bogus")
            .unwrap_err()
            .to_string(),
        "Missing X-GitHub-Hook-Installation-Target-Id header"
    );
    for bad in ["abc", "", "1.5", "99999999999999999999"] {
        let world = World {
            app: Some(bad),
            ..WORLD
        };
        assert_eq!(
            world.decide_text("ping", "{}").unwrap_err().to_string(),
            "Invalid X-GitHub-Hook-Installation-Target-Id header"
        );
    }
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    for body in [
        "",
        "{bogus",
        "[]",
        "null",
        "\"text\"",
        "{} {}",
        "{\"a\":1e999}",
        "{\"a\":\"\u{1}\"}",
        deep.as_str(),
    ] {
        for event in ["ping", "star", "installation", "workflow_job"] {
            let refusal = WORLD.decide_text(event, body).unwrap_err();
            let needs_more = matches!(refusal, Refusal::MissingPart(_));
            assert!(
                refusal == Refusal::NotJson || needs_more,
                "{event} {body:.20}: {refusal}"
            );
        }
        assert_eq!(WORLD.decide_text("ping", body), Err(Refusal::NotJson));
    }
}

#[test]
fn another_app_is_logged_and_nothing_else() {
    let world = World {
        app: Some("42"),
        ..WORLD
    };
    for (event, body, named) in [
        ("workflow_job", base(), "workflow_job.queued"),
        ("ping", json!({ "zen": "hi" }), "ping"),
        ("workflow_job", json!({}), "workflow_job"),
    ] {
        let (row, outcome, answer) = world.logged(event, &body);
        assert_eq!(outcome, WebhookOutcome::UnknownApp);
        assert_eq!(answer, "Ignoring delivery: unknown App 42");
        assert_eq!((row.event.as_str(), row.app), (named, AppId(42)));
    }
}

#[test]
fn ping_and_what_means_nothing_are_logged() {
    let (row, outcome, answer) = WORLD.logged("ping", &json!({ "zen": "hi" }));
    assert_eq!((outcome, answer.as_str()), (WebhookOutcome::Ok, "pong"));
    assert_eq!(row.event, "ping");
    assert_eq!(row.app, AppId(2_167_633));
    assert_eq!(row.entity, EventEntity::default());
    assert_eq!(row.delivery, Some(DELIVERY.parse().unwrap()));
    assert_eq!(row.payload, json!({ "zen": "hi" }));

    let (row, outcome, answer) = WORLD.logged("star", &json!({ "action": "created", "steps": 1 }));
    assert_eq!(outcome, WebhookOutcome::IgnoredEvent);
    assert_eq!(answer, "Ignoring star event");
    assert_eq!(row.event, "star");
    assert_eq!(row.payload, json!({ "action": "created", "steps": 1 }));
}

#[test]
fn a_delivery_id_is_a_uuid_or_nothing() {
    for (header, known) in [
        (Some(DELIVERY), true),
        (Some("72D3162E-CC78-11E3-81AB-4C9367DC0958"), true),
        (Some("not-a-guid"), false),
        (Some(""), false),
        (None, false),
    ] {
        let world = World {
            delivery: header,
            ..WORLD
        };
        let (row, ..) = world.logged("ping", &json!({}));
        assert_eq!(row.delivery.is_some(), known, "{header:?}");
    }
}

#[test]
fn installations_are_logged_with_their_account() {
    let installed = json!({ "action": "created", "installation": {
        "id": 1, "target_id": 99, "target_type": "Organization", "account": { "login": "org" } } });
    for event in ["installation", "installation_repositories"] {
        let (row, outcome, answer) = WORLD.logged(event, &installed);
        assert_eq!(outcome, WebhookOutcome::Ok);
        assert_eq!(answer, format!("{event}.created logged"));
        assert_eq!(row.event, format!("{event}.created"));
        assert_eq!(row.installation, Some(InstallationId(1)));
        assert_eq!(row.entity.kind, Some(EntityKind::Organization));
        assert_eq!(row.entity.id, Some(EntityId(99)));
        assert_eq!(row.entity.name.as_deref(), Some("org"));
        assert_eq!(row.payload, installed);
    }
    let renamed = json!({ "action": "renamed", "target_type": "Organization",
        "account": { "id": 42, "login": "new" }, "installation": { "id": 1 } });
    let (row, outcome, answer) = WORLD.logged("installation_target", &renamed);
    assert_eq!(outcome, WebhookOutcome::Ok);
    assert_eq!(answer, "installation_target.renamed logged");
    assert_eq!(row.entity.id, Some(EntityId(42)));
    assert_eq!(row.entity.name.as_deref(), Some("new"));
    assert_eq!(row.installation, Some(InstallationId(1)));
}

#[test]
fn an_account_of_another_type_has_no_type_in_the_log() {
    let body = json!({ "action": "created", "installation": {
        "id": 1, "target_type": "Enterprise", "account": { "id": 5, "login": "big" } } });
    let (row, ..) = WORLD.logged("installation", &body);
    assert_eq!(row.entity.kind, None);
    assert_eq!(row.entity.id, Some(EntityId(5)));
}

#[test]
fn installations_without_what_they_are_about_are_refused() {
    let account = json!({ "id": 42, "login": "new" });
    for (event, body, text) in [
        (
            "installation",
            json!({ "action": "created" }),
            "Missing installation in payload",
        ),
        (
            "installation_repositories",
            json!({ "action": "added", "installation": { "id": 1 } }),
            "Missing installation.account in payload",
        ),
        (
            "installation_target",
            json!({ "action": "renamed", "account": account }),
            "Missing account or installation in payload",
        ),
        (
            "installation_target",
            json!({ "action": "renamed", "installation": { "id": 1 } }),
            "Missing account or installation in payload",
        ),
        (
            "installation",
            json!({ "installation": { "id": 1, "account": account } }),
            "Missing action in payload",
        ),
        (
            "installation",
            json!({ "action": "created", "installation": 5 }),
            "Invalid installation in payload",
        ),
        (
            "installation",
            json!({ "action": "created", "installation": { "id": "1", "account": account } }),
            "Invalid installation.id in payload",
        ),
    ] {
        assert_eq!(WORLD.refusal(event, &body), text);
    }
}

#[test]
fn a_queued_job_is_stored_with_everything_that_is_known() {
    let mut body = base();
    body["sender"] = json!({ "id": 5, "login": "someone", "url": "u" });
    body["repository"]["private"] = json!(false);
    body["workflow_job"]["status"] = json!("waiting");
    body["workflow_job"]["labels"] = json!(["Ubuntu-24.04-RISCV"]);
    for (key, value) in [
        ("run_id", json!(5_000_000_000_i64)),
        ("run_attempt", json!(2)),
        ("workflow_name", json!("CI")),
        ("head_branch", json!("main")),
        ("created_at", json!("2026-01-02T03:04:05Z")),
        ("started_at", json!("2026-01-02T03:04:05Z")),
    ] {
        body["workflow_job"][key] = value;
    }
    let (row, action, job) = WORLD.job(&body);
    assert_eq!(
        action,
        JobAction::Queued,
        "the action decides, not the job's status"
    );
    assert_eq!(
        job,
        JobRow {
            id: JobId(7),
            entity: EntityId(99),
            entity_name: "x".into(),
            entity_kind: EntityKind::Organization,
            installation: InstallationId(1),
            repository: RepoId(2),
            repository_name: "x/y".into(),
            private: Some(false),
            labels: crate::SentLabels::new(vec!["Ubuntu-24.04-RISCV".into()]),
            pool: PoolName::from("scw-em-rv1"),
            image: Image::from("example/runner:24-staging"),
            html_url: Some("https://example.com".into()),
            run: Some(crate::RunId(5_000_000_000)),
            run_attempt: Some(2),
            workflow_name: Some("CI".into()),
            name: Some("build".into()),
            head_branch: Some("main".into()),
            sender: Some(EntityId(5)),
            sender_login: Some("someone".into()),
            queued_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
            runner: None,
            started_at: None,
            finished_at: None,
            conclusion: None,
        }
    );
    assert_eq!(row.event, "workflow_job.queued");
    assert_eq!(row.job, Some(JobId(7)));
    assert_eq!(row.installation, Some(InstallationId(1)));
    assert_eq!(row.entity.name.as_deref(), Some("x"));
    assert_eq!(
        row.payload["sender"],
        json!({ "id": 5, "login": "someone" })
    );
}

#[test]
fn what_is_only_good_to_have_may_be_anything() {
    let mut body = base();
    body["sender"] = json!("nobody");
    for key in [
        "run_id",
        "run_attempt",
        "workflow_name",
        "head_branch",
        "created_at",
        "name",
    ] {
        body["workflow_job"][key] = json!({ "not": "that" });
    }
    body["repository"]["private"] = json!(1);
    let (.., job) = WORLD.job(&body);
    assert_eq!((job.run, job.run_attempt, job.sender), (None, None, None));
    assert_eq!(
        (job.workflow_name, job.head_branch, job.name),
        (None, None, None)
    );
    assert_eq!((job.queued_at, job.private), (None, None));
}

#[test]
fn the_runner_is_taken_from_the_action_that_has_one() {
    let mut body = base();
    body["workflow_job"]["started_at"] = json!("2026-01-02T03:04:05Z");
    body["workflow_job"]["completed_at"] = json!("2026-01-02T04:04:05Z");
    body["workflow_job"]["conclusion"] = json!("success");
    let mut at = |action: &str, runner: Value| {
        body["action"] = json!(action);
        body["workflow_job"]["runner_name"] = runner;
        let (_, action, job) = WORLD.job(&body);
        let runner = job.runner.map(|name| name.to_string());
        (
            action.status(),
            runner,
            job.started_at.is_some(),
            job.finished_at.is_some(),
            job.conclusion.is_some(),
        )
    };
    let runner = Some("r-1".to_owned());
    assert_eq!(
        at("queued", json!("r-1")),
        (Status::Pending, None, false, false, false)
    );
    assert_eq!(
        at("in_progress", json!("r-1")),
        (Status::Running, runner.clone(), true, false, false)
    );
    assert_eq!(
        at("completed", json!("r-1")),
        (Status::Completed, runner, true, true, true)
    );
    // Cancelled before it began.
    assert_eq!(
        at("completed", json!("")),
        (Status::Completed, None, false, true, true)
    );
    assert_eq!(
        at("completed", Value::Null),
        (Status::Completed, None, false, true, true)
    );
}

#[test]
fn other_actions_are_ignored_before_anything_else_is_needed() {
    let mut body = base_with("/workflow_job/id", None);
    body["action"] = json!("waiting");
    body["repository"]["owner"]["type"] = json!("Bot");
    body["workflow_job"]["steps"] = json!([1]);
    let (row, outcome, answer) = WORLD.logged("workflow_job", &body);
    assert_eq!(outcome, WebhookOutcome::IgnoredAction);
    assert_eq!(answer, "Ignoring action: waiting");
    assert_eq!(row.event, "workflow_job.waiting");
    assert_eq!((row.entity.kind, row.entity.id), (None, Some(EntityId(99))));
    assert_eq!(row.payload["workflow_job"].get("steps"), None);

    let long = "x".repeat(100_000);
    let (row, _, answer) = WORLD.logged("workflow_job", &base_with("/action", Some(json!(long))));
    assert!(row.event.len() < 200 && answer.len() < 200);
}

#[test]
fn staging_decides_about_its_repositories_whatever_the_delivery_says() {
    let world = World {
        staging: Some("Y"),
        ..WORLD
    };
    for action in ["queued", "in_progress", "completed", "waiting"] {
        let body = base_with("/action", Some(json!(action)));
        let Ok(Intake::Staging { row }) = world.decide("workflow_job", &body) else {
            panic!("{action} was not handed on");
        };
        assert_eq!(row.event, format!("workflow_job.{action}"));
        assert_eq!(row.installation, Some(InstallationId(1)));
        assert_eq!(row.entity.id, Some(EntityId(99)));
        assert_eq!(row.entity.name.as_deref(), Some("x"));
        assert_eq!(row.job, Some(JobId(7)));
        assert_eq!(row.payload, body, "nothing in it is noise");
    }
    // What is missing further in is not looked for.
    for (pointer, value) in [
        ("/action", None),
        ("/workflow_job/id", None),
        ("/repository/id", None),
        ("/repository/owner/type", Some(json!("Bot"))),
        ("/workflow_job/labels", Some(json!(["other"]))),
    ] {
        let decided = world.decide("workflow_job", &base_with(pointer, value));
        assert!(
            matches!(decided, Ok(Intake::Staging { .. })),
            "{pointer}: {decided:?}"
        );
    }
}

#[test]
fn staging_gets_nothing_that_is_not_its_own() {
    let world = World {
        staging: Some("y"),
        ..WORLD
    };
    for (pointer, value) in [
        ("/repository/full_name", json!("x/z")),
        ("/repository/full_name", json!("y")),
        ("/repository/full_name", json!("x/yy")),
        ("/repository/owner/id", json!(98)),
    ] {
        let decided = world.decide("workflow_job", &base_with(pointer, Some(value)));
        assert!(!matches!(decided, Ok(Intake::Staging { .. })), "{pointer}");
    }
    let decided = WORLD.decide("workflow_job", &base());
    assert!(matches!(decided, Ok(Intake::Job { .. })), "no repositories");
    assert_eq!(
        world.refusal("workflow_job", &base_with("/repository/owner", None)),
        "Missing repository.owner in payload"
    );
    let (_, outcome, _) = world.logged("ping", &base());
    assert_eq!(outcome, WebhookOutcome::Ok);
    let stranger = World {
        app: Some("1"),
        ..world
    };
    let (_, outcome, _) = stranger.logged("workflow_job", &base());
    assert_eq!(outcome, WebhookOutcome::UnknownApp);
}

#[test]
fn a_job_without_what_it_needs_is_refused_in_this_order() {
    for (pointer, text) in [
        ("/repository", "Missing repository in payload"),
        ("/installation", "Missing installation in payload"),
        ("/workflow_job", "Missing workflow_job in payload"),
        ("/repository/owner", "Missing repository.owner in payload"),
        ("/action", "Missing action in payload"),
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
    ] {
        assert_eq!(
            WORLD.refusal("workflow_job", &base_with(pointer, None)),
            text
        );
        let null = base_with(pointer, Some(Value::Null));
        assert_eq!(
            WORLD.refusal("workflow_job", &null),
            text,
            "null is the same as absent"
        );
    }
    let bot = base_with("/repository/owner/type", Some(json!("Bot")));
    assert_eq!(
        WORLD.refusal("workflow_job", &bot),
        "unsupported entity type: \"Bot\""
    );
    // A job that no route takes is refused for the first group, not for the second.
    let mut unrouted = base_with("/installation/id", None);
    unrouted["workflow_job"]["labels"] = json!([]);
    let (_, outcome, _) = WORLD.logged("workflow_job", &unrouted);
    assert_eq!(outcome, WebhookOutcome::IgnoredNoLabel);
    unrouted["repository"].as_object_mut().unwrap().remove("id");
    assert_eq!(
        WORLD.refusal("workflow_job", &unrouted),
        "Repository ID is missing in payload"
    );
}

#[test]
fn only_queued_needs_the_page_of_the_job() {
    let mut body = base_with("/workflow_job/html_url", None);
    body["action"] = json!("in_progress");
    assert_eq!(WORLD.job(&body).2.html_url, None);
}

#[test]
fn mistyped_values_are_named() {
    for (pointer, value, text) in [
        ("/repository", json!([]), "Invalid repository in payload"),
        (
            "/workflow_job",
            json!("7"),
            "Invalid workflow_job in payload",
        ),
        (
            "/repository/owner",
            json!(9),
            "Invalid repository.owner in payload",
        ),
        ("/action", json!(1), "Invalid action in payload"),
        (
            "/repository/owner/id",
            json!("99"),
            "Invalid repository.owner.id in payload",
        ),
        (
            "/repository/owner/type",
            json!(1),
            "Invalid repository.owner.type in payload",
        ),
        (
            "/workflow_job/id",
            json!(7.5),
            "Invalid workflow_job.id in payload",
        ),
        (
            "/workflow_job/id",
            json!(u64::MAX),
            "Invalid workflow_job.id in payload",
        ),
        (
            "/workflow_job/labels",
            json!("ubuntu"),
            "Invalid workflow_job.labels in payload",
        ),
        (
            "/workflow_job/labels",
            json!([1]),
            "Invalid workflow_job.labels in payload",
        ),
        (
            "/repository/full_name",
            json!(false),
            "Invalid repository.full_name in payload",
        ),
        (
            "/repository/id",
            json!({}),
            "Invalid repository.id in payload",
        ),
        (
            "/installation/id",
            json!("1"),
            "Invalid installation.id in payload",
        ),
        (
            "/workflow_job/html_url",
            json!(1),
            "Invalid workflow_job.html_url in payload",
        ),
        (
            "/workflow_job/runner_name",
            json!(1),
            "Invalid workflow_job.runner_name in payload",
        ),
    ] {
        let body = base_with(pointer, Some(value));
        assert_eq!(WORLD.refusal("workflow_job", &body), text);
    }
    let big = base_with("/workflow_job/id", Some(json!(i64::MAX)));
    assert_eq!(WORLD.job(&big).2.id, JobId(i64::MAX));
}

#[test]
fn labels_and_owner_decide_the_pool() {
    const LABEL: &str = "ubuntu-24.04-riscv";
    for (entity, name, labels, pool) in [
        (999, "o/r", vec![LABEL], Some("scw-em-rv1")),
        (999, "o/r", vec![], None),
        (999, "o/r", vec!["ubuntu-26.04-riscv"], None),
        (
            134_263_123,
            "ggml-org/x",
            vec![LABEL],
            Some("cloudv10x-jupiter"),
        ),
        (134_263_123, "ggml-org/x", vec![LABEL, "extra"], None),
        (
            152_654_596,
            "riseproject-dev/llama.cpp",
            vec![LABEL],
            Some("cloudv10x-jupiter"),
        ),
        (
            152_654_596,
            "riseproject-dev/other",
            vec![LABEL],
            Some("scw-em-rv1"),
        ),
    ] {
        let mut body = base();
        body["repository"]["owner"]["id"] = json!(entity);
        body["repository"]["full_name"] = json!(name);
        body["workflow_job"]["labels"] = json!(labels);
        let decided = WORLD.decide("workflow_job", &body).unwrap();
        match (decided, pool) {
            (Intake::Job { job, .. }, Some(pool)) => assert_eq!(job.pool, pool.into()),
            (Intake::Log { outcome, .. }, None) => {
                assert_eq!(outcome, WebhookOutcome::IgnoredNoLabel);
            }
            (other, _) => panic!("{name} {labels:?}: {other:?}"),
        }
    }
}

#[test]
fn a_job_that_no_route_takes_keeps_what_explains_it() {
    let mut body = base();
    body["workflow_job"]["run_id"] = json!(70);
    body["workflow_job"]["url"] = json!("u");
    body["workflow_job"]["steps"] = json!([]);
    body["sender"] = json!({ "id": 5 });
    for action in ["queued", "in_progress", "completed"] {
        body["action"] = json!(action);
        for (labels, outcome, answer) in [
            (
                json!(["ubuntu-26.04-riscv"]),
                WebhookOutcome::IgnoredNoLabel,
                "Ignoring job: missing required platform label",
            ),
            (
                Value::Null,
                WebhookOutcome::IgnoredNoLabel,
                "Ignoring job: missing required platform label",
            ),
            (
                json!(["Closed"]),
                WebhookOutcome::NotAllowed,
                "Ignoring job: entity may not use these labels",
            ),
        ] {
            body["workflow_job"]["labels"] = labels.clone();
            let (row, got, text) = WORLD.logged("workflow_job", &body);
            assert_eq!((got, text.as_str()), (outcome, answer));
            let mut job = json!({ "id": 7, "run_id": 70, "labels": labels, "html_url": "https://example.com" });
            if labels.is_null() {
                job.as_object_mut().unwrap().remove("labels");
            }
            assert_eq!(
                row.payload,
                json!({ "workflow_job": job, "repository": { "full_name": "x/y" } })
            );
            assert_eq!(row.job, Some(JobId(7)));
            assert_eq!(row.entity.id, Some(EntityId(99)));
        }
    }
}

#[test]
fn nothing_of_who_is_banned_is_taken_whatever_the_delivery_says() {
    const BANNED: &[(Scope, SettingValue)] = &[
        (Scope::Entity(EntityId(99)), SettingValue::Ban),
        (Scope::Sender(EntityId(5)), SettingValue::Ban),
    ];
    let owner = World {
        set: &BANNED[..1],
        // Staging gets nothing of it either.
        staging: Some("y"),
        ..WORLD
    };
    let sender = World {
        set: &BANNED[1..],
        staging: Some("y"),
        ..WORLD
    };
    for action in ["queued", "in_progress", "completed", "waiting"] {
        let mut body = base();
        body["action"] = json!(action);
        body["sender"] = json!({ "id": 5, "login": "miner" });
        let (row, outcome, answer) = owner.logged("workflow_job", &body);
        assert_eq!(outcome, WebhookOutcome::BannedEntity);
        assert_eq!(answer, "Ignoring job: entity is banned");
        assert_eq!(row.event, format!("workflow_job.{action}"));
        assert_eq!(row.entity.id, Some(EntityId(99)));
        assert_eq!(row.payload["workflow_job"]["id"], json!(7));
        assert_eq!(row.payload.get("sender"), None);
        let (_, outcome, answer) = sender.logged("workflow_job", &body);
        assert_eq!(outcome, WebhookOutcome::BannedSender);
        assert_eq!(answer, "Ignoring job: sender is banned");
    }
    // Others are not concerned, and what is no job is logged as ever.
    let mut other = base();
    other["repository"]["owner"]["id"] = json!(98);
    assert!(matches!(
        owner.decide("workflow_job", &other),
        Ok(Intake::Job { .. })
    ));
    let (_, outcome, _) = owner.logged("ping", &json!({ "zen": "hi" }));
    assert_eq!(outcome, WebhookOutcome::Ok);
}

#[test]
fn a_repository_may_be_given_to_staging_by_its_id() {
    const STAGING: &[(Scope, SettingValue)] = &[(Scope::Repo(RepoId(2)), SettingValue::Staging)];
    let world = World {
        set: STAGING,
        ..WORLD
    };
    let decided = world.decide("workflow_job", &base());
    assert!(matches!(decided, Ok(Intake::Staging { .. })));
    let other = base_with("/repository/id", Some(json!(3)));
    let decided = world.decide("workflow_job", &other);
    assert!(matches!(decided, Ok(Intake::Job { .. })));
}

#[test]
fn private_repositories_may_be_refused() {
    let world = World {
        public_only: true,
        ..WORLD
    };
    for (private, refused) in [
        (Some(json!(true)), true),
        (None, true),
        (Some(json!(false)), false),
    ] {
        let body = base_with("/repository/private", private);
        let decided = world.decide("workflow_job", &body).unwrap();
        assert_eq!(
            matches!(
                &decided,
                Intake::Log {
                    outcome: WebhookOutcome::IgnoredPrivate,
                    ..
                }
            ),
            refused
        );
        if refused {
            assert_eq!(
                decided.row().payload["repository"],
                json!({ "full_name": "x/y" })
            );
        }
        assert!(matches!(
            WORLD.decide("workflow_job", &body),
            Ok(Intake::Job { .. })
        ));
    }
    // Labels that are none of ours say so, whoever's they are.
    let mut other = base_with("/repository/private", Some(json!(true)));
    other["workflow_job"]["labels"] = json!(["ubuntu-latest"]);
    let (_, outcome, _) = world.logged("workflow_job", &other);
    assert_eq!(outcome, WebhookOutcome::IgnoredNoLabel);
}

#[test]
fn trimming_drops_exactly_these_keys() {
    const ACCOUNT: &str = "url html_url gists_url repos_url avatar_url events_url starred_url followers_url \
        following_url organizations_url subscriptions_url received_events_url";
    const ORGANIZATION: &str =
        "url hooks_url repos_url avatar_url events_url issues_url members_url public_members_url";
    const JOB: &str = "url run_url check_run_url steps";
    const REPOSITORY: &str = "url license git_url ssh_url svn_url html_url keys_url tags_url blobs_url clone_url \
        forks_url hooks_url pulls_url teams_url trees_url events_url issues_url labels_url merges_url mirror_url \
        archive_url commits_url compare_url branches_url comments_url contents_url git_refs_url git_tags_url \
        releases_url statuses_url assignees_url downloads_url languages_url milestones_url stargazers_url \
        deployments_url git_commits_url subscribers_url contributors_url issue_events_url subscription_url \
        collaborators_url issue_comment_url notifications_url";
    let places = [
        ("/sender", ACCOUNT),
        ("/repository/owner", ACCOUNT),
        ("/organization", ORGANIZATION),
        ("/workflow_job", JOB),
        ("/repository", REPOSITORY),
    ];
    let mut body = base();
    body["sender"] = json!({ "id": 5 });
    body["organization"] = json!({ "id": 6 });
    let mut kept = body.clone();
    for (place, keys) in places {
        for key in [ACCOUNT, ORGANIZATION, JOB, REPOSITORY]
            .iter()
            .flat_map(|keys| keys.split_whitespace())
        {
            // The job's own page is a real value that is needed.
            if (place, key) == ("/workflow_job", "html_url") {
                continue;
            }
            body.pointer_mut(place).unwrap()[key] = json!("sent");
            if !keys.split_whitespace().any(|dropped| dropped == key) {
                kept.pointer_mut(place).unwrap()[key] = json!("sent");
            }
        }
    }
    body["url"] = json!("top");
    kept["url"] = json!("top");
    assert_eq!(WORLD.job(&body).0.payload, kept);
}

#[test]
fn numbers_and_repeated_keys_are_kept_as_json_readers_agree() {
    let text = base().to_string().replacen(
        '{',
        r#"{"big":9007199254740993,"half":0.5,"action":"completed","action":"in_progress","#,
        1,
    );
    let Ok(Intake::Job { row, action, .. }) = WORLD.decide_text("workflow_job", &text) else {
        panic!("not a job");
    };
    assert_eq!(action, JobAction::Queued, "the last one counts");
    assert_eq!(row.payload["big"], json!(9_007_199_254_740_993_i64));
    assert_eq!(row.payload["action"], json!("queued"));
}

#[test]
fn a_payload_beyond_the_limit_becomes_a_note() {
    let world = World {
        limit: 300,
        ..WORLD
    };
    let text = "x".repeat(400);
    let (row, ..) = world.logged("star", &json!({ "a": 1, "big": text }));
    let bytes = json!({ "a": 1, "big": text }).to_string().len();
    assert_eq!(
        row.payload,
        json!({ "truncated": true, "bytes": bytes, "keys": ["a", "big"] })
    );

    // What is trimmed does not count.
    let steps = base_with("/workflow_job/steps", Some(json!(text)));
    let (row, ..) = World {
        limit: 400,
        ..WORLD
    }
    .job(&steps);
    assert_eq!(row.payload, base());
    // Neither does the space between.
    let exact = base().to_string().len();
    let pretty = serde_json::to_string_pretty(&base()).unwrap();
    for (limit, whole) in [(exact, true), (exact - 1, false)] {
        let world = World { limit, ..WORLD };
        let decided = world.decide_text("workflow_job", &pretty).unwrap();
        assert_eq!(decided.row().payload == base(), whole);
        assert_eq!(decided.row().payload.get("truncated").is_some(), !whole);
        assert!(
            matches!(decided, Intake::Job { .. }),
            "the job is stored all the same"
        );
    }
}

#[test]
fn a_note_is_bounded_whatever_the_keys_are() {
    let many: serde_json::Map<_, _> = (0..20_000)
        .map(|n| (format!("{n}{}", "k".repeat(300)), json!(n)))
        .collect();
    let body = Value::Object(many);
    let (row, ..) = WORLD.logged("star", &body);
    assert_eq!(row.payload["truncated"], json!(true));
    assert!(row.payload["bytes"].as_u64().unwrap() > 5_000_000);
    assert!(row.payload.to_string().len() < 20_000);
    // A few bytes a key, and still more keys than anything has: never stored in part.
    let small: serde_json::Map<_, _> = (0..5_000).map(|n| (n.to_string(), json!(0))).collect();
    let (row, ..) = WORLD.logged("star", &Value::Object(small));
    assert_eq!(row.payload["truncated"], json!(true));
}

#[test]
fn nul_and_lone_surrogates_harm_nothing() {
    let text = base()
        .to_string()
        .replace("\"x/y\"", r#""x/y\u0000""#)
        .replace("\"build\"", r#""bu\ud800ild""#)
        .replace("\"x\"", r#""\udfffx\ud83d\ude00""#);
    let Ok(Intake::Job { row, job, .. }) = WORLD.decide_text("workflow_job", &text) else {
        panic!("not a job");
    };
    assert_eq!(job.repository_name, "x/y\u{FFFD}");
    assert_eq!(job.name.as_deref(), Some("bu\u{FFFD}ild"));
    assert_eq!(job.entity_name, "\u{FFFD}x😀");
    assert_eq!(row.payload["workflow_job"]["name"], json!("bu\u{FFFD}ild"));
}

#[test]
fn answers_are_those_of_the_replaced_service() {
    use JobAction::{Completed, InProgress, Queued};
    let was = Recorded::Was;
    for (action, found, answer, outcome) in [
        (Queued, Recorded::New, "Job 7 stored.", "job_stored"),
        (
            Queued,
            was(Status::Running),
            "Job 7 already exists.",
            "job_already_exists",
        ),
        (
            Queued,
            was(Status::Failed),
            "Job 7 already exists.",
            "job_already_exists",
        ),
        (
            InProgress,
            was(Status::Pending),
            "Job 7 marked running (was pending).",
            "job_marked_running",
        ),
        (
            InProgress,
            was(Status::Completed),
            "Job 7 marked running (was completed).",
            "job_marked_running",
        ),
        (
            InProgress,
            was(Status::Failed),
            "Job 7 marked running (was failed).",
            "job_ran_after_failed",
        ),
        (
            InProgress,
            Recorded::New,
            "Job 7 marked running (was unknown).",
            "job_marked_running",
        ),
        (
            Completed,
            was(Status::Running),
            "Job 7 completed (was running).",
            "job_marked_completed",
        ),
        (
            Completed,
            was(Status::Failed),
            "Job 7 completed (was failed).",
            "job_ran_after_failed",
        ),
        (
            Completed,
            Recorded::New,
            "Job 7 completed (was unknown).",
            "job_marked_completed",
        ),
    ] {
        assert_eq!(found.answer(action, JobId(7)), answer);
        assert_eq!(found.outcome(action).as_str(), outcome);
    }
}

#[test]
fn the_words_of_the_log_are_those_that_serde_writes() {
    for outcome in [
        WebhookOutcome::Ok,
        WebhookOutcome::JobStored,
        WebhookOutcome::JobAlreadyExists,
        WebhookOutcome::JobMarkedRunning,
        WebhookOutcome::JobMarkedCompleted,
        WebhookOutcome::JobRanAfterFailed,
        WebhookOutcome::IgnoredAction,
        WebhookOutcome::IgnoredNoLabel,
        WebhookOutcome::IgnoredEvent,
        WebhookOutcome::IgnoredPrivate,
        WebhookOutcome::NotAllowed,
        WebhookOutcome::BannedEntity,
        WebhookOutcome::BannedSender,
        WebhookOutcome::UnknownApp,
        WebhookOutcome::ProxiedToStaging,
        WebhookOutcome::ProxyFailed,
    ] {
        assert_eq!(
            serde_json::to_value(outcome).unwrap(),
            json!(outcome.as_str())
        );
    }
}

//! What the scheduler says when something that it needs is missing, wrong or away.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sandbox::doors::github::AppKeys;
use sandbox::world::github::AppKind;
use serde_json::Value;

use crate::rise::{Answer, Tables, command};

/// Nobody listens on port 1.
const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
";
const NO_DATABASE: &str = "postgres://rise:hunter2@127.0.0.1:1/rise";
/// However slow the machine is, nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn key() -> &'static str {
    static KEYS: OnceLock<AppKeys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| AppKeys::generate().unwrap());
    keys.private_pem(AppKind::Organization)
}

/// All that a scheduler needs, with some of it changed; an empty value is a variable that is not set.
fn scheduler<'a>(changed: &[(&'a str, &'a str)]) -> std::process::Command {
    let mut command = command("serve scheduler --listen 127.0.0.1:0");
    command.envs([
        ("POSTGRES_URL", NO_DATABASE),
        ("GHAPP_ORG_PRIVATE_KEY", key()),
        ("GHAPP_PERSONAL_PRIVATE_KEY", key()),
        ("GITHUB_API_URL", "http://127.0.0.1:1"),
        ("K8S_KUBECONFIG", KUBECONFIG),
    ]);
    for (name, value) in changed {
        match *value {
            "" => command.env_remove(name),
            value => command.env(name, value),
        };
    }
    command
}

/// How it ended and what it said.
fn said(changed: &[(&str, &str)]) -> String {
    let answer = Answer::from(scheduler(changed).output().unwrap());
    assert_eq!(answer.out, "");
    assert!(!answer.err.contains("hunter2"), "{}", answer.err);
    assert!(!answer.err.contains("panicked"), "{}", answer.err);
    format!("exit {}\n{}", answer.status, answer.err)
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let nothing = [
        "POSTGRES_URL",
        "GHAPP_ORG_PRIVATE_KEY",
        "GHAPP_PERSONAL_PRIVATE_KEY",
        "K8S_KUBECONFIG",
    ];
    insta::assert_snapshot!(said(&nothing.map(|name| (name, ""))), @r#"
    exit 2
    error: missing environment variables: POSTGRES_URL, GHAPP_ORG_PRIVATE_KEY, GHAPP_PERSONAL_PRIVATE_KEY, K8S_KUBECONFIG (or KUBECONFIG, a path)
    hint: each may also be given as a file: <NAME>_FILE=PATH
    "#);
}

#[test]
fn a_key_that_is_none_is_named() {
    insta::assert_snapshot!(said(&[("GHAPP_ORG_PRIVATE_KEY", "hunter2")]), @r#"
    exit 2
    error: GHAPP_ORG_PRIVATE_KEY is no private key
    hint: it is the text of the .pem file that GitHub made for the App, with its line breaks
    "#);
    let cut = key().split_once("-----END").unwrap().0;
    insta::assert_snapshot!(said(&[("GHAPP_PERSONAL_PRIVATE_KEY", cut)]), @r#"
    exit 2
    error: the private key of the personal App is cut short: its END line is missing
    hint: set GHAPP_PERSONAL_PRIVATE_KEY (or GHAPP_PERSONAL_PRIVATE_KEY_FILE) to the .pem file that the App's settings page gave out, unchanged
    "#);
    let damaged: Vec<String> = key()
        .lines()
        .map(|line| match line.starts_with("-----") {
            true => line.to_owned(),
            false => line.replace('A', "B"),
        })
        .collect();
    let damaged = damaged.join("\n");
    insta::assert_snapshot!(said(&[("GHAPP_ORG_PRIVATE_KEY", &damaged)]), @r#"
    exit 2
    error: the private key of the organisation App is damaged: it does not sign
    hint: set GHAPP_ORG_PRIVATE_KEY (or GHAPP_ORG_PRIVATE_KEY_FILE) to the .pem file that the App's settings page gave out, unchanged
    "#);
}

#[test]
fn a_kubeconfig_that_leads_nowhere_is_named() {
    insta::assert_snapshot!(said(&[("K8S_KUBECONFIG", "clusters: ]")]), @r#"
    exit 2
    error: K8S_KUBECONFIG is not a kubeconfig
    hint: set K8S_KUBECONFIG to the text of a kubeconfig (YAML), or KUBECONFIG to its path
    "#);
    let path = [
        ("K8S_KUBECONFIG", ""),
        ("KUBECONFIG", "/nowhere/kubeconfig"),
    ];
    insta::assert_snapshot!(said(&path), @r#"
    exit 2
    error: the kubeconfig /nowhere/kubeconfig cannot be read: No such file or directory (os error 2)
    hint: check the path in KUBECONFIG and that this user may read the file
    "#);
}

#[test]
fn a_configuration_with_faults_is_refused() {
    let wrong = [
        (
            "RISE_CONFIG_TOML",
            "[scheduler]\nround_at_least_evry = \"5s\"",
        ),
        ("PORT", "http"),
    ];
    insta::assert_snapshot!(said(&wrong), @r#"
    exit 2
    error: the configuration has 2 problems
      RISE_CONFIG_TOML:2: unknown key `scheduler.round_at_least_evry`
        hint: did you mean `round_at_least_every`?
      PORT is `http`
        hint: write a number from 0 to 65535; 0 takes any free port
    "#);
}

#[test]
fn a_database_that_is_away_is_told() {
    insta::assert_snapshot!(said(&[]), @r#"
    exit 1
    error: the database does not answer: error communicating with database: Connection refused (os error 111)
    hint: check host, port and password in POSTGRES_URL, and that the server lets this machine in
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_not_there_are_told() {
    let tables = Tables::none().await;
    let text = said(&[("POSTGRES_URL", tables.database.url())]);
    // Their number grows.
    let (status, text) = text.split_once('\n').unwrap();
    assert_eq!(status, "exit 2");
    let text = text
        .replace(|c: char| c.is_ascii_digit(), "9")
        .replace("99", "9");
    insta::assert_snapshot!(text, @r#"
    error: the schema `staging` is not migrated: 9 of 9 migrations are missing
    hint: run `rise db migrate` with the same environment, then start again
    "#);
}

/// Killed with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_does_not_end_it_but_ready_says_so() {
    let tables = Tables::migrated().await;
    let mut running = Running(
        scheduler(&[("POSTGRES_URL", tables.database.url())])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut log = BufReader::new(running.0.stderr.take().unwrap());
    let mut first = String::new();
    log.read_line(&mut first).unwrap();
    // Somebody has to read, or the pipe fills up.
    let rest = std::thread::spawn(move || log.lines().map_while(Result::ok).collect::<Vec<_>>());
    let first: Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("{first}"));
    let url = format!("http://{}/ready", first["http.address"].as_str().unwrap());

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let answer: Value = loop {
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 503);
        let answer: Value = answer.json().await.unwrap();
        if answer["leads"] == true && answer["cluster"]["state"] == "unreachable" {
            break answer;
        }
        assert!(Instant::now() < deadline, "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let problems = answer["problems"].as_array().unwrap();
    let told = problems[0].as_str().unwrap();
    assert!(
        told.starts_with("The cluster has not answered since "),
        "{told}"
    );
    assert!(
        told.ends_with("; check K8S_KUBECONFIG and the API server."),
        "{told}"
    );
    assert_eq!(answer["database"]["state"], "reachable");
    let health = client
        .get(url.replace("ready", "health"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);

    drop(running);
    let rest = rest.join().unwrap();
    let why = rest
        .iter()
        .find(|line| line.contains("the cluster cannot be read"));
    assert!(
        why.is_some_and(|line| line.contains("Connection refused")),
        "{rest:?}"
    );
    assert!(
        !rest.iter().any(|line| line.contains("panicked")),
        "{rest:?}"
    );
}

//! `rise serve ghfe`: how it starts, what stands in its log, how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::rise::{Tables, command, run};

/// A service that runs.
struct Service {
    child: Child,
    log: BufReader<ChildStderr>,
    address: String,
}

impl Service {
    fn start(tables: &Tables, line: &str) -> Self {
        let mut child = with_secrets(command(line), tables.database.url())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        log.read_line(&mut first).unwrap();
        let first: Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("{first}"));
        let address = first["http.address"].as_str().unwrap().to_owned();
        assert_eq!(first["message"], format!("listening on http://{address}"));
        Self {
            child,
            log,
            address,
        }
    }

    fn get(&self, path: &str) -> String {
        let mut to = TcpStream::connect(&self.address).unwrap();
        write!(
            to,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        to.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The rest of the log, and the exit status.
    fn ended(mut self) -> (String, i32) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code().expect("no signal"))
    }
}

fn with_secrets(mut command: Command, url: &str) -> Command {
    command
        .env("POSTGRES_URL", url)
        .env("GHAPP_WEBHOOK_SECRET", "webhook-hunter2")
        .env("TRACE_API_SECRET", "trace-hunter2");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_line_says_the_address_and_sigterm_ends_it_well() {
    let tables = Tables::migrated().await;
    let service = Service::start(&tables, "serve ghfe --listen 127.0.0.1:0");
    let answer = service.get("/health");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"),
        "{answer}"
    );
    // The health check of the images asks like this, with the same environment and nothing else.
    let (_, port) = service.address.rsplit_once(':').unwrap();
    assert_eq!(run("health", &[("PORT", port)]).status, 0);
    let url = format!("http://{}", service.address);
    assert_eq!(run(&format!("health {url}/ready"), &[]).status, 0);
    let answer = run(&format!("health {url}/trace/job/1"), &[]);
    assert_eq!(answer.status, 1);
    assert!(answer.err.contains("401"), "{}", answer.err);
    let killed = Command::new("kill")
        .arg(service.child.id().to_string())
        .status();
    assert!(killed.unwrap().success());
    let (log, status) = service.ended();
    assert_eq!(status, 0, "{log}");
    let answer = run(&format!("health {url}/health"), &[]);
    assert_eq!(answer.status, 1);
    assert!(answer.err.contains("does not answer"), "{}", answer.err);
    assert!(log.contains("SIGTERM"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_a_parent_ends_with_it() {
    let tables = Tables::migrated().await;
    let line = "serve ghfe --listen 127.0.0.1:0 --exit-with-stdin";
    let mut service = Service::start(&tables, line);
    assert!(service.get("/health").starts_with("HTTP/1.1 200"));
    drop(service.child.stdin.take());
    let (log, status) = service.ended();
    assert_eq!(status, 0, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_not_migrated_end_it_with_the_command_that_helps() {
    let tables = Tables::none().await;
    let answer = with_secrets(
        command("serve ghfe --listen 127.0.0.1:0"),
        tables.database.url(),
    );
    let answer = crate::rise::Answer::from({ answer }.output().unwrap());
    assert_eq!(answer.status, 2);
    assert!(
        answer.err.contains("the schema `staging` is not migrated"),
        "{}",
        answer.err
    );
    assert!(
        answer.err.contains("hint: run `rise db migrate`"),
        "{}",
        answer.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_named() {
    let tables = Tables::migrated().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let line = format!("serve ghfe --listen {address}");
    let answer = with_secrets(command(&line), tables.database.url())
        .output()
        .unwrap();
    let answer = crate::rise::Answer::from(answer);
    assert_eq!(answer.status, 1);
    assert!(
        answer.err.contains(&format!("cannot listen on {address}")),
        "{}",
        answer.err
    );
}

#[test]
fn a_database_that_is_away_ends_it_with_one_line_and_a_hint() {
    let variables = [
        ("POSTGRES_URL", "postgres://rise:hunter2@127.0.0.1:1/rise"),
        ("GHAPP_WEBHOOK_SECRET", "s"),
        ("TRACE_API_SECRET", "t"),
    ];
    let answer = run("serve ghfe --listen 127.0.0.1:0", &variables);
    assert_eq!(answer.status, 1);
    assert!(
        answer
            .err
            .starts_with("error: the database does not answer"),
        "{}",
        answer.err
    );
    assert!(!answer.err.contains("hunter2"));
}

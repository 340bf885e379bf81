//! ghfe over a real socket and a real PostgreSQL: what is sent, what is answered, what is written.

mod faults;
mod golden;
mod hostile;
mod limits;
mod order;
mod proxy;
mod published;
mod reads;
mod setup;
mod wake_ups;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::hmac;
use http::StatusCode;
use rise_model::config::{Apps, LabelMatch, Pool, Route, RouteFor, Routing};
use rise_model::span::Span;
use rise_model::{AppId, EntityId, LabelSet};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{GhfeConfig, ServeError, SetupApps, serve};
use crate::config::{GhfeSection, SetupSection};
use crate::store::Store;
use crate::store::testing::TestDatabase;

const SECRET: &str = "test-secret";
const TRACE_SECRET: &str = "trace-secret";
/// However slow the machine is, nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running ghfe with a database of its own.
struct World {
    database: TestDatabase,
    service: Service,
}

/// A running ghfe.
struct Service {
    base: String,
    client: reqwest::Client,
    shutdown: CancellationToken,
    running: Option<JoinHandle<Result<(), ServeError>>>,
}

/// A delivery that is being put together.
struct Delivery {
    event: Option<&'static str>,
    body: Vec<u8>,
    signature: Option<String>,
    app: Option<&'static str>,
    id: Option<String>,
    content_type: &'static str,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    status: StatusCode,
    text: String,
    retry_after: Option<String>,
}

impl Answer {
    #[track_caller]
    fn is(&self, status: u16, text: &str) {
        assert_eq!((self.status.as_u16(), self.text.as_str()), (status, text));
    }
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut GhfeConfig)) -> Self {
        let database = TestDatabase::create().await;
        let service = Service::start(database.store(), change).await;
        Self { database, service }
    }

    async fn send(&self, delivery: Delivery) -> Answer {
        self.service.send(delivery).await
    }

    async fn count(&self, table: &str) -> i64 {
        let count = self
            .database
            .value(&format!("SELECT count(*) FROM {table}"))
            .await;
        count.as_i64().unwrap()
    }

    /// The log, oldest first.
    async fn events(&self) -> Vec<Value> {
        self.database
            .rows("SELECT * FROM installation_events ORDER BY id")
            .await
    }

    /// The only row of the log.
    async fn event(&self) -> Value {
        let mut events = self.events().await;
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// A job's row.
    async fn job(&self, id: i64) -> Value {
        let rows = self
            .database
            .rows(&format!("SELECT * FROM jobs WHERE job_id = {id}"))
            .await;
        rows.into_iter().next().unwrap_or(Value::Null)
    }
}

impl Service {
    async fn start(store: Store, change: impl FnOnce(&mut GhfeConfig)) -> Self {
        Self::start_with(SetupApps::default(), store, change).await
    }

    async fn start_with(
        apps: SetupApps,
        store: Store,
        change: impl FnOnce(&mut GhfeConfig),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut config = config();
        change(&mut config);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(serve(listener, config, apps, store, shutdown.clone()));
        Self {
            base,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            shutdown,
            running: Some(running),
        }
    }

    async fn send(&self, delivery: Delivery) -> Answer {
        self.send_to("/", delivery).await
    }

    async fn send_to(&self, path: &str, delivery: Delivery) -> Answer {
        let mut request = self.client.post(format!("{}{path}", self.base));
        for (name, value) in delivery.headers() {
            request = request.header(name, value);
        }
        answer(request.body(delivery.body)).await
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let mut request = self.client.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        answer(request).await
    }

    /// Sends what no client would.
    async fn raw(&self) -> TcpStream {
        let address = self.base.strip_prefix("http://").unwrap();
        TcpStream::connect(address).await.unwrap()
    }

    async fn stop(&mut self) {
        self.shutdown.cancel();
        let running = self.running.take().unwrap();
        let ended = tokio::time::timeout(PATIENCE, running).await;
        ended.expect("ghfe did not end").unwrap().unwrap();
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let retry_after = response.headers().get("retry-after");
    Answer {
        status: response.status(),
        retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
        text: response.text().await.unwrap(),
    }
}

/// Reads an answer from a connection until it is closed.
async fn raw_answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A connection that is reset after its answer has given its answer.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text))
        .await
        .expect("the connection was not closed");
    String::from_utf8(text).unwrap()
}

impl Delivery {
    /// A signed delivery with an id of its own.
    fn of(event: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self {
            event: Some(event),
            signature: Some(sign(SECRET, &body)),
            body,
            app: Some("2167633"),
            id: Some(uuid::Uuid::new_v4().to_string()),
            content_type: "application/json",
        }
    }

    fn json(event: &'static str, body: &Value) -> Self {
        Self::of(event, body.to_string())
    }

    fn job(body: &Value) -> Self {
        Self::json("workflow_job", body)
    }

    fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", self.content_type.to_owned())];
        let named = [
            ("x-github-event", self.event.map(str::to_owned)),
            ("x-hub-signature-256", self.signature.clone()),
            (
                "x-github-hook-installation-target-id",
                self.app.map(str::to_owned),
            ),
            ("x-github-delivery", self.id.clone()),
        ];
        headers.extend(
            named
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        headers
    }

    /// The head of the request, for connections that are slow or broken.
    fn head(&self) -> String {
        let mut head = format!(
            "POST / HTTP/1.1\r\nhost: ghfe\r\ncontent-length: {}\r\n",
            self.body.len()
        );
        for (name, value) in self.headers() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }
}

fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

/// Waits for something to become so.
async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let wait = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"));
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

fn action(word: &str) -> Value {
    let mut body = base();
    body["action"] = json!(word);
    body
}

/// `base()` without one place.
fn without(pointer: &str) -> Value {
    let mut body = base();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    parent.as_object_mut().unwrap().remove(key).unwrap();
    body
}

/// What the default configuration says, with shorter times.
fn config() -> GhfeConfig {
    let route = |only_for: Vec<RouteFor>, pool: &str| Route {
        labels: LabelSet::new(["ubuntu-24.04-riscv"]),
        label_match: LabelMatch::Exact,
        implied: LabelSet::default(),
        only_for,
        allow: Vec::new(),
        pool: pool.into(),
        image: "ubuntu-24.04".into(),
    };
    let only = |entity, repositories: &[&str]| RouteFor {
        entity: EntityId(entity),
        repositories: repositories.iter().map(|&name| name.to_owned()).collect(),
    };
    GhfeConfig {
        apps: Apps {
            organization: AppId(2_167_633),
            personal: AppId(3_131_217),
        },
        routing: Routing {
            images: BTreeMap::from([("ubuntu-24.04".into(), "example/runner:24-{tag}".into())]),
            pools: ["scw-em-rv1", "cloudv10x-jupiter"]
                .map(|name| Pool {
                    name: name.into(),
                    node_selector: BTreeMap::new(),
                    ephemeral_storage: None,
                })
                .into(),
            routes: vec![
                route(
                    vec![only(134_263_123, &[]), only(152_654_596, &["llama.cpp"])],
                    "cloudv10x-jupiter",
                ),
                route(Vec::new(), "scw-em-rv1"),
            ],
        },
        image_tag: "staging".into(),
        section: GhfeSection {
            max_body_bytes: 26_214_400,
            max_bytes_in_flight: 67_108_864,
            stored_payload_bytes: 262_144,
            intake_connections: 4,
            database_timeout: Span::seconds(20),
            read_timeout: Span::seconds(20),
            wake_up_every: Span::millis(20),
            drain_within: Span::seconds(20),
            public_only: false,
            staging_timeout: Span::seconds(20),
            settings_every: Span::seconds(60),
        },
        setup: SetupSection {
            organization_install_url: "https://example.com/install-org".into(),
            personal_install_url: "https://example.com/install-personal".into(),
            lookups_per_minute: 1_000,
        },
        staging: None,
        webhook_secret: SECRET.into(),
        trace_secret: TRACE_SECRET.into(),
    }
}

/// Writes all of it.
async fn write(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

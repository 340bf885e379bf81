//! The vocabulary of these tests: open doors, a client of the REST API, a receiver of webhooks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, Method, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::doors::github::AppKeys;
use crate::doors::{Doors, DoorsConfig, SharedWorld};
use crate::world::WorldConfig;
use crate::world::cluster::ClusterConfig;
use crate::world::github::{AppKind, GitHubConfig};

pub(super) const RISCV: &str = "ubuntu-24.04-riscv";
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The keys, made once for all tests of a process.
fn keys() -> AppKeys {
    static KEYS: OnceLock<AppKeys> = OnceLock::new();
    KEYS.get_or_init(|| AppKeys::generate().unwrap()).clone()
}

/// Doors without delay on this world, still closed.
pub(super) fn config(github: GitHubConfig) -> DoorsConfig {
    let world = WorldConfig {
        github,
        cluster: ClusterConfig::default(),
        seed: 5,
    };
    let mut config = DoorsConfig::new(world);
    config.github.delay = None;
    config.keys = Some(keys());
    config
}

/// Doors without delay on this world.
pub(super) async fn open(github: GitHubConfig) -> Doors {
    Doors::start(config(github)).await.unwrap()
}

/// What `future` gives, unless it takes too long.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("this should have happened by now")
}

/// An answer of the API.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// The `next` link.
    pub(super) fn next(&self) -> Option<String> {
        let mut links = self.header("link").split(", ");
        let next = links.find(|link| link.ends_with("rel=\"next\""))?;
        Some(next.split(['<', '>']).nth(1)?.to_owned())
    }
}

/// A client with or without credentials.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    authorization: Option<String>,
}

impl Client {
    pub(super) fn anonymous(doors: &Doors) -> Self {
        let http = reqwest::Client::builder()
            .user_agent("tests")
            .no_proxy()
            .build()
            .unwrap();
        Self {
            http,
            base: doors.github_url().to_owned(),
            authorization: None,
        }
    }

    /// An App with a good JWT.
    pub(super) fn app(doors: &Doors, app: AppKind) -> Self {
        let now = doors.world().read(|world| world.now()).timestamp();
        let id = doors.world().read(|world| {
            world
                .github
                .apps()
                .iter()
                .find(|there| there.kind == app)
                .unwrap()
                .id
        });
        let claims = json!({"iss": id.to_string(), "iat": now - 60, "exp": now + 540});
        Self::jwt(doors, app, &claims)
    }

    /// An App with these claims.
    pub(super) fn jwt(doors: &Doors, app: AppKind, claims: &Value) -> Self {
        let pem = doors.github().keys().private_pem(app);
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        let jwt = jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap();
        Self::anonymous(doors).with_secret(&jwt)
    }

    /// The installation on an account, with a fresh token.
    pub(super) async fn installation(doors: &Doors, app: AppKind, login: &str) -> Self {
        let id = installation(doors.world(), app, login);
        let path = format!("/app/installations/{id}/access_tokens");
        let answer = Self::app(doors, app).post(&path, &json!({})).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        Self::anonymous(doors).with_secret(answer.body["token"].as_str().unwrap())
    }

    pub(super) fn with_secret(&self, secret: &str) -> Self {
        Self {
            authorization: Some(format!("Bearer {secret}")),
            ..self.clone()
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub(super) async fn get_if_changed(&self, path: &str, etag: &str) -> Answer {
        self.send(Method::GET, path, &[("if-none-match", etag)], None)
            .await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// As [`Client::post`], but the connection may break.
    pub(super) async fn try_post(&self, path: &str, body: &Value) -> reqwest::Result<Answer> {
        self.try_send(Method::POST, path, &[], Some(body)).await
    }

    async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        // Links are absolute, everything else is a path.
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            self.base.clone() + path
        };
        let mut request = self.http.request(method, url);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = serde_json::from_slice(&answer.bytes().await?).unwrap_or(Value::Null);
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

/// The id of an App's installation on an account.
pub(super) fn installation(world: &SharedWorld, app: AppKind, login: &str) -> i64 {
    world.read(|world| {
        let app = world
            .github
            .apps()
            .iter()
            .find(|there| there.kind == app)
            .unwrap()
            .id;
        let account = world.github.account(login).unwrap().id;
        world.github.installation_on(account, app).unwrap().id.0
    })
}

/// A delivery as it was received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) raw: Vec<u8>,
    pub(super) payload: Value,
}

impl Received {
    pub(super) fn name(&self) -> String {
        let action = self.payload["action"].as_str().unwrap_or_default();
        format!("{}.{action}", self.headers["x-github-event"])
    }
}

/// A receiver of webhooks that answers as it is told.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    received: watch::Sender<Vec<Received>>,
    answer: Arc<Mutex<StatusCode>>,
}

impl Receiver {
    /// Serves a receiver beside the doors and makes it the target of webhooks.
    pub(super) async fn listen(doors: &mut Doors) -> Self {
        let receiver = Self {
            received: watch::Sender::new(Vec::new()),
            answer: Arc::new(Mutex::new(StatusCode::OK)),
        };
        let router = Router::new()
            .route("/", post(receive))
            .with_state(receiver.clone());
        let url = doors.serve("receiver", router).await.unwrap();
        doors.webhooks().set_target(Some(&format!("{url}/")));
        receiver
    }

    pub(super) fn answer_with(&self, status: StatusCode) {
        *self.answer.lock().unwrap() = status;
    }

    /// Waits until so many were received; returns all.
    pub(super) async fn at_least(&self, count: usize) -> Vec<Received> {
        let mut received = self.received.subscribe();
        let enough = soon(received.wait_for(|received| received.len() >= count)).await;
        enough.unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, raw: Bytes) -> StatusCode {
    let payload = serde_json::from_slice(&raw).unwrap();
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let received = Received {
        headers,
        raw: raw.to_vec(),
        payload,
    };
    receiver.received.send_modify(|all| all.push(received));
    *receiver.answer.lock().unwrap()
}

//! Kubernetes: the only place that calls it.
//!
//! Thin calls for the scheduler, each bounded in time and never repeated here; none of Kubernetes' own types leaves.
//! An error says which operation met what and whether the operation may have happened all the same. A JIT config is in
//! the pod's environment and nowhere else: no answer that could hold one is put into a log or an error.

mod convert;
mod diagnostics;
mod error;
mod logs;
mod pods;
mod setup;
mod shape;
mod watch;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::SystemTime;

use k8s_openapi::{List, ListableResource};
use kube::Client;
use kube::api::ListParams;
use kube::client::Body;
use kube::core::Request;
use rise_model::Time;
use rise_model::cluster::{Listed, Node};
use serde::de::DeserializeOwned;

use crate::config::KubernetesSection;

pub use diagnostics::{ContainerReport, Diagnostics, EventReport};
pub use error::{KubernetesError, KubernetesErrorKind, Operation};
pub use pods::{Grace, PodCreation, PodDeletion, PodKill, PodSeen};
pub use setup::{KubeSource, KubernetesSetupError};

/// How many objects are asked for at once.
const PAGE: u32 = 500;

/// A client of one namespace of one cluster. Clones share its connections; it belongs to the tokio runtime in which it
/// was made.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    namespace: String,
    section: KubernetesSection,
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubernetes")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Kubernetes {
    /// Asks the API server for its version: whether it can be reached and is one.
    ///
    /// # Errors
    /// Whatever the API server or the way to it says.
    pub async fn version(&self) -> Result<String, KubernetesError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            git_version: String,
        }
        let call = Call::new(Operation::GetVersion, "the API server");
        let request = http::Request::get("/version")
            .body(Vec::new())
            .map_err(|error| call.odd(error.to_string()))?;
        let version: Version = self.json(&call, request).await?;
        Ok(version.git_version)
    }

    /// All nodes, and when the list was begun.
    ///
    /// # Errors
    /// Also when the list is not whole.
    pub async fn list_nodes(&self) -> Result<Listed<Node>, KubernetesError> {
        let call = Call::new(Operation::ListNodes, "nodes");
        self.list(&call, NODES, &ListParams::default(), convert::node)
            .await
    }

    fn pods_path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods", self.namespace)
    }

    /// All objects of a path, page by page.
    async fn list<K, T>(
        &self,
        call: &Call,
        path: &str,
        params: &ListParams,
        convert: fn(K) -> Result<T, String>,
    ) -> Result<Listed<T>, KubernetesError>
    where
        K: ListableResource + DeserializeOwned,
    {
        let begun_at = now();
        let mut items = Vec::new();
        let mut params = params.clone().limit(PAGE);
        loop {
            let request = call.built(Request::new(path).list(&params))?;
            let page: List<K> = self.json(call, request).await?;
            for object in page.items {
                items.push(convert(object).map_err(|odd| call.odd(odd))?);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(Listed { items, begun_at }),
            }
        }
    }

    /// Sends a request and reads its JSON. (The client's own way would log what it cannot read, secrets and all.)
    async fn json<T: DeserializeOwned>(
        &self,
        call: &Call,
        request: http::Request<Vec<u8>>,
    ) -> Result<T, KubernetesError> {
        let text = self.text(call, request).await?;
        serde_json::from_str(&text).map_err(|error| {
            call.odd(format!(
                "the answer is not as described, line {} column {}",
                error.line(),
                error.column()
            ))
        })
    }

    async fn text(
        &self,
        call: &Call,
        request: http::Request<Vec<u8>>,
    ) -> Result<String, KubernetesError> {
        let asking = async {
            let response = self.client.send(request.map(Body::from)).await?;
            let status = response.status();
            let body = response.into_body().collect_bytes().await?;
            Ok((status, body))
        };
        let within = self.section.call_timeout.std();
        let (status, body) = match tokio::time::timeout(within, asking).await {
            Ok(answer) => answer.map_err(|error| call.failed(error))?,
            Err(_) => return Err(call.timed_out()),
        };
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            Ok(text)
        } else {
            Err(call.error(error::answered(status, &text)))
        }
    }
}

const NODES: &str = "/api/v1/nodes";

/// What is asked, and of what: for errors.
struct Call {
    operation: Operation,
    subject: String,
}

impl Call {
    fn new(operation: Operation, subject: impl Into<String>) -> Self {
        Self {
            operation,
            subject: subject.into(),
        }
    }

    fn failed(&self, error: kube::Error) -> KubernetesError {
        self.error(error::kind_of(error))
    }

    fn timed_out(&self) -> KubernetesError {
        self.error(KubernetesErrorKind::TimedOut)
    }

    fn odd(&self, message: String) -> KubernetesError {
        self.error(KubernetesErrorKind::Unexpected { message })
    }

    fn error(&self, kind: KubernetesErrorKind) -> KubernetesError {
        KubernetesError::new(self.operation, self.subject.clone(), kind)
    }

    /// A request that could be put together; one that could not was never sent.
    fn built(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<http::Request<Vec<u8>>, KubernetesError> {
        request.map_err(|error| {
            self.error(KubernetesErrorKind::Invalid {
                message: error.to_string(),
            })
        })
    }
}

/// Now, by this machine's clock.
fn now() -> Time {
    SystemTime::now().into()
}

//! What changes between two lists: watches of pods and nodes that are taken up again by themselves.
//!
//! A watch is a hint and no more: it can fall silent unnoticed, so the scheduler lists as well. Where changes may have
//! been missed it says so after the new watch has its starting point, so that a list begun then misses nothing.

use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::{List, ListableResource, Metadata};
use kube::api::{ListParams, WatchParams};
use kube::core::metadata::ObjectMeta;
use kube::core::{Request, WatchEvent};
use rise_model::cluster::{APP, APP_LABEL, ClusterChange, Watched};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::error::{KubernetesError, KubernetesErrorKind, Operation, refusal};
use super::{Call, Kubernetes, NODES, convert};
use crate::causes::WithCauses;

/// The first wait after a watch broke; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A right that is missing may be granted meanwhile.
const FORBIDDEN_WAIT: Duration = Duration::from_secs(300);
/// A watch that ended sooner than this is not taken up at once.
const SHORT: Duration = Duration::from_secs(1);

/// Why a watch is over.
enum Over {
    /// Nobody listens any more.
    NoListener,
    /// It broke.
    Broken(KubernetesError),
}

struct Subject<K> {
    watched: Watched,
    call: Call,
    path: String,
    labels: Option<String>,
    change: fn(K, Kept) -> Result<ClusterChange, String>,
}

#[derive(Clone, Copy)]
enum Kept {
    There,
    Gone,
}

impl Kubernetes {
    /// Watches pods and nodes and sends what changes, until `stop` or until nobody receives. Where the right to watch is
    /// missing it says so once and leaves that kind to the lists.
    ///
    /// The API server ends each watch after `watch_timeout` and it is taken up where it ended: so a connection that died
    /// without a word is noticed.
    pub async fn watch(&self, changes: &mpsc::Sender<ClusterChange>, stop: &CancellationToken) {
        let pods = Subject {
            watched: Watched::Pods,
            call: Call::new(
                Operation::WatchPods,
                format!("namespace {}", self.namespace),
            ),
            path: self.pods_path(),
            labels: Some(format!("{APP_LABEL}={APP}")),
            change: pod_change,
        };
        let nodes = Subject {
            watched: Watched::Nodes,
            call: Call::new(Operation::WatchNodes, "nodes"),
            path: NODES.to_owned(),
            labels: None,
            change: node_change,
        };
        let both = async {
            tokio::join!(
                self.keep_watch(&pods, changes),
                self.keep_watch(&nodes, changes)
            );
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = both => {}
        }
    }

    async fn keep_watch<K>(&self, subject: &Subject<K>, changes: &mpsc::Sender<ClusterChange>)
    where
        K: ListableResource + Metadata<Ty = ObjectMeta> + DeserializeOwned + Clone,
    {
        let mut wait = FIRST_WAIT;
        let mut warned = Warned::No;
        loop {
            let begun = tokio::time::Instant::now();
            let error = match self.watch_until_over(subject, changes).await {
                Over::NoListener => return,
                Over::Broken(error) => error,
            };
            if begun.elapsed() > LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            let pause = match error.kind() {
                KubernetesErrorKind::Forbidden { .. } => {
                    warned.once(subject.watched, &error);
                    FORBIDDEN_WAIT
                }
                // Told by the API server in the ordinary course of things.
                KubernetesErrorKind::Expired => Duration::ZERO,
                _ => {
                    tracing::info!(
                        kubernetes.operation = error.operation().as_str(),
                        error = %WithCauses(&error),
                        "the watch of {} broke and is begun again",
                        subject.watched.as_str()
                    );
                    wait
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = changes.closed() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn watch_until_over<K>(
        &self,
        subject: &Subject<K>,
        changes: &mpsc::Sender<ClusterChange>,
    ) -> Over
    where
        K: ListableResource + Metadata<Ty = ObjectMeta> + DeserializeOwned + Clone,
    {
        let mut version = match self.present_version(subject).await {
            Ok(version) => version,
            Err(error) => return Over::Broken(error),
        };
        let mut announced = false;
        loop {
            let begun = tokio::time::Instant::now();
            let over = self
                .watch_once(subject, &mut version, changes, &mut announced)
                .await;
            if let Some(over) = over {
                return over;
            }
            if begun.elapsed() < SHORT {
                tokio::time::sleep(SHORT).await;
            }
        }
    }

    /// One watch, from `version` to its orderly end (`None`).
    async fn watch_once<K>(
        &self,
        subject: &Subject<K>,
        version: &mut String,
        changes: &mpsc::Sender<ClusterChange>,
        announced: &mut bool,
    ) -> Option<Over>
    where
        K: Metadata<Ty = ObjectMeta> + DeserializeOwned + Clone,
    {
        let call = &subject.call;
        let params = WatchParams {
            label_selector: subject.labels.clone(),
            timeout: Some(self.watch_seconds()),
            ..WatchParams::default()
        };
        let request = Request::new(subject.path.as_str()).watch(&params, version);
        let request = match call.built(request) {
            Ok(request) => request,
            Err(error) => return Some(Over::Broken(error)),
        };
        let opening = self.client.request_events::<K>(request);
        let events = match tokio::time::timeout(self.section.call_timeout.std(), opening).await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => return Some(Over::Broken(call.failed(error))),
            Err(_) => return Some(Over::Broken(call.timed_out())),
        };
        // Only now: whoever lists on hearing this sees all that was before the watch's beginning.
        if !*announced {
            *announced = true;
            if changes
                .send(ClusterChange::Missed(subject.watched))
                .await
                .is_err()
            {
                return Some(Over::NoListener);
            }
        }
        let silence = self.section.watch_timeout.std() + self.section.call_timeout.std();
        let mut events = std::pin::pin!(events);
        loop {
            let event = match tokio::time::timeout(silence, events.try_next()).await {
                Ok(Ok(Some(event))) => event,
                Ok(Ok(None)) => return None,
                Ok(Err(error)) => return Some(Over::Broken(call.failed(error))),
                Err(_) => return Some(Over::Broken(call.timed_out())),
            };
            let change = match subject.read(event, version) {
                Ok(change) => change,
                Err(error) => return Some(Over::Broken(error)),
            };
            if let Some(change) = change
                && changes.send(change).await.is_err()
            {
                return Some(Over::NoListener);
            }
        }
    }

    fn watch_seconds(&self) -> u32 {
        u32::try_from(self.section.watch_timeout.std().as_secs())
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// Where a watch can begin: the collection's version now.
    async fn present_version<K>(&self, subject: &Subject<K>) -> Result<String, KubernetesError>
    where
        K: ListableResource + DeserializeOwned,
    {
        let mut params = ListParams::default().limit(1);
        params.label_selector.clone_from(&subject.labels);
        let request = Request::new(subject.path.as_str()).list(&params);
        let list: List<K> = self
            .json(&subject.call, subject.call.built(request)?)
            .await?;
        let version = list.metadata.resource_version.unwrap_or_default();
        if version.is_empty() {
            return Err(subject.call.odd("a list has no resourceVersion".to_owned()));
        }
        Ok(version)
    }
}

impl<K: Metadata<Ty = ObjectMeta>> Subject<K> {
    /// What an event says, and how far the watch has come with it.
    fn read(
        &self,
        event: WatchEvent<K>,
        version: &mut String,
    ) -> Result<Option<ClusterChange>, KubernetesError> {
        let (object, kept) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, Kept::There),
            WatchEvent::Deleted(object) => (object, Kept::Gone),
            WatchEvent::Bookmark(bookmark) => {
                *version = bookmark.metadata.resource_version;
                return Ok(None);
            }
            WatchEvent::Error(status) => return Err(self.call.error(refusal(&status))),
        };
        if let Some(reached) = &object.metadata().resource_version {
            version.clone_from(reached);
        }
        match (self.change)(object, kept) {
            Ok(change) => Ok(Some(change)),
            Err(odd) => Err(self.call.odd(odd)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Warned {
    No,
    Yes,
}

impl Warned {
    fn once(&mut self, watched: Watched, error: &KubernetesError) {
        if *self == Self::No {
            *self = Self::Yes;
            tracing::warn!(
                kubernetes.operation = error.operation().as_str(),
                error = %WithCauses(error),
                "{} may not be watched with this kubeconfig: their changes are seen in lists only, seconds later",
                watched.as_str()
            );
        }
    }
}

fn pod_change(pod: core::Pod, kept: Kept) -> Result<ClusterChange, String> {
    let pod = Box::new(convert::pod(pod)?);
    Ok(match kept {
        Kept::There => ClusterChange::PodApplied(pod),
        Kept::Gone => ClusterChange::PodDeleted(pod),
    })
}

fn node_change(node: core::Node, kept: Kept) -> Result<ClusterChange, String> {
    let node = Box::new(convert::node(node)?);
    Ok(match kept {
        Kept::There => ClusterChange::NodeApplied(node),
        Kept::Gone => ClusterChange::NodeDeleted(node),
    })
}

//! Deletion: at once where nothing runs, else marked, killed by the board, and then gone; with preconditions.

use std::sync::Arc;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Cluster;
use super::board::BoardLoss;
use super::error::ApiError;
use super::pod::{PodId, stamp};
use super::report::KillCause;
use super::store::{Key, Kind};
use crate::world::Time;

/// How something is to be deleted, as the body of the request has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteOptions {
    /// Seconds for the container to end; the pod's own when absent; 0 takes the object away at once.
    pub grace_period_seconds: Option<i64>,
    /// What must be true of the object.
    pub preconditions: Preconditions,
    /// Checked only, not done, when not empty.
    pub dry_run: Vec<String>,
}

/// What must be true of an object for a deletion to go on.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preconditions {
    /// Its uid.
    pub uid: Option<String>,
    /// Its version.
    pub resource_version: Option<String>,
}

impl DeleteOptions {
    /// A deletion with this grace.
    #[must_use]
    pub fn with_grace(seconds: i64) -> Self {
        Self {
            grace_period_seconds: Some(seconds),
            ..Self::default()
        }
    }
}

impl Cluster {
    /// Deletes a pod: at once when it is on no board, has ended, or no grace is given; else when its board has killed it.
    /// Returns the pod's last or marked state.
    ///
    /// # Errors
    /// 404, 409 when a precondition does not hold.
    pub fn delete_pod(
        &mut self,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
        now: Time,
    ) -> Result<Arc<Value>, ApiError> {
        self.end_by_api(namespace, name, options, KillCause::Deleted, now)
    }

    /// Evicts a pod through its `eviction` subresource.
    ///
    /// # Errors
    /// As [`Cluster::delete_pod`].
    pub fn evict_pod(
        &mut self,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
        now: Time,
    ) -> Result<(), ApiError> {
        self.end_by_api(namespace, name, options, KillCause::Evicted, now)
            .map(drop)
    }

    fn end_by_api(
        &mut self,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
        cause: KillCause,
        now: Time,
    ) -> Result<Arc<Value>, ApiError> {
        let pod = self.get(Kind::Pod, namespace, name)?;
        check_preconditions(&pod, name, &options.preconditions)?;
        let key = Key::new(namespace, name);
        let Some(id) = self
            .names
            .get(&key)
            .copied()
            .filter(|_| options.dry_run.is_empty())
        else {
            return Ok(pod);
        };
        let own = pod["spec"]["terminationGracePeriodSeconds"]
            .as_i64()
            .unwrap_or(30);
        let mut grace = options.grace_period_seconds.unwrap_or(own).max(0);
        if pod["spec"]["nodeName"].is_null()
            || self
                .pods
                .get(&id)
                .is_some_and(|pod| pod.reported.is_terminal())
        {
            grace = 0;
        }
        if grace == 0 {
            if let Some(pod) = self.pods.get_mut(&id) {
                pod.kill.get_or_insert(cause);
            }
            return Ok(self.remove_document(id, now).unwrap_or(pod));
        }
        // A second deletion only ever shortens the first one's grace.
        match pod["metadata"]["deletionGracePeriodSeconds"].as_i64() {
            Some(earlier) if earlier <= grace => Ok(pod),
            _ => {
                self.begin_deletion(id, grace, cause, now);
                Ok(self.document_of(id).cloned().unwrap_or(pod))
            }
        }
    }

    /// Marks a pod as deleted; its board, if it hears of it, kills the container.
    pub(super) fn begin_deletion(&mut self, id: PodId, grace: i64, cause: KillCause, now: Time) {
        self.edit_pod(id, |pod| mark_deleted(pod, grace, now));
        self.kill(id, cause, now);
    }

    /// Takes a pod's document away; a container that still runs is killed once its board hears of it.
    pub(super) fn remove_document(&mut self, id: PodId, now: Time) -> Option<Arc<Value>> {
        // Without a document of its own: by now its name may be another pod's.
        let pod = self.pods.get_mut(&id).filter(|pod| pod.in_api)?;
        pod.in_api = false;
        self.timers.cancel(pod.timers.evict.take());
        let (key, runs) = (pod.key.clone(), pod.runs());
        let last = self.store.remove(Kind::Pod, &key);
        self.names.remove(&key);
        if runs {
            self.kill(id, KillCause::Deleted, now);
        } else if let Some(pod) = self.pods.remove(&id) {
            self.timers.cancel(pod.timers.main);
            self.timers.cancel(pod.timers.deadline);
        }
        self.wake_scheduler(now);
        last
    }

    /// Removes a node from the cluster; its board is gone with all that ran on it.
    ///
    /// # Errors
    /// 404, 409 when a precondition does not hold.
    pub fn delete_node(
        &mut self,
        name: &str,
        options: &DeleteOptions,
        now: Time,
    ) -> Result<Arc<Value>, ApiError> {
        let node = self.get(Kind::Node, "", name)?;
        check_preconditions(&node, name, &options.preconditions)?;
        self.board_away(name, BoardLoss::PoweredOff, TimeDelta::zero(), now);
        let last = self.store.remove(Kind::Node, &Key::new("", name));
        Ok(last.unwrap_or(node))
    }
}

/// A pod's `deletionTimestamp` and grace, written into its metadata.
pub(super) fn mark_deleted(document: &mut Value, grace: i64, now: Time) {
    document["metadata"]["deletionTimestamp"] = stamp(now + TimeDelta::seconds(grace));
    document["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
}

fn check_preconditions(object: &Value, name: &str, wanted: &Preconditions) -> Result<(), ApiError> {
    let kind = if object["kind"] == "Node" {
        Kind::Node
    } else {
        Kind::Pod
    };
    let metadata = &object["metadata"];
    if let Some(uid) = wanted.uid.as_ref().filter(|uid| metadata["uid"] != **uid) {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            metadata["uid"].as_str().unwrap_or_default()
        );
        return Err(ApiError::conflict(kind, name, &why));
    }
    if let Some(version) = wanted
        .resource_version
        .as_ref()
        .filter(|version| metadata["resourceVersion"] != **version)
    {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The \
             object might have been modified",
            metadata["resourceVersion"].as_str().unwrap_or_default()
        );
        return Err(ApiError::conflict(kind, name, &why));
    }
    Ok(())
}

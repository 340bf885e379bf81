//! Runner pods: read, made, ended.

use k8s_openapi::api::core::v1 as core;
use kube::api::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::Request;
use rise_model::cluster::{APP, APP_LABEL, Listed, Pod, PodSpecInput};
use rise_model::{PodName, PodUid, ResourceVersion};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::error::{KubernetesError, KubernetesErrorKind, Operation};
use super::{Call, Kubernetes, convert, shape};

/// What became of a pod that was to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodCreation {
    /// It is made.
    Created(Box<Pod>),
    /// One of that name is there already, or still there.
    AlreadyExists,
}

/// What became of a pod that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodDeletion {
    /// It is gone, or will be after its grace.
    Deleted,
    /// It was not there.
    Absent,
    /// It is not as it was seen, and stays.
    Changed,
}

/// What became of a pod that was to be killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodKill {
    /// Its node will end it within seconds and keep its log.
    Ordered(Box<Pod>),
    /// It was not there.
    Absent,
}

/// How a pod was seen when its deletion was decided. What is named must still be so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodSeen {
    /// It is this pod and not a later one of the same name.
    pub uid: Option<PodUid>,
    /// It is in this very state.
    pub resource_version: Option<ResourceVersion>,
}

/// How long a deleted pod has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// What its own specification says.
    Own,
    /// None: the object goes at once, also when its node is dead.
    None,
}

impl Kubernetes {
    /// All our pods, and when the list was begun.
    ///
    /// # Errors
    /// Also when the list is not whole.
    pub async fn list_pods(&self) -> Result<Listed<Pod>, KubernetesError> {
        let call = Call::new(Operation::ListPods, format!("namespace {}", self.namespace));
        let ours = ListParams::default().labels(&format!("{APP_LABEL}={APP}"));
        self.list(&call, &self.pods_path(), &ours, convert::pod)
            .await
    }

    /// A pod by name.
    ///
    /// # Errors
    /// Whatever the API server or the way to it says.
    pub async fn get_pod(&self, name: &PodName) -> Result<Option<Pod>, KubernetesError> {
        let call = Call::new(Operation::GetPod, format!("pod {name}"));
        Ok(match self.raw_pod(&call, name).await? {
            Some(pod) => Some(convert::pod(pod).map_err(|odd| call.odd(odd))?),
            None => None,
        })
    }

    pub(super) async fn raw_pod(
        &self,
        call: &Call,
        name: &PodName,
    ) -> Result<Option<core::Pod>, KubernetesError> {
        let request = Request::new(self.pods_path()).get(name.as_str(), &GetParams::default());
        match self.json(call, call.built(request)?).await {
            Ok(pod) => Ok(Some(pod)),
            Err(error) if matches!(error.kind(), KubernetesErrorKind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a runner's pod.
    ///
    /// # Errors
    /// Where [`KubernetesError::answer_unknown`] holds, the pod may be there: read it before anything else.
    pub async fn create_pod(
        &self,
        input: &PodSpecInput,
        jit_config: &SecretString,
    ) -> Result<PodCreation, KubernetesError> {
        let call = Call::new(Operation::CreatePod, format!("pod {}", input.name));
        let body = shape::pod(input, jit_config.expose_secret())
            .to_string()
            .into_bytes();
        let request = Request::new(self.pods_path()).create(&PostParams::default(), body);
        match self.json::<core::Pod>(&call, call.built(request)?).await {
            Ok(made) => {
                let pod = convert::pod(made).map_err(|odd| call.odd(odd))?;
                Ok(PodCreation::Created(Box::new(pod)))
            }
            Err(error) if matches!(error.kind(), KubernetesErrorKind::AlreadyExists { .. }) => {
                Ok(PodCreation::AlreadyExists)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a pod, if it still is as it was seen.
    ///
    /// # Errors
    /// Whatever the API server or the way to it says.
    pub async fn delete_pod(
        &self,
        name: &PodName,
        seen: &PodSeen,
        grace: Grace,
    ) -> Result<PodDeletion, KubernetesError> {
        let call = Call::new(Operation::DeletePod, format!("pod {name}"));
        let mut params = DeleteParams::default();
        if *seen != PodSeen::default() {
            params = params.preconditions(Preconditions {
                uid: seen.uid.as_ref().map(|uid| uid.as_str().to_owned()),
                resource_version: seen
                    .resource_version
                    .as_ref()
                    .map(|version| version.as_str().to_owned()),
            });
        }
        if grace == Grace::None {
            params = params.grace_period(0);
        }
        let request = Request::new(self.pods_path()).delete(name.as_str(), &params);
        match self.text(&call, call.built(request)?).await {
            Ok(_) => Ok(PodDeletion::Deleted),
            Err(error) => match error.kind() {
                KubernetesErrorKind::NotFound => Ok(PodDeletion::Absent),
                KubernetesErrorKind::Conflict => Ok(PodDeletion::Changed),
                _ => Err(error),
            },
        }
    }

    /// Ends a pod and keeps it and its log: its deadline is moved to one second after its start. Does nothing for a pod
    /// that no node has taken on.
    ///
    /// # Errors
    /// Whatever the API server or the way to it says.
    pub async fn kill_pod(&self, name: &PodName) -> Result<PodKill, KubernetesError> {
        let call = Call::new(Operation::PatchPod, format!("pod {name}"));
        let patch = Patch::Strategic(json!({ "spec": { "activeDeadlineSeconds": 1 } }));
        let request =
            Request::new(self.pods_path()).patch(name.as_str(), &PatchParams::default(), &patch);
        match self.json::<core::Pod>(&call, call.built(request)?).await {
            Ok(pod) => {
                let pod = convert::pod(pod).map_err(|odd| call.odd(odd))?;
                Ok(PodKill::Ordered(Box::new(pod)))
            }
            Err(error) if matches!(error.kind(), KubernetesErrorKind::NotFound) => {
                Ok(PodKill::Absent)
            }
            Err(error) => Err(error),
        }
    }
}

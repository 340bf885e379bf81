//! Where the cluster is and as whom it is spoken to, and what is wrong with that when nothing can be said.

use std::fmt;
use std::path::PathBuf;

use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use secrecy::{ExposeSecret, SecretString};

use super::Kubernetes;
use crate::config::KubernetesSection;

/// Where the way to the cluster is described.
#[derive(Debug, Clone)]
pub enum KubeSource {
    /// The text of a kubeconfig.
    Text(SecretString),
    /// A kubeconfig file.
    Path(PathBuf),
    /// The service account of the pod that this process runs in.
    InCluster,
}

impl fmt::Display for KubeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("K8S_KUBECONFIG"),
            Self::Path(path) => path.display().fmt(f),
            Self::InCluster => f.write_str("the pod's service account"),
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesSetupError {
    /// The file cannot be read.
    #[error("the kubeconfig {path} cannot be read")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no YAML, or no kubeconfig. The parser's message is left out: it quotes the text, which holds keys.
    #[error("{from} is not a kubeconfig")]
    NotAKubeconfig {
        /// Where it came from.
        from: String,
    },
    /// It does not say which cluster.
    #[error("{from} names no current context")]
    NoCurrentContext {
        /// Where it came from.
        from: String,
    },
    /// Something that it names is missing or damaged.
    #[error("{from} is incomplete")]
    Incomplete {
        /// Where it came from.
        from: String,
        /// What is missing.
        #[source]
        source: KubeconfigError,
    },
    /// Not in a pod with a service account.
    #[error("this process does not run in a pod with a service account")]
    NotInCluster(#[source] InClusterError),
    /// The HTTP client could not be made.
    #[error("the client for the cluster could not be made")]
    Client(#[source] kube::Error),
}

impl KubernetesSetupError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => {
                "check the path in KUBECONFIG and that this user may read the file"
            }
            Self::NotAKubeconfig { .. } => {
                "set K8S_KUBECONFIG to the text of a kubeconfig (YAML), or KUBECONFIG to its path"
            }
            Self::NoCurrentContext { .. } => {
                "choose one with `kubectl config use-context NAME`, then take the file again"
            }
            Self::Incomplete { .. } => {
                "check it with `kubectl --kubeconfig FILE version`; certificates must be inside it (`kubectl config view --raw --flatten`)"
            }
            Self::NotInCluster(_) => "set K8S_KUBECONFIG or KUBECONFIG",
            Self::Client(_) => "check the certificates and keys in the kubeconfig",
        }
    }
}

impl Kubernetes {
    /// A client of a namespace. Nothing is sent yet: [`Kubernetes::version`] tells whether the cluster answers. Must be
    /// called inside a tokio runtime.
    ///
    /// # Errors
    /// [`KubernetesSetupError`] names what is wrong and has a hint.
    pub async fn new(
        source: &KubeSource,
        namespace: &str,
        section: KubernetesSection,
    ) -> Result<Self, KubernetesSetupError> {
        let mut config = match source {
            KubeSource::InCluster => {
                Config::incluster().map_err(KubernetesSetupError::NotInCluster)?
            }
            KubeSource::Text(_) | KubeSource::Path(_) => {
                let named = |error| kubeconfig_error(source, error);
                let kubeconfig = match source {
                    KubeSource::Path(path) => Kubeconfig::read_from(path),
                    KubeSource::Text(text) => Kubeconfig::from_yaml(text.expose_secret()),
                    KubeSource::InCluster => Ok(Kubeconfig::default()),
                }
                .map_err(named)?;
                Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                    .await
                    .map_err(named)?
            }
        };
        // What is repeated is the scheduler's business: a POST above all.
        config.default_retry = false;
        config.connect_timeout = Some(section.call_timeout.std());
        Ok(Self {
            client: Client::try_from(config).map_err(KubernetesSetupError::Client)?,
            namespace: namespace.to_owned(),
            section,
        })
    }
}

fn kubeconfig_error(from: &KubeSource, error: KubeconfigError) -> KubernetesSetupError {
    let from = from.to_string();
    match error {
        KubeconfigError::ReadConfig(source, path) => KubernetesSetupError::Unreadable {
            path: path.display().to_string(),
            source,
        },
        KubeconfigError::Parse(_) => KubernetesSetupError::NotAKubeconfig { from },
        KubeconfigError::CurrentContextNotSet => KubernetesSetupError::NoCurrentContext { from },
        source => KubernetesSetupError::Incomplete { from, source },
    }
}

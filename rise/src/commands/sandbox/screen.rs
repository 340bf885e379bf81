//! The screen of `rise tui` over the sandbox's own tables and cluster, on a terminal.

use services::config::KubernetesSection;
use services::kubernetes::{KubeSource, Kubernetes};
use services::store::Store;

use super::Ended;
use super::story::Story;
use crate::config::Configuration;
use crate::exit::{Exit, Failure, chain};
use crate::logging;
use crate::tui::{self, Acting, Known, Settings, Source, View};

/// What it takes from the configuration.
pub(in crate::commands) struct Parts {
    known: Known,
    namespace: String,
    kubernetes: KubernetesSection,
}

impl Parts {
    /// The sandbox is the staging environment.
    pub(super) fn of(configuration: &Configuration) -> Self {
        Self {
            known: Known {
                environment: "sandbox",
                ..super::super::tui::known(configuration)
            },
            namespace: configuration.file.environment.staging.namespace.clone(),
            kubernetes: configuration.file.kubernetes,
        }
    }
}

/// Shows it until somebody closes it, which ends the sandbox. Without parts there is no screen, and no end by it.
pub(super) async fn show(
    parts: Option<Parts>,
    store: &Store,
    kubeconfig: String,
    story: &Story,
) -> Result<Ended, Failure> {
    let Some(parts) = parts else {
        return std::future::pending().await;
    };
    let cluster = KubeSource::Text(kubeconfig.into());
    let cluster = Kubernetes::new(&cluster, &parts.namespace, parts.kubernetes)
        .await
        .map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
    let settings = Settings {
        environment: parts.known.environment,
        acting: Acting::Allowed,
        cluster: true,
        log_file: logging::file().display().to_string(),
    };
    let source = Source {
        store: store.clone(),
        known: parts.known,
        cluster: Some(cluster),
    };
    story.be_silent(true);
    tui::run(source, settings, View::Overview, std::future::pending()).await?;
    story.be_silent(false);
    Ok(Ended::ByPerson)
}

//! One App, asked with its own key.
//!
//! [`AppClient`] tells whose an installation is and can do nothing else: it has no installation's token and makes none.

use std::fmt;

use http::Uri;
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use rise_model::config::Apps;
use rise_model::{EntityKind, InstallationId};
use secrecy::SecretString;

use super::error::GitHubError;
use super::installations::{Installation, installation_request};
use super::key::{GitHubSetupError, signing_key};
use super::transport::send;
use crate::config::GitHubSection;

/// A client of GitHub for one App. It belongs to the tokio runtime in which it was made.
pub struct AppClient {
    kind: EntityKind,
    client: Octocrab,
    api: Uri,
    section: GitHubSection,
}

impl fmt::Debug for AppClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppClient")
            .field("kind", &self.kind)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

impl AppClient {
    /// A client that calls the API at `api_url` with the private key (PEM) of the App that serves `kind`. Must be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// [`GitHubSetupError`] names what is wrong and has a hint.
    pub fn new(
        api_url: &str,
        kind: EntityKind,
        apps: Apps,
        key: &SecretString,
        section: GitHubSection,
    ) -> Result<Self, GitHubSetupError> {
        let api = api(api_url)?;
        Ok(Self {
            kind,
            client: client(&api, kind, apps, key, section)?,
            api,
            section,
        })
    }

    /// Whose accounts the App serves.
    #[must_use]
    pub fn kind(&self) -> EntityKind {
        self.kind
    }

    /// An installation of this App by id.
    ///
    /// # Errors
    /// Not found: this App has no such installation.
    pub async fn installation(&self, id: InstallationId) -> Result<Installation, GitHubError> {
        let request = installation_request(id);
        let within = self.section.call_timeout.std();
        send(&self.client, &request, self.api.authority(), within)
            .await?
            .success(&request)
    }
}

/// Reads the address of GitHub's API.
pub(super) fn api(url: &str) -> Result<Uri, GitHubSetupError> {
    url.trim_end_matches('/')
        .parse()
        .ok()
        .filter(|uri: &Uri| uri.scheme().is_some() && uri.authority().is_some())
        .ok_or_else(|| GitHubSetupError::Url(url.to_owned()))
}

/// A client that signs as the App that serves `kind`.
pub(super) fn client(
    api: &Uri,
    kind: EntityKind,
    apps: Apps,
    key: &SecretString,
    section: GitHubSection,
) -> Result<Octocrab, GitHubSetupError> {
    let app = u64::try_from(apps.serving(kind).0).unwrap_or_default();
    let key = signing_key(kind, app, key)?;
    Octocrab::builder()
        .base_uri(api.clone())
        .and_then(|builder| {
            builder
                .add_retry_config(RetryConfig::None)
                .set_connect_timeout(Some(section.call_timeout.std()))
                .app(app.into(), key)
                .build()
        })
        .map_err(GitHubSetupError::Client)
}

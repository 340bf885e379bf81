//! Installations: whose they are, and which one an account has now.

use rise_model::{AppId, EntityId, EntityKind, InstallationId, Time};
use serde::Deserialize;

use super::GitHub;
use super::error::{GitHubError, Operation};
use super::transport::{Request, encoded, encoded_repository};

/// The account of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: EntityId,
    /// Its present login.
    pub login: String,
    /// GitHub's word for its kind: `Organization`, `User`, `Enterprise`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Account {
    /// Its kind, if it is one that we serve.
    #[must_use]
    pub fn entity_kind(&self) -> Option<EntityKind> {
        EntityKind::parse(&self.kind)
    }
}

/// An App's installation on an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Installation {
    /// Its id.
    pub id: InstallationId,
    /// The App.
    pub app_id: AppId,
    /// The account; an enterprise's is described otherwise and is none of ours.
    #[serde(deserialize_with = "known_account")]
    pub account: Option<Account>,
    /// Since when it is suspended, if it is.
    pub suspended_at: Option<Time>,
}

fn known_account<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Account>, D::Error> {
    let account = serde_json::Value::deserialize(d)?;
    Ok(serde_json::from_value(account).ok())
}

/// Asks whose an installation is.
pub(super) fn installation_request(id: InstallationId) -> Request {
    Request::get(
        Operation::GetInstallation,
        format!("installation {id}"),
        format!("/app/installations/{id}"),
    )
}

impl GitHub {
    /// An installation by id, asked with the key of the App that serves `kind`.
    ///
    /// # Errors
    /// Not found: no such installation of that App.
    pub async fn installation(
        &self,
        kind: EntityKind,
        id: InstallationId,
    ) -> Result<Installation, GitHubError> {
        let request = installation_request(id);
        self.call_as_app(kind, &request).await?.success(&request)
    }

    /// The organisation App's present installation on an organisation.
    ///
    /// # Errors
    /// Not found: it has none.
    pub async fn org_installation(&self, login: &str) -> Result<Installation, GitHubError> {
        let request = Request::get(
            Operation::GetOrgInstallation,
            login,
            format!("/orgs/{}/installation", encoded(login)),
        );
        self.call_as_app(EntityKind::Organization, &request)
            .await?
            .success(&request)
    }

    /// The personal App's present installation on a user's account.
    ///
    /// # Errors
    /// Not found: it has none.
    pub async fn user_installation(&self, login: &str) -> Result<Installation, GitHubError> {
        let request = Request::get(
            Operation::GetUserInstallation,
            login,
            format!("/users/{}/installation", encoded(login)),
        );
        self.call_as_app(EntityKind::User, &request)
            .await?
            .success(&request)
    }

    /// The present installation, of the App that serves `kind`, that covers a repository.
    ///
    /// # Errors
    /// Not found: there is none.
    pub async fn repo_installation(
        &self,
        kind: EntityKind,
        full_name: &str,
    ) -> Result<Installation, GitHubError> {
        let request = Request::get(
            Operation::GetRepoInstallation,
            full_name,
            format!("/repos/{}/installation", encoded_repository(full_name)),
        );
        self.call_as_app(kind, &request).await?.success(&request)
    }
}

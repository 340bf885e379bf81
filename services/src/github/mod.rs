//! GitHub: the only place that calls it.
//!
//! Thin calls for the scheduler, one HTTP request each (a list: one a page), bounded in time, never repeated here,
//! except once with a fresh token when GitHub no longer takes the old one. An error says which operation met what and
//! whether the operation may have happened all the same. Tokens and JIT configs appear in no log, error or `Debug`.

mod app;
mod budget;
mod calls;
mod deliveries;
mod error;
mod installations;
mod jobs;
mod key;
pub mod names;
mod runners;
mod tokens;
mod transport;

#[cfg(test)]
mod tests;

use std::fmt;

use octocrab::Octocrab;
use rise_model::budget::Budget;
use rise_model::config::Apps;
use rise_model::dependencies::Party;
use rise_model::{AppId, EntityKind, InstallationId};
use secrecy::SecretString;

use crate::config::GitHubSection;

pub use app::AppClient;
pub use calls::{CallAnswer, GitHubUsage};
pub use error::{GitHubError, GitHubErrorKind, Operation, RateLimit};
pub use installations::{Account, Installation};
pub use jobs::Attempts;
pub use key::{GitHubSetupError, KeyProblem};
pub use runners::{JitConfig, RunnerDeletion};

/// Through which installation a call goes, and so with which App's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// The account's kind: it selects the App.
    pub kind: EntityKind,
    /// The installation on that account.
    pub installation: InstallationId,
}

/// A client of GitHub for both Apps. It belongs to the tokio runtime in which it was made.
pub struct GitHub {
    apps: Apps,
    organization: Octocrab,
    personal: Octocrab,
    section: GitHubSection,
    /// Scheme and host of the API: redirects lead nowhere else.
    authority: Option<http::uri::Authority>,
    tokens: tokens::Tokens,
    usage: GitHubUsage,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("apps", &self.apps)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl GitHub {
    /// A client that calls the API at `api_url` with the two Apps' private keys (PEM). Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`GitHubSetupError`] names what is wrong and has a hint.
    pub fn new(
        api_url: &str,
        apps: Apps,
        organization_key: &SecretString,
        personal_key: &SecretString,
        section: GitHubSection,
    ) -> Result<Self, GitHubSetupError> {
        let uri = app::api(api_url)?;
        let client = |kind, key: &SecretString| app::client(&uri, kind, apps, key, section);
        Ok(Self {
            apps,
            organization: client(EntityKind::Organization, organization_key)?,
            personal: client(EntityKind::User, personal_key)?,
            section,
            authority: uri.authority().cloned(),
            tokens: tokens::Tokens::default(),
            usage: GitHubUsage::default(),
        })
    }

    /// What is left of the hourly calls of an App or an installation, as its last answer said.
    #[must_use]
    pub fn budget(&self, party: Party) -> Option<Budget> {
        self.usage.budgets.of(party)
    }

    /// The budgets of everybody who was heard of.
    #[must_use]
    pub fn budgets(&self) -> Vec<(Party, Budget)> {
        self.usage.budgets()
    }

    /// What metrics tell of the calls that are made here.
    #[must_use]
    pub fn usage(&self) -> GitHubUsage {
        self.usage.clone()
    }

    /// The id of the App that serves accounts of this kind.
    #[must_use]
    pub fn app_id(&self, kind: EntityKind) -> AppId {
        self.apps.serving(kind)
    }

    fn app(&self, kind: EntityKind) -> &Octocrab {
        match kind {
            EntityKind::Organization => &self.organization,
            EntityKind::User => &self.personal,
        }
    }
}

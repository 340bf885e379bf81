//! Accounts, their repositories, the two Apps and where they are installed.

use std::collections::BTreeSet;

use super::GitHub;
use super::config::AccountKind;
use super::ids::{AccountId, InstallationId, RepositoryId};
use crate::world::Time;

/// There is no such account, repository, installation, job or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pretend GitHub has no {0}")]
pub struct Unknown(pub String);

/// Which of the two Apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppKind {
    /// The one that organisations install.
    Organization,
    /// The one that personal accounts install.
    Personal,
}

/// An App.
#[derive(Debug, Clone)]
pub struct App {
    /// Its id.
    pub id: i64,
    /// Which one it is.
    pub kind: AppKind,
    /// The OAuth name that a JWT may carry instead of the id.
    pub client_id: String,
    /// What it was granted: permission → access.
    pub permissions: Vec<(&'static str, &'static str)>,
}

impl App {
    /// The name in its URL.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        match self.kind {
            AppKind::Organization => "rise-risc-v-runners",
            AppKind::Personal => "rise-risc-v-runners-personal",
        }
    }

    /// Whether it was granted any access to `permission`.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|(name, _)| *name == permission)
    }
}

/// An organisation or a user.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name, which may change.
    pub login: String,
    /// What it is.
    pub kind: AccountKind,
    /// Whether its plan lets it make runner groups of its own.
    pub custom_groups: bool,
}

/// A repository.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Its id.
    pub id: RepositoryId,
    /// Whose it is.
    pub owner: AccountId,
    /// Its name without the owner.
    pub name: String,
    /// Whether strangers may not see it.
    pub private: bool,
    /// Workflow runs so far, for their numbers.
    pub(super) runs: i64,
}

/// An App on an account.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Its id.
    pub id: InstallationId,
    /// The App's id.
    pub app_id: i64,
    /// The account.
    pub account: AccountId,
    /// When it was installed.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// What stands in its way.
    pub state: InstallationState,
    /// Which repositories it covers.
    pub selection: RepositorySelection,
}

/// Whether an installation works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationState {
    /// It works.
    Active,
    /// The owner suspended it at this time.
    Suspended(Time),
    /// It was uninstalled at this time; GitHub's API no longer knows it.
    Deleted(Time),
}

/// Which repositories of the account an installation covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositorySelection {
    /// All, also those to come.
    All,
    /// These.
    Selected(BTreeSet<RepositoryId>),
}

impl Installation {
    /// Whether it covers `repository` (of its own account).
    #[must_use]
    pub fn covers(&self, repository: RepositoryId) -> bool {
        match &self.selection {
            RepositorySelection::All => true,
            RepositorySelection::Selected(some) => some.contains(&repository),
        }
    }

    /// Whether it was not uninstalled.
    #[must_use]
    pub fn exists(&self) -> bool {
        !matches!(self.state, InstallationState::Deleted(_))
    }
}

/// Looking things up.
impl GitHub {
    /// The two Apps.
    #[must_use]
    pub fn apps(&self) -> &[App] {
        &self.apps
    }

    /// An App by its id.
    #[must_use]
    pub fn app(&self, id: i64) -> Option<&App> {
        self.apps.iter().find(|app| app.id == id)
    }

    /// All accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// An account by its name; case does not matter.
    #[must_use]
    pub fn account(&self, login: &str) -> Option<&Account> {
        self.accounts
            .values()
            .find(|account| account.login.eq_ignore_ascii_case(login))
    }

    /// An account by its id.
    #[must_use]
    pub fn account_by_id(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// All repositories.
    pub fn repositories(&self) -> impl Iterator<Item = &Repository> {
        self.repositories.values()
    }

    /// A repository by `owner/name`; case does not matter.
    #[must_use]
    pub fn repository(&self, full_name: &str) -> Option<&Repository> {
        let (owner, name) = full_name.split_once('/')?;
        let owner = self.account(owner)?.id;
        self.repositories.values().find(|repository| {
            repository.owner == owner && repository.name.eq_ignore_ascii_case(name)
        })
    }

    /// A repository by its id.
    #[must_use]
    pub fn repository_by_id(&self, id: RepositoryId) -> Option<&Repository> {
        self.repositories.get(&id)
    }

    /// `owner/name`.
    #[must_use]
    pub fn full_name(&self, repository: &Repository) -> String {
        let owner = self
            .accounts
            .get(&repository.owner)
            .map_or("ghost", |owner| &owner.login);
        format!("{owner}/{}", repository.name)
    }

    /// All installations, also those that were deleted.
    pub fn installations(&self) -> impl Iterator<Item = &Installation> {
        self.installations.values()
    }

    /// An installation by its id, unless it was deleted.
    #[must_use]
    pub fn installation(&self, id: InstallationId) -> Option<&Installation> {
        self.installations
            .get(&id)
            .filter(|installation| installation.exists())
    }

    /// The installation of an App on an account, unless there is none.
    #[must_use]
    pub fn installation_on(&self, account: AccountId, app_id: i64) -> Option<&Installation> {
        self.installations
            .values()
            .rfind(|there| there.account == account && there.app_id == app_id && there.exists())
    }

    /// The repositories that an installation covers.
    #[must_use]
    pub fn covered_repositories(&self, installation: &Installation) -> Vec<&Repository> {
        self.repositories
            .values()
            .filter(|there| there.owner == installation.account && installation.covers(there.id))
            .collect()
    }
}

//! Accounts, their repositories, the two Apps and where they are installed.

use std::collections::BTreeSet;

use super::GitHub;
use super::config::{AccountConfig, AccountKind};
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

/// What owners do.
impl GitHub {
    pub(super) fn add_account(&mut self, config: &AccountConfig) {
        let id = AccountId(config.id);
        let login = config.login.clone();
        let account = Account {
            id,
            login,
            kind: config.kind,
            custom_groups: config.custom_groups,
        };
        self.accounts.insert(id, account);
        for repository in &config.repositories {
            let (name, private) = (repository.name.clone(), repository.private);
            let repository_id = RepositoryId(repository.id);
            let repository = Repository {
                id: repository_id,
                owner: id,
                name,
                private,
                runs: 0,
            };
            self.repositories.insert(repository_id, repository);
        }
    }

    /// Installs an App on an account for all repositories: `installation.created` is delivered.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn install(
        &mut self,
        login: &str,
        app: AppKind,
        now: Time,
    ) -> Result<InstallationId, Unknown> {
        let id = self.add_installation(login, app, now)?;
        self.announce_installation(id, "created", now);
        Ok(id)
    }

    pub(super) fn add_installation(
        &mut self,
        login: &str,
        app: AppKind,
        now: Time,
    ) -> Result<InstallationId, Unknown> {
        let account = self
            .account(login)
            .ok_or_else(|| Unknown(format!("account {login}")))?
            .id;
        let app_id = self
            .apps
            .iter()
            .find(|there| there.kind == app)
            .map_or(0, |app| app.id);
        self.last_installation += self.chance.between(3, 40);
        let id = InstallationId(self.last_installation);
        let installation = Installation {
            id,
            app_id,
            account,
            created_at: now,
            updated_at: now,
            state: InstallationState::Active,
            selection: RepositorySelection::All,
        };
        self.installations.insert(id, installation);
        Ok(id)
    }

    /// The owner uninstalls every App from the account: `installation.deleted` is delivered, tokens die.
    ///
    /// # Errors
    /// When nothing is installed there.
    pub fn uninstall(&mut self, login: &str, now: Time) -> Result<(), Unknown> {
        self.change_installations(login, "deleted", InstallationState::Deleted(now), now)
    }

    /// The owner suspends every App on the account: `installation.suspend` is delivered, tokens are refused.
    ///
    /// # Errors
    /// When nothing is installed there.
    pub fn suspend(&mut self, login: &str, now: Time) -> Result<(), Unknown> {
        self.change_installations(login, "suspend", InstallationState::Suspended(now), now)
    }

    /// The owner lifts the suspension: `installation.unsuspend` is delivered.
    ///
    /// # Errors
    /// When nothing is installed there.
    pub fn unsuspend(&mut self, login: &str, now: Time) -> Result<(), Unknown> {
        self.change_installations(login, "unsuspend", InstallationState::Active, now)
    }

    fn change_installations(
        &mut self,
        login: &str,
        action: &'static str,
        state: InstallationState,
        now: Time,
    ) -> Result<(), Unknown> {
        let account = self
            .account(login)
            .ok_or_else(|| Unknown(format!("account {login}")))?
            .id;
        let there = self
            .installations
            .values()
            .filter(|it| it.account == account && it.exists());
        let ids: Vec<_> = there.map(|installation| installation.id).collect();
        if ids.is_empty() {
            return Err(Unknown(format!("installation on {login}")));
        }
        for id in ids {
            if let Some(installation) = self.installations.get_mut(&id) {
                installation.state = state;
                installation.updated_at = now;
            }
            self.announce_installation(id, action, now);
        }
        Ok(())
    }

    /// The owner narrows an installation to all its repositories but this one: `installation_repositories.removed` is
    /// delivered.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn deselect_repository(&mut self, full_name: &str, now: Time) -> Result<(), Unknown> {
        let unknown = || Unknown(format!("repository {full_name}"));
        let repository = self.repository(full_name).ok_or_else(unknown)?;
        let (removed, owner) = (repository.id, repository.owner);
        let all: BTreeSet<_> = self
            .repositories
            .values()
            .filter(|it| it.owner == owner)
            .map(|it| it.id)
            .collect();
        let mut changed = Vec::new();
        for installation in self.installations.values_mut() {
            if installation.account != owner || !installation.exists() {
                continue;
            }
            let mut some = match &installation.selection {
                RepositorySelection::All => all.clone(),
                RepositorySelection::Selected(some) => some.clone(),
            };
            some.remove(&removed);
            installation.selection = RepositorySelection::Selected(some);
            installation.updated_at = now;
            changed.push(installation.id);
        }
        for id in changed {
            self.announce_repository_removed(id, removed, now);
        }
        Ok(())
    }
}

//! What owners of accounts do: install, suspend and remove the Apps, choose repositories, rename themselves.

use std::collections::BTreeSet;

use super::GitHub;
use super::accounts::{
    Account, AppKind, Installation, InstallationState, Repository, RepositorySelection, Unknown,
};
use super::config::AccountConfig;
use super::ids::{AccountId, InstallationId, RepositoryId};
use crate::world::Time;

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

    /// The owner takes another name; repositories move with it. `installation_target.renamed` is delivered.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn rename_account(&mut self, login: &str, to: &str, now: Time) -> Result<(), Unknown> {
        let account = self
            .account(login)
            .ok_or_else(|| Unknown(format!("account {login}")))?
            .id;
        let mut from = to.to_owned();
        if let Some(account) = self.accounts.get_mut(&account) {
            std::mem::swap(&mut account.login, &mut from);
        }
        let there = self
            .installations
            .values()
            .filter(|it| it.account == account && it.exists());
        let ids: Vec<_> = there.map(|installation| installation.id).collect();
        for id in ids {
            self.announce_renamed(id, &from, now);
        }
        Ok(())
    }
}

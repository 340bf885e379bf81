//! Accounts, Apps and installations.

use serde_json::{Value, json};

use super::{add_urls, fields, long_ago, timestamp};
use crate::world::github::accounts::{
    Account, App, Installation, InstallationState, RepositorySelection,
};
use crate::world::github::config::AccountKind;
use crate::world::github::ids::{AccountId, InstallationId, node_id};
use crate::world::github::{AppKind, GitHub, Token};

/// The organisation that owns the Apps.
const APP_OWNER: (i64, &str) = (152_654_596, "riseproject-dev");

/// What follows a user's URL.
const USER_URLS: [(&str, &str); 10] = [
    ("url", ""),
    ("followers_url", "/followers"),
    ("following_url", "/following{/other_user}"),
    ("gists_url", "/gists{/gist_id}"),
    ("starred_url", "/starred{/owner}{/repo}"),
    ("subscriptions_url", "/subscriptions"),
    ("organizations_url", "/orgs"),
    ("repos_url", "/repos"),
    ("events_url", "/events{/privacy}"),
    ("received_events_url", "/received_events"),
];

/// What follows an organisation's URL.
const ORGANIZATION_URLS: [(&str, &str); 7] = [
    ("url", ""),
    ("repos_url", "/repos"),
    ("events_url", "/events"),
    ("hooks_url", "/hooks"),
    ("issues_url", "/issues"),
    ("members_url", "/members{/member}"),
    ("public_members_url", "/public_members{/member}"),
];

/// Accounts.
impl GitHub {
    /// An account as `owner`, `account`, `sender` and so on.
    #[must_use]
    pub fn user_json(&self, account: &Account) -> Value {
        self.user(account.id.0, &account.login, account.kind)
    }

    fn user(&self, id: i64, login: &str, kind: AccountKind) -> Value {
        let mut user = fields(json!({
            "login": login,
            "id": id,
            "node_id": node_id(kind.as_str(), id),
            "avatar_url": format!("{}/u/{id}?v=4", self.urls.avatars),
            "gravatar_id": "",
            "html_url": format!("{}/{login}", self.urls.html),
            "type": kind.as_str(),
            "site_admin": false,
        }));
        add_urls(
            &mut user,
            &format!("{}/users/{login}", self.urls.api),
            &USER_URLS,
        );
        user.into()
    }

    /// The account that acts on things of `owner`: the first person of the world, else the owner.
    pub(in crate::world::github) fn sender_json(&self, owner: AccountId) -> Value {
        let owner = self.accounts.get(&owner);
        let somebody = || {
            self.accounts
                .values()
                .find(|it| it.kind == AccountKind::User)
        };
        let own = owner.filter(|owner| owner.kind == AccountKind::User);
        own.or_else(somebody)
            .or(owner)
            .map_or(Value::Null, |sender| self.user_json(sender))
    }

    /// `GET /users/{username}`.
    #[must_use]
    pub fn public_user_json(&self, account: &Account) -> Value {
        let mut user = fields(self.user_json(account));
        user.extend(fields(json!({
            "user_view_type": "public",
            "name": account.login,
            "company": null,
            "blog": "",
            "location": null,
            "email": null,
            "hireable": null,
            "bio": null,
            "twitter_username": null,
            "public_repos": self.repository_count(account),
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": long_ago(),
            "updated_at": long_ago(),
        })));
        user.into()
    }

    /// An organisation as `organization` in payloads.
    #[must_use]
    pub fn organization_json(&self, account: &Account) -> Value {
        let (id, login) = (account.id.0, &account.login);
        let mut organization = fields(json!({
            "login": login,
            "id": id,
            "node_id": node_id("Organization", id),
            "avatar_url": format!("{}/u/{id}?v=4", self.urls.avatars),
            "description": "",
        }));
        let base = format!("{}/orgs/{login}", self.urls.api);
        add_urls(&mut organization, &base, &ORGANIZATION_URLS);
        organization.into()
    }

    /// `GET /orgs/{org}`.
    #[must_use]
    pub fn organization_full_json(&self, account: &Account) -> Value {
        let mut organization = fields(self.organization_json(account));
        organization.extend(fields(json!({
            "name": account.login,
            "html_url": format!("{}/{}", self.urls.html, account.login),
            "type": "Organization",
            "has_organization_projects": true,
            "has_repository_projects": true,
            "public_repos": self.repository_count(account),
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "archived_at": null,
            "created_at": long_ago(),
            "updated_at": long_ago(),
        })));
        organization.into()
    }

    fn repository_count(&self, account: &Account) -> usize {
        self.repositories
            .values()
            .filter(|it| it.owner == account.id && !it.private)
            .count()
    }
}

/// Apps and installations.
impl GitHub {
    /// `GET /app`.
    #[must_use]
    pub fn app_json(&self, app: &App) -> Value {
        let installed = self.installations.values();
        let installed = installed
            .filter(|it| it.app_id == app.id && it.exists())
            .count();
        json!({
            "id": app.id,
            "slug": app.slug(),
            "client_id": app.client_id,
            "node_id": node_id("App", app.id),
            "owner": self.user(APP_OWNER.0, APP_OWNER.1, AccountKind::Organization),
            "name": match app.kind {
                AppKind::Organization => "RISE RISC-V Runners",
                AppKind::Personal => "RISE RISC-V Runners (personal)",
            },
            "description": "RISC-V runners",
            "external_url": format!("{}/{}", self.urls.html, APP_OWNER.1),
            "html_url": format!("{}/apps/{}", self.urls.html, app.slug()),
            "created_at": long_ago(),
            "updated_at": long_ago(),
            "permissions": permissions_json(app),
            "events": ["workflow_job"],
            "installations_count": installed,
        })
    }

    /// An installation, whole.
    #[must_use]
    pub fn installation_json(&self, installation: &Installation) -> Value {
        let id = installation.id.0;
        let account = self.accounts.get(&installation.account);
        let app = self.app(installation.app_id);
        let (login, kind) = account.map_or(("ghost", AccountKind::User), |account| {
            (account.login.as_str(), account.kind)
        });
        let settings = match kind {
            AccountKind::Organization => format!("organizations/{login}/settings"),
            AccountKind::User => "settings".to_owned(),
        };
        let (suspended_at, suspended_by) = match installation.state {
            InstallationState::Suspended(at) => {
                (timestamp(at).into(), self.sender_json(installation.account))
            }
            InstallationState::Active | InstallationState::Deleted(_) => (Value::Null, Value::Null),
        };
        json!({
            "id": id,
            "account": account.map(|account| self.user_json(account)),
            "repository_selection": selection(installation),
            "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", self.urls.api),
            "repositories_url": format!("{}/installation/repositories", self.urls.api),
            "html_url": format!("{}/{settings}/installations/{id}", self.urls.html),
            "app_id": installation.app_id,
            "app_slug": app.map_or("", App::slug),
            "target_id": installation.account.0,
            "target_type": kind.as_str(),
            "permissions": app.map(permissions_json),
            "events": ["workflow_job"],
            "created_at": timestamp(installation.created_at),
            "updated_at": timestamp(installation.updated_at),
            "single_file_name": null,
            "has_multiple_single_files": false,
            "single_file_paths": [],
            "suspended_at": suspended_at,
            "suspended_by": suspended_by,
        })
    }

    /// An installation as events about other things name it.
    pub(in crate::world::github) fn installation_lite_json(id: InstallationId) -> Value {
        json!({"id": id.0, "node_id": node_id("IntegrationInstallation", id.0)})
    }

    /// The answer to a request for a token.
    #[must_use]
    pub fn token_json(&self, secret: &str, token: &Token) -> Value {
        let installation = self.installations.get(&token.installation);
        let app = installation.and_then(|installation| self.app(installation.app_id));
        json!({
            "token": secret,
            "expires_at": timestamp(token.expires_at),
            "permissions": app.map(permissions_json),
            "repository_selection": installation.map(selection),
        })
    }

    /// `GET /installation/repositories`, the repositories of it.
    #[must_use]
    pub fn selection_of(&self, installation: &Installation) -> &'static str {
        selection(installation)
    }
}

fn selection(installation: &Installation) -> &'static str {
    match installation.selection {
        RepositorySelection::All => "all",
        RepositorySelection::Selected(_) => "selected",
    }
}

fn permissions_json(app: &App) -> Value {
    let permissions = app.permissions.iter();
    permissions
        .map(|(name, access)| ((*name).to_owned(), Value::from(*access)))
        .collect()
}

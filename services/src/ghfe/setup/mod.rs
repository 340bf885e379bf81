//! `GET /setup/{org,personal}`: where GitHub sends people after they installed one of the Apps.
//!
//! The page asks GitHub, with that App's key, whose the installation is, and says what to do next. It is open to
//! everybody and reads nothing else, so what it may ask of GitHub is limited; the webhook path has no part in it.

mod pace;
mod page;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::ALLOW;
use http::{HeaderValue, StatusCode};
use rise_model::route::labels_open_to;
use rise_model::{EntityKind, InstallationId, LabelSet};

use super::App;
use crate::config::SetupSection;
use crate::github::{AppClient, GitHubError, GitHubErrorKind, Installation};
use crate::style;
use pace::Pace;
use page::Page;

/// The Apps that can be asked: those whose keys are there.
#[derive(Debug, Default)]
pub struct SetupApps {
    /// The App for organisations.
    pub organization: Option<AppClient>,
    /// The App for personal accounts.
    pub personal: Option<AppClient>,
}

impl SetupApps {
    fn serving(&self, kind: EntityKind) -> Option<&AppClient> {
        match kind {
            EntityKind::Organization => self.organization.as_ref(),
            EntityKind::User => self.personal.as_ref(),
        }
    }
}

/// What the pages need.
pub(super) struct Setup {
    apps: SetupApps,
    section: SetupSection,
    pace: Pace,
    policy: HeaderValue,
}

impl Setup {
    pub(super) fn new(apps: SetupApps, section: SetupSection) -> Self {
        Self {
            apps,
            pace: Pace::per_minute(section.lookups_per_minute),
            section,
            policy: style::policy(style::Forms::None),
        }
    }

    fn install_url(&self, kind: EntityKind) -> &str {
        match kind {
            EntityKind::Organization => &self.section.organization_install_url,
            EntityKind::User => &self.section.personal_install_url,
        }
    }
}

/// What a person is told.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// GitHub did not say which installation.
    NoId,
    /// This App has no such installation.
    Unknown(InstallationId),
    /// GitHub gave no usable answer; its status, 0 without one.
    Trouble(u16),
    /// It cannot be asked now: the App's key is not there.
    NoKey,
    /// It cannot be asked now: too many did.
    Busy,
    /// The right App on the right kind of account, with the labels that its jobs may have.
    Installed { login: String, labels: Vec<String> },
    /// The same, but its owner suspended it.
    Suspended { login: String },
    /// The App for the other kind of account.
    WrongApp { login: String },
    /// An account of a kind that neither App serves.
    NoSuchKind,
}

impl Found {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoId | Self::WrongApp { .. } | Self::NoSuchKind => StatusCode::BAD_REQUEST,
            Self::Unknown(_) => StatusCode::NOT_FOUND,
            Self::Trouble(_) => StatusCode::BAD_GATEWAY,
            Self::NoKey | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Installed { .. } | Self::Suspended { .. } => StatusCode::OK,
        }
    }
}

/// One page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(word): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let kind = match word.as_str() {
        "org" => EntityKind::Organization,
        "personal" => EntityKind::User,
        // On this path, as on any other, there is the webhook.
        _ => {
            let allow = [(ALLOW, "POST")];
            return (StatusCode::METHOD_NOT_ALLOWED, allow, "Method Not Allowed").into_response();
        }
    };
    let found = look(&app, kind, query.as_deref()).await;
    let setup = &app.setup;
    Page {
        kind,
        found: &found,
        here: setup.install_url(kind),
        other: setup.install_url(other(kind)),
        public_only: app.section.public_only,
    }
    .answer(found.status(), setup.policy.clone())
}

async fn look(app: &App, kind: EntityKind, query: Option<&str>) -> Found {
    let Some(id) = installation_id(query) else {
        return Found::NoId;
    };
    let Some(client) = app.setup.apps.serving(kind) else {
        tracing::warn!(
            installation.id = id.0,
            "installation {id} was not looked up: the private key of that App is not configured"
        );
        return Found::NoKey;
    };
    if !app.setup.pace.admits() {
        return Found::Busy;
    }
    match client.installation(id).await {
        Ok(installation) => {
            let found = judge(app, kind, installation);
            tracing::info!(
                installation.id = id.0,
                http.status = found.status().as_u16(),
                "the setup page of installation {id} was shown"
            );
            found
        }
        Err(error) => trouble(id, &error),
    }
}

/// The parameter, as GitHub sends it when an App was installed.
fn installation_id(query: Option<&str>) -> Option<InstallationId> {
    let fields: Vec<(String, String)> = serde_urlencoded::from_str(query?).ok()?;
    let (_, id) = fields
        .into_iter()
        .find(|(name, _)| name == "installation_id")?;
    id.parse().ok().map(InstallationId)
}

fn judge(app: &App, kind: EntityKind, installation: Installation) -> Found {
    let account = installation.account;
    let Some((account, of)) = account.and_then(|account| {
        let of = account.entity_kind()?;
        Some((account, of))
    }) else {
        return Found::NoSuchKind;
    };
    let login = account.login;
    if of != kind {
        return Found::WrongApp { login };
    }
    if installation.suspended_at.is_some() {
        return Found::Suspended { login };
    }
    let labels = labels_open_to(&app.routing, &app.image_tag, account.id);
    Found::Installed {
        login,
        labels: labels.into_iter().map(runs_on).collect(),
    }
}

fn trouble(id: InstallationId, error: &GitHubError) -> Found {
    if matches!(error.kind(), GitHubErrorKind::NotFound) {
        return Found::Unknown(id);
    }
    tracing::warn!(
        installation.id = id.0,
        error = error as &dyn std::error::Error,
        "installation {id} could not be looked up: {error}"
    );
    Found::Trouble(status_of(error.kind()))
}

/// The status that GitHub answered, 0 if it did not.
fn status_of(kind: &GitHubErrorKind) -> u16 {
    match kind {
        GitHubErrorKind::NotFound => 404,
        GitHubErrorKind::Unauthorized { .. } => 401,
        GitHubErrorKind::Suspended | GitHubErrorKind::Forbidden { .. } => 403,
        GitHubErrorKind::Conflict { .. } => 409,
        GitHubErrorKind::Unprocessable { .. } => 422,
        GitHubErrorKind::RateLimited { .. } => 429,
        GitHubErrorKind::Server { status } | GitHubErrorKind::Unexpected { status, .. } => *status,
        GitHubErrorKind::TimedOut
        | GitHubErrorKind::Transport(_)
        | GitHubErrorKind::Incomplete { .. } => 0,
    }
}

/// Labels as a workflow file has them.
fn runs_on(labels: &LabelSet) -> String {
    match labels.as_slice() {
        [label] => label.clone(),
        labels => format!("[{}]", labels.join(", ")),
    }
}

fn other(kind: EntityKind) -> EntityKind {
    match kind {
        EntityKind::Organization => EntityKind::User,
        EntityKind::User => EntityKind::Organization,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_a_number() {
        for (query, id) in [
            (Some("installation_id=42"), Some(42)),
            (Some("setup_action=install&installation_id=42"), Some(42)),
            (Some("installation_id=%34%32"), Some(42)),
            (Some("installation_id="), None),
            (Some("installation_id=abc"), None),
            (Some("installation_id=4.2"), None),
            (Some("installation_id=99999999999999999999"), None),
            (Some("setup_action=request"), None),
            (Some("%ff"), None),
            (Some(""), None),
            (None, None),
        ] {
            assert_eq!(installation_id(query), id.map(InstallationId), "{query:?}");
        }
    }

    #[test]
    fn labels_read_as_yaml() {
        assert_eq!(runs_on(&LabelSet::new(["one"])), "one");
        assert_eq!(runs_on(&LabelSet::new(["one", "two"])), "[one, two]");
    }
}

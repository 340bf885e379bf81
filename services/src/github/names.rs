//! What a login or a repository is called by its id: GitHub's public API, for people who know names only. A token is not
//! needed; with one GitHub allows more than sixty questions an hour, and sees private repositories.

use std::time::Duration;

use reqwest::{StatusCode, Url};
use rise_model::EntityId;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// An answer that does not come within this never comes.
const WITHIN: Duration = Duration::from_secs(10);

/// Why a name could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// GitHub does not know it, or does not show it without a token.
    #[error("GitHub knows no {what} `{name}`")]
    Unknown {
        /// `account` or `repository`.
        what: &'static str,
        /// As it was given.
        name: String,
    },
    /// GitHub answered otherwise.
    #[error("GitHub answered {status} when it was asked for `{name}`")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// As it was given.
        name: String,
    },
    /// GitHub did not answer.
    #[error("GitHub could not be asked for `{name}`")]
    NoAnswer {
        /// As it was given.
        name: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

impl NameError {
    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => {
                "check the spelling; an account that was renamed or deleted is found by its id (--entity-id)"
            }
            Self::Refused { .. } => {
                "without GITHUB_TOKEN GitHub answers few questions an hour; --entity-id needs none"
            }
            Self::NoAnswer { .. } => "check the network, or ask by --entity-id",
        }
    }
}

#[derive(Deserialize)]
struct Account {
    id: i64,
}

#[derive(Deserialize)]
struct Repository {
    owner: Account,
}

/// The id of an account.
///
/// # Errors
/// When GitHub does not know it or does not answer.
pub async fn account(
    api: &Url,
    token: Option<&SecretString>,
    login: &str,
) -> Result<EntityId, NameError> {
    let account: Account = get(api, token, &["users", login], "account", login).await?;
    Ok(EntityId(account.id))
}

/// The id of a repository's owner.
///
/// # Errors
/// When GitHub does not know the repository or does not answer.
pub async fn owner_of(
    api: &Url,
    token: Option<&SecretString>,
    owner: &str,
    name: &str,
) -> Result<EntityId, NameError> {
    let full_name = format!("{owner}/{name}");
    let path = ["repos", owner, name];
    let repository: Repository = get(api, token, &path, "repository", &full_name).await?;
    Ok(EntityId(repository.owner.id))
}

async fn get<T: serde::de::DeserializeOwned>(
    api: &Url,
    token: Option<&SecretString>,
    path: &[&str],
    what: &'static str,
    name: &str,
) -> Result<T, NameError> {
    let no_answer = |source| NameError::NoAnswer {
        name: name.to_owned(),
        source,
    };
    let mut url = api.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    let client = reqwest::Client::builder()
        .timeout(WITHIN)
        .user_agent(concat!("rise/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(no_answer)?;
    let mut request = client
        .get(url)
        .header("Accept", "application/vnd.github+json");
    if let Some(token) = token {
        request = request.bearer_auth(token.expose_secret());
    }
    let answer = request.send().await.map_err(no_answer)?;
    match answer.status() {
        status if status.is_success() => answer.json().await.map_err(no_answer),
        StatusCode::NOT_FOUND => Err(NameError::Unknown {
            what,
            name: name.to_owned(),
        }),
        status => Err(NameError::Refused {
            status,
            name: name.to_owned(),
        }),
    }
}

//! Installation tokens: kept until shortly before they end, made once however many ask at the same time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use octocrab::Octocrab;
use rise_model::Time;
use rise_model::budget::Budget;
use rise_model::dependencies::Party;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::error::{GitHubError, GitHubErrorKind, Operation};
use super::transport::{self, Request};
use super::{Access, GitHub};

type Minting = Shared<BoxFuture<'static, Result<Token, GitHubError>>>;

/// A token and when it ends.
#[derive(Clone)]
pub(super) struct Token {
    secret: Arc<SecretString>,
    expires_at: Time,
    /// What was left of the App's hourly calls then.
    budget: Option<Budget>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// A client that sends this token.
    fn client(&self, app: &Octocrab) -> Result<Octocrab, octocrab::Error> {
        app.user_access_token(SecretString::clone(&self.secret))
    }

    fn is(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }
}

enum Slot {
    Held(Token),
    /// Somebody waits for it. Weak: when all who waited have gone away, the next one begins anew.
    Minting(WeakShared<BoxFuture<'static, Result<Token, GitHubError>>>),
}

#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<Access, Slot>>);

impl Tokens {
    fn slots(&self) -> MutexGuard<'_, HashMap<Access, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops a token that GitHub no longer takes, unless a newer one is there already.
    fn forget(&self, access: Access, token: &Token) {
        let mut slots = self.slots();
        if matches!(slots.get(&access), Some(Slot::Held(held)) if held.is(token)) {
            slots.remove(&access);
        }
    }
}

/// A client with a token, and which token.
pub(super) struct Authorized {
    pub(super) client: Octocrab,
    token: Token,
}

impl GitHub {
    /// Whether a token for the installation can be had, asking GitHub only if none is held.
    ///
    /// # Errors
    /// [`GitHubErrorKind::NotFound`]: not installed, or the other App's. [`GitHubErrorKind::Suspended`].
    pub async fn check_token(&self, access: Access) -> Result<(), GitHubError> {
        self.token(access).await.map(drop)
    }

    /// A client that speaks for the installation.
    pub(super) async fn authorized(&self, access: Access) -> Result<Authorized, GitHubError> {
        let token = self.token(access).await?;
        let client = token
            .client(self.app(access.kind))
            .map_err(|error| token_error(access, GitHubErrorKind::Transport(Arc::new(error))))?;
        Ok(Authorized { client, token })
    }

    /// GitHub refused this token: the next client gets a fresh one.
    pub(super) fn token_refused(&self, access: Access, refused: &Authorized) {
        self.tokens.forget(access, &refused.token);
    }

    async fn token(&self, access: Access) -> Result<Token, GitHubError> {
        let minting = match self.held_or_minting(access) {
            Ok(token) => return Ok(token),
            Err(minting) => minting,
        };
        let minted = minting.clone().await;
        if let Ok(token) = &minted
            && let Some(budget) = token.budget
        {
            self.usage.budgets.note(Party::App(access.kind), budget);
        }
        let mut slots = self.tokens.slots();
        // Only the attempt that the slot still names may fill it: another one may be under way by now.
        let mine = match slots.get(&access) {
            Some(Slot::Minting(weak)) => weak.upgrade().is_some_and(|s| s.ptr_eq(&minting)),
            Some(Slot::Held(_)) | None => false,
        };
        if mine {
            match &minted {
                Ok(token) => slots.insert(access, Slot::Held(token.clone())),
                Err(_) => slots.remove(&access),
            };
        }
        minted
    }

    fn held_or_minting(&self, access: Access) -> Result<Token, Minting> {
        let mut slots = self.tokens.slots();
        match slots.get(&access) {
            Some(Slot::Held(token)) if self.is_fresh(token) => return Ok(token.clone()),
            Some(Slot::Minting(weak)) => {
                if let Some(minting) = weak.upgrade() {
                    return Err(minting);
                }
            }
            Some(Slot::Held(_)) | None => {}
        }
        let minting = mint(
            self.app(access.kind).clone(),
            access,
            self.section.call_timeout.std(),
        )
        .boxed()
        .shared();
        if let Some(weak) = minting.downgrade() {
            slots.insert(access, Slot::Minting(weak));
        }
        Err(minting)
    }

    fn is_fresh(&self, token: &Token) -> bool {
        transport::now() + self.section.token_reuse_until.delta() < token.expires_at
    }
}

fn token_error(access: Access, kind: GitHubErrorKind) -> GitHubError {
    GitHubError::new(
        Operation::CreateInstallationToken,
        format!("installation {}", access.installation),
        kind,
    )
}

async fn mint(
    app: Octocrab,
    access: Access,
    within: std::time::Duration,
) -> Result<Token, GitHubError> {
    #[derive(Deserialize)]
    struct Minted {
        token: SecretString,
        expires_at: Time,
    }
    let request = Request::post(
        Operation::CreateInstallationToken,
        format!("installation {}", access.installation),
        format!("/app/installations/{}/access_tokens", access.installation),
        None,
    );
    let answer = transport::send(&app, &request, None, within).await?;
    let budget = answer.budget();
    let minted: Minted = answer.success(&request)?;
    Ok(Token {
        secret: Arc::new(minted.token),
        expires_at: minted.expires_at,
        budget,
    })
}

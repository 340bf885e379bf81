//! Installation tokens: who gets one, and how long it works.

use super::GitHub;
use super::accounts::InstallationState;
use super::ids::InstallationId;
use crate::world::Time;

/// Why an App gets no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Uninstalled, another App's, or never there.
    #[error("Not Found")]
    NotFound,
    /// Suspended by the owner.
    #[error("This installation has been suspended")]
    Suspended,
}

/// Why a token does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRejected {
    /// Unknown, expired, or of an installation that is gone.
    #[error("Bad credentials")]
    BadCredentials,
    /// Its installation was suspended.
    #[error("This installation has been suspended")]
    Suspended,
}

/// An installation token.
#[derive(Debug, Clone)]
pub struct Token {
    /// Whose it is.
    pub installation: InstallationId,
    /// Until when it works.
    pub expires_at: Time,
}

impl GitHub {
    /// A new token for an installation of the App that asks.
    ///
    /// # Errors
    /// When there is no such installation of this App, or it is suspended.
    pub fn create_token(
        &mut self,
        app_id: i64,
        installation: InstallationId,
        now: Time,
    ) -> Result<(String, Token), TokenRefused> {
        let known = self
            .installation(installation)
            .filter(|it| it.app_id == app_id);
        match known.ok_or(TokenRefused::NotFound)?.state {
            InstallationState::Active => {}
            InstallationState::Suspended(_) => return Err(TokenRefused::Suspended),
            InstallationState::Deleted(_) => return Err(TokenRefused::NotFound),
        }
        self.tokens.retain(|_, token| token.expires_at > now);
        let secret = format!("ghs_{}", self.chance.text(36));
        let expires_at = now + self.rules.token_life;
        let token = Token {
            installation,
            expires_at,
        };
        self.tokens.insert(secret.clone(), token.clone());
        Ok((secret, token))
    }

    /// Whose token this is, if it works.
    ///
    /// # Errors
    /// When it does not.
    pub fn authenticate(&self, token: &str, now: Time) -> Result<InstallationId, TokenRejected> {
        let known = self
            .tokens
            .get(token)
            .filter(|token| token.expires_at > now);
        let known = known.ok_or(TokenRejected::BadCredentials)?;
        let installation = self.installation(known.installation);
        match installation.ok_or(TokenRejected::BadCredentials)?.state {
            InstallationState::Active => Ok(known.installation),
            InstallationState::Suspended(_) => Err(TokenRejected::Suspended),
            InstallationState::Deleted(_) => Err(TokenRejected::BadCredentials),
        }
    }
}

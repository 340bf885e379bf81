//! How many calls were made, by operation and by what was answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::budget::Budgets;
use super::error::{GitHubError, GitHubErrorKind, Operation};
use super::transport::Answer;
use rise_model::budget::Budget;
use rise_model::dependencies::Party;

/// What a call was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallAnswer {
    /// 2xx and 3xx.
    Success,
    /// 401, 403, 404, 409, 422 and their like.
    ClientError,
    /// 429, or 403 with GitHub's words for a limit.
    RateLimited,
    /// 5xx.
    ServerError,
    /// None in time.
    TimedOut,
    /// None at all.
    Transport,
}

impl CallAnswer {
    /// Its name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ClientError => "client_error",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::TimedOut => "timed_out",
            Self::Transport => "transport",
        }
    }

    pub(super) fn of(result: &Result<Answer, GitHubError>) -> Self {
        match result {
            Ok(answer) => match answer.status.as_u16() {
                ..400 => Self::Success,
                500.. => Self::ServerError,
                _ if matches!(answer.refusal(), GitHubErrorKind::RateLimited { .. }) => {
                    Self::RateLimited
                }
                400..500 => Self::ClientError,
            },
            Err(error) if matches!(error.kind(), GitHubErrorKind::TimedOut) => Self::TimedOut,
            Err(_) => Self::Transport,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<BTreeMap<(Operation, CallAnswer), u64>>);

impl Calls {
    pub(super) fn note(&self, operation: Operation, answer: CallAnswer) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry((operation, answer)).or_default() += 1;
    }
}

/// What metrics tell of the use of GitHub. A clone sees what the client that it is of goes on counting.
#[derive(Debug, Clone, Default)]
pub struct GitHubUsage {
    pub(super) calls: Arc<Calls>,
    pub(super) budgets: Arc<Budgets>,
}

impl GitHubUsage {
    /// Calls by operation and answer.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<(Operation, CallAnswer), u64> {
        let calls = self.calls.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clone()
    }

    /// The budgets of everybody who was heard of.
    #[must_use]
    pub fn budgets(&self) -> Vec<(Party, Budget)> {
        self.budgets.all()
    }
}

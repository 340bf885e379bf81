//! What can go wrong in a call of GitHub, so that a caller can branch on it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use rise_model::Time;
use rise_model::redact::redact;
use serde::Deserialize;

use super::budget::{number, reset};

/// The longest part of GitHub's own message that is kept, in characters.
const MESSAGE_CHARS: usize = 300;

/// What was asked of GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A token for an installation.
    CreateInstallationToken,
    /// An installation by id.
    GetInstallation,
    /// An organisation's installation.
    GetOrgInstallation,
    /// A user's installation.
    GetUserInstallation,
    /// A repository's installation.
    GetRepoInstallation,
    /// An organisation's runner groups.
    ListRunnerGroups,
    /// A new runner group.
    CreateRunnerGroup,
    /// A just-in-time runner.
    CreateJitConfig,
    /// The runners of a scope.
    ListRunners,
    /// One runner.
    GetRunner,
    /// A runner's end.
    DeleteRunner,
    /// One job.
    GetJob,
    /// One run.
    GetRun,
    /// The jobs of a run.
    ListRunJobs,
    /// The runs of a repository.
    ListRuns,
    /// An App's log of deliveries.
    ListDeliveries,
    /// A delivery, once more.
    Redeliver,
}

impl Operation {
    /// Its name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateInstallationToken => "create_installation_token",
            Self::GetInstallation => "get_installation",
            Self::GetOrgInstallation => "get_org_installation",
            Self::GetUserInstallation => "get_user_installation",
            Self::GetRepoInstallation => "get_repo_installation",
            Self::ListRunnerGroups => "list_runner_groups",
            Self::CreateRunnerGroup => "create_runner_group",
            Self::CreateJitConfig => "create_jit_config",
            Self::ListRunners => "list_runners",
            Self::GetRunner => "get_runner",
            Self::DeleteRunner => "delete_runner",
            Self::GetJob => "get_job",
            Self::GetRun => "get_run",
            Self::ListRunJobs => "list_run_jobs",
            Self::ListRuns => "list_runs",
            Self::ListDeliveries => "list_deliveries",
            Self::Redeliver => "redeliver",
        }
    }
}

/// Which of GitHub's limits was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    /// The installation's hourly calls are used up.
    Primary,
    /// Too much at once; back off at least a minute.
    Secondary,
}

/// A call of GitHub failed. The kind is part of the message; what caused it, if anything did, is the source.
#[derive(Debug, Clone)]
pub struct GitHubError {
    operation: Operation,
    subject: String,
    kind: GitHubErrorKind,
}

impl fmt::Display for GitHubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operation, subject) = (self.operation.as_str(), &self.subject);
        write!(f, "GitHub: {operation} for {subject}: {}", self.kind)
    }
}

impl Error for GitHubError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

/// How a call of GitHub failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GitHubErrorKind {
    /// 404: it is not there, or this App may not see it.
    #[error("not found")]
    NotFound,
    /// 403: the installation is suspended.
    #[error("the installation is suspended")]
    Suspended,
    /// 401: the key or the token is not taken, also not a fresh one.
    #[error("GitHub does not accept this App's credentials: {message}")]
    Unauthorized {
        /// GitHub's words.
        message: String,
    },
    /// 403: a permission is missing, or the plan does not have it.
    #[error("refused: {message}")]
    Forbidden {
        /// GitHub's words.
        message: String,
    },
    /// 422: GitHub cannot do this.
    #[error("refused as invalid: {message}")]
    Unprocessable {
        /// GitHub's words.
        message: String,
    },
    /// 409: the name is taken.
    #[error("in conflict: {message}")]
    Conflict {
        /// GitHub's words.
        message: String,
    },
    /// 403 or 429: a limit was met.
    #[error("{} rate limit met", match .limit { RateLimit::Primary => "hourly", RateLimit::Secondary => "secondary" })]
    RateLimited {
        /// Until when GitHub asks to wait, if it says so.
        until: Option<Time>,
        /// Which limit.
        limit: RateLimit,
    },
    /// 5xx.
    #[error("GitHub answered {status}")]
    Server {
        /// The status.
        status: u16,
    },
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection failed, before or after the request went out.
    #[error("the connection failed")]
    Transport(#[source] Arc<octocrab::Error>),
    /// The pages of a list do not make the whole.
    #[error("the list is incomplete: {got} of {expected}")]
    Incomplete {
        /// How many came.
        got: u64,
        /// How many GitHub says there are.
        expected: u64,
    },
    /// Anything else.
    #[error("unexpected answer {status}: {message}")]
    Unexpected {
        /// The status.
        status: u16,
        /// What is odd about it.
        message: String,
    },
}

impl GitHubError {
    pub(super) fn new(
        operation: Operation,
        subject: impl Into<String>,
        kind: GitHubErrorKind,
    ) -> Self {
        Self {
            operation,
            subject: subject.into(),
            kind,
        }
    }

    /// What was asked when it failed. A call that needs a token may fail at [`Operation::CreateInstallationToken`]:
    /// then the call itself was never made.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Whom or what the call was about.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// How it failed.
    #[must_use]
    pub fn kind(&self) -> &GitHubErrorKind {
        &self.kind
    }

    /// GitHub's status, if it answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.kind {
            GitHubErrorKind::NotFound => Some(404),
            GitHubErrorKind::Suspended | GitHubErrorKind::Forbidden { .. } => Some(403),
            GitHubErrorKind::Unauthorized { .. } => Some(401),
            GitHubErrorKind::Unprocessable { .. } => Some(422),
            GitHubErrorKind::Conflict { .. } => Some(409),
            GitHubErrorKind::RateLimited { .. } => Some(429),
            GitHubErrorKind::Server { status } | GitHubErrorKind::Unexpected { status, .. } => {
                Some(status)
            }
            GitHubErrorKind::TimedOut
            | GitHubErrorKind::Transport(_)
            | GitHubErrorKind::Incomplete { .. } => None,
        }
    }

    /// Whether GitHub, or the way to it, is in trouble, and not this one request. A key that is not taken any more is of
    /// this sort: nothing of that App will work until it is.
    #[must_use]
    pub fn is_dependency_trouble(&self) -> bool {
        match self.kind {
            GitHubErrorKind::RateLimited { .. }
            | GitHubErrorKind::Unauthorized { .. }
            | GitHubErrorKind::Server { .. }
            | GitHubErrorKind::TimedOut
            | GitHubErrorKind::Transport(_) => true,
            GitHubErrorKind::NotFound
            | GitHubErrorKind::Suspended
            | GitHubErrorKind::Forbidden { .. }
            | GitHubErrorKind::Unprocessable { .. }
            | GitHubErrorKind::Conflict { .. }
            | GitHubErrorKind::Incomplete { .. }
            | GitHubErrorKind::Unexpected { .. } => false,
        }
    }

    /// Whether what was asked for may have happened all the same: look before asking again. False when GitHub refused,
    /// and when it was only the token that could not be had.
    #[must_use]
    pub fn answer_unknown(&self) -> bool {
        if self.operation == Operation::CreateInstallationToken {
            return false;
        }
        match self.kind {
            GitHubErrorKind::Server { .. }
            | GitHubErrorKind::TimedOut
            | GitHubErrorKind::Transport(_) => true,
            GitHubErrorKind::Unexpected { status, .. } => (200..300).contains(&status),
            GitHubErrorKind::NotFound
            | GitHubErrorKind::Suspended
            | GitHubErrorKind::Unauthorized { .. }
            | GitHubErrorKind::Forbidden { .. }
            | GitHubErrorKind::Unprocessable { .. }
            | GitHubErrorKind::Conflict { .. }
            | GitHubErrorKind::RateLimited { .. }
            | GitHubErrorKind::Incomplete { .. } => false,
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match (&self.kind, self.operation) {
            (GitHubErrorKind::NotFound, Operation::CreateInstallationToken) => {
                "the App is not installed there any more, or it is the other App's installation"
            }
            (GitHubErrorKind::NotFound, _) => {
                "check that it exists and that the App's installation may see it"
            }
            (GitHubErrorKind::Suspended, _) => {
                "ask the account's owner to unsuspend the App in its settings"
            }
            (GitHubErrorKind::Unauthorized { .. }, _) => {
                "check that the private key belongs to this App and that this machine's clock is right"
            }
            (GitHubErrorKind::Forbidden { .. }, _) => {
                "check the App's permissions, and that the account accepted new ones"
            }
            (
                GitHubErrorKind::RateLimited { .. }
                | GitHubErrorKind::Server { .. }
                | GitHubErrorKind::TimedOut,
                _,
            ) => "look at https://www.githubstatus.com; it is tried again by itself",
            (GitHubErrorKind::Transport(_), _) => {
                "check this machine's network, and GITHUB_API_URL if it is set"
            }
            (
                GitHubErrorKind::Unprocessable { .. }
                | GitHubErrorKind::Conflict { .. }
                | GitHubErrorKind::Incomplete { .. }
                | GitHubErrorKind::Unexpected { .. },
                _,
            ) => "it is looked at again by itself; report it if it stays",
        }
    }
}

/// What an answer that is no success means.
pub(super) fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    body: &str,
    now: Time,
) -> GitHubErrorKind {
    let message = message(body);
    match status.as_u16() {
        403 | 429 => limited(status, headers, &message, now).unwrap_or_else(|| {
            if message.contains("suspended") {
                GitHubErrorKind::Suspended
            } else {
                GitHubErrorKind::Forbidden { message }
            }
        }),
        401 => GitHubErrorKind::Unauthorized { message },
        404 => GitHubErrorKind::NotFound,
        409 => GitHubErrorKind::Conflict { message },
        422 => GitHubErrorKind::Unprocessable { message },
        status @ 500..=599 => GitHubErrorKind::Server { status },
        status => GitHubErrorKind::Unexpected { status, message },
    }
}

fn limited(
    status: StatusCode,
    headers: &HeaderMap,
    message: &str,
    now: Time,
) -> Option<GitHubErrorKind> {
    let retry_after = number(headers, "retry-after")
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(chrono::TimeDelta::try_seconds)
        .map(|wait| now + wait);
    let limited = |limit, until| Some(GitHubErrorKind::RateLimited { until, limit });
    if retry_after.is_some() || message.contains("secondary rate limit") {
        return limited(RateLimit::Secondary, retry_after);
    }
    if number(headers, "x-ratelimit-remaining") == Some(0) {
        return limited(RateLimit::Primary, reset(headers));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return limited(RateLimit::Secondary, None);
    }
    None
}

/// GitHub's own words, without secrets and not too many of them.
fn message(body: &str) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    let words = match serde_json::from_str::<Message>(body) {
        Ok(known) => known.message,
        Err(_) => return "without a message".to_owned(),
    };
    redact(&words).chars().take(MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect::<HeaderMap>();
        let now = Time::from_timestamp(1_000, 0).unwrap();
        format!(
            "{:?}",
            refusal(StatusCode::from_u16(status).unwrap(), &headers, body, now)
        )
    }

    #[test]
    fn refusals_are_told_apart() {
        let exhausted = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "4600"),
        ];
        for (answer, expected) in [
            (kind(404, &[], "{}"), "NotFound"),
            (
                kind(
                    403,
                    &[],
                    r#"{"message":"This installation has been suspended"}"#,
                ),
                "Suspended",
            ),
            (
                kind(
                    403,
                    &[("x-ratelimit-remaining", "17")],
                    r#"{"message":"Resource not accessible by integration"}"#,
                ),
                r#"Forbidden { message: "Resource not accessible by integration" }"#,
            ),
            (
                kind(403, &exhausted, r#"{"message":"API rate limit exceeded"}"#),
                "RateLimited { until: Some(1970-01-01T01:16:40Z), limit: Primary }",
            ),
            (
                kind(403, &[("retry-after", "60")], r#"{"message":"wait"}"#),
                "RateLimited { until: Some(1970-01-01T00:17:40Z), limit: Secondary }",
            ),
            (
                kind(
                    403,
                    &[],
                    r#"{"message":"You have exceeded a secondary rate limit."}"#,
                ),
                "RateLimited { until: None, limit: Secondary }",
            ),
            (
                kind(429, &[], "busy"),
                "RateLimited { until: None, limit: Secondary }",
            ),
            (kind(502, &[], "<html>"), "Server { status: 502 }"),
            (
                kind(422, &[], r#"{"message":"Validation Failed"}"#),
                r#"Unprocessable { message: "Validation Failed" }"#,
            ),
            (
                kind(307, &[], r#"{"message":"Moved"}"#),
                r#"Unexpected { status: 307, message: "Moved" }"#,
            ),
        ] {
            assert_eq!(answer, expected);
        }
    }

    #[test]
    fn a_message_says_it_once() {
        let error = GitHubError::new(Operation::GetJob, "job 7 of o/r", GitHubErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "GitHub: get_job for job 7 of o/r: not found"
        );
        assert!(error.source().is_none());
    }

    #[test]
    fn a_missing_token_leaves_no_doubt_about_the_call() {
        let timed_out = |operation| GitHubError::new(operation, "x", GitHubErrorKind::TimedOut);
        assert!(timed_out(Operation::CreateJitConfig).answer_unknown());
        assert!(!timed_out(Operation::CreateInstallationToken).answer_unknown());
        let taken = GitHubErrorKind::Conflict {
            message: String::new(),
        };
        assert!(!GitHubError::new(Operation::CreateJitConfig, "x", taken).answer_unknown());
    }
}

//! What a failed call means for the machine: refused, not now, or no answer.

use std::time::SystemTime;

use rise_model::dependencies::{Hindrance, Party, Trouble};
use rise_model::effects::{Dependency, Outcome};
use rise_model::{EntityKind, Time};

use super::clock::Clock;
use crate::causes::WithCauses;
use crate::github::{Access, GitHubError, GitHubErrorKind, Operation, RateLimit};
use crate::kubernetes::KubernetesError;
use crate::store::StoreError;

pub(super) fn database(error: &StoreError) -> Outcome {
    Outcome::NoAnswer {
        from: Dependency::Database,
        message: WithCauses(error).to_string(),
    }
}

/// GitHub, called through an installation.
pub(super) fn github(clock: &Clock, access: Access, error: &GitHubError) -> Outcome {
    let message = WithCauses(error).to_string();
    if let Some(hindrance) = hindrance(clock, access, error) {
        return Outcome::NotNow { hindrance, message };
    }
    if error.answer_unknown() || error.is_dependency_trouble() {
        Outcome::NoAnswer {
            from: Dependency::GitHub,
            message,
        }
    } else {
        Outcome::Refused {
            by: Dependency::GitHub,
            message,
        }
    }
}

/// A call that names an account or a repository. GitHub redirects what changed its name; a call that changes something is
/// not sent elsewhere.
pub(super) fn by_name(clock: &Clock, access: Access, error: &GitHubError) -> Outcome {
    let moved = matches!(
        error.kind(),
        GitHubErrorKind::Unexpected {
            status: 301 | 302 | 307 | 308,
            ..
        }
    );
    if moved || is_404_of_the_call(error) {
        let message = WithCauses(error).to_string();
        return Outcome::ScopeNotFound { message };
    }
    github(clock, access, error)
}

/// Who is in trouble, where the call itself was surely not carried out. A call that needs a token may fail for want of it.
fn hindrance(clock: &Clock, access: Access, error: &GitHubError) -> Option<Hindrance> {
    let of_token = error.operation() == Operation::CreateInstallationToken;
    let installation = Party::Installation(access.kind, access.installation);
    // Tokens are the App's calls.
    let caller = if of_token {
        Party::App(access.kind)
    } else {
        installation
    };
    let (party, trouble, until) = match error.kind() {
        GitHubErrorKind::RateLimited {
            limit: RateLimit::Primary,
            until,
        } => (caller, Trouble::HourlyLimit, *until),
        GitHubErrorKind::RateLimited {
            limit: RateLimit::Secondary,
            until,
        } => (
            caller,
            Trouble::SecondaryLimit,
            until.and_then(|until| by_the_database(clock, until)),
        ),
        GitHubErrorKind::Unauthorized { .. } => (caller, Trouble::Credentials, None),
        GitHubErrorKind::Suspended => (installation, Trouble::Suspended, None),
        GitHubErrorKind::NotFound if of_token => (installation, Trouble::NotFound, None),
        GitHubErrorKind::Server { .. }
        | GitHubErrorKind::TimedOut
        | GitHubErrorKind::Transport(_)
            if of_token =>
        {
            (installation, Trouble::Unreachable, None)
        }
        GitHubErrorKind::Server { .. }
        | GitHubErrorKind::TimedOut
        | GitHubErrorKind::Transport(_)
        | GitHubErrorKind::NotFound
        | GitHubErrorKind::Forbidden { .. }
        | GitHubErrorKind::Unprocessable { .. }
        | GitHubErrorKind::Conflict { .. }
        | GitHubErrorKind::Incomplete { .. }
        | GitHubErrorKind::Unexpected { .. } => return None,
    };
    Some(Hindrance {
        party,
        trouble,
        until,
        status: error.status(),
    })
}

/// A time that was reckoned from this machine's clock, on the database's.
fn by_the_database(clock: &Clock, until: Time) -> Option<Time> {
    let wait = until - Time::from(SystemTime::now());
    Some(clock.now()? + wait)
}

/// GitHub, called with an App's own key.
pub(super) fn by_app_key(clock: &Clock, kind: EntityKind, error: &GitHubError) -> Outcome {
    let message = WithCauses(error).to_string();
    match error.kind() {
        GitHubErrorKind::NotFound => Outcome::NotThere,
        GitHubErrorKind::RateLimited { limit, until } => Outcome::NotNow {
            hindrance: Hindrance {
                party: Party::App(kind),
                trouble: match limit {
                    RateLimit::Primary => Trouble::HourlyLimit,
                    RateLimit::Secondary => Trouble::SecondaryLimit,
                },
                until: until.and_then(|until| by_the_database(clock, until)),
                status: error.status(),
            },
            message,
        },
        _ if error.answer_unknown() || error.is_dependency_trouble() => Outcome::NoAnswer {
            from: Dependency::GitHub,
            message,
        },
        _ => Outcome::Refused {
            by: Dependency::GitHub,
            message,
        },
    }
}

/// A 404 of the job itself.
pub(super) fn missing_or(clock: &Clock, access: Access, error: &GitHubError) -> Outcome {
    if is_404_of_the_call(error) {
        Outcome::NotThere
    } else {
        github(clock, access, error)
    }
}

/// One of the token says something of the installation, not of what was asked for.
fn is_404_of_the_call(error: &GitHubError) -> bool {
    matches!(error.kind(), GitHubErrorKind::NotFound)
        && error.operation() != Operation::CreateInstallationToken
}

pub(super) fn kubernetes(error: &KubernetesError) -> Outcome {
    let message = WithCauses(error).to_string();
    if error.answer_unknown() {
        Outcome::NoAnswer {
            from: Dependency::Kubernetes,
            message,
        }
    } else if error.is_dependency_trouble() {
        let hindrance = Hindrance {
            party: Party::Kubernetes,
            trouble: Trouble::Unreachable,
            until: None,
            status: None,
        };
        Outcome::NotNow { hindrance, message }
    } else {
        Outcome::Refused {
            by: Dependency::Kubernetes,
            message,
        }
    }
}

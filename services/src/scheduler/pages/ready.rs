//! `/ready`: whether this scheduler does its duty, or could take it over, and if not, why.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use rise_model::other::OtherScheduler;
use rise_model::span::Span;
use serde::Serialize;

use super::Pages;
use crate::scheduler::status::{Reachability, SchedulerStatus};

/// The answer: the status, and what is wrong with it.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    #[serde(flatten)]
    status: SchedulerStatus,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

pub(super) async fn ready(State(pages): State<Pages>) -> (StatusCode, Json<Readiness>) {
    let probe = tokio::time::timeout(pages.limits.ready_within.std(), pages.store.ping()).await;
    let answered = matches!(probe, Ok(Ok(())));
    // A publisher that is gone leaves a status behind that nothing will ever change again.
    let runs = pages.status.has_changed().is_ok();
    let now = Utc::now();
    let mut status = pages.status.borrow().clone();
    status.database = with_probe(status.database, answered, now);
    let mut problems = problems(&status, pages.limits.round_may_be_old, now);
    if !runs {
        problems.push("The scheduler's loop has ended; restart this process.".to_owned());
    }
    let code = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(Readiness { status, problems }))
}

/// What our own question adds to what the scheduler says of the database. It knows more than we: a database that
/// answers may still take no writes.
fn with_probe(published: Reachability, answered: bool, now: DateTime<Utc>) -> Reachability {
    match (published, answered) {
        (Reachability::Unreachable { .. }, _) => published,
        (Reachability::Unknown | Reachability::Reachable, true) => Reachability::Reachable,
        (Reachability::Unknown | Reachability::Reachable, false) => {
            Reachability::Unreachable { since: now }
        }
    }
}

/// Why this scheduler is not ready; nothing when it is. A follower is ready when it could take over.
fn problems(status: &SchedulerStatus, round_may_be_old: Span, now: DateTime<Utc>) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(trouble_with(
        "database",
        "check POSTGRES_URL and the server",
        status.database,
    ));
    problems.extend(trouble_with(
        "cluster",
        "check K8S_KUBECONFIG and the API server",
        status.cluster,
    ));
    problems.extend(status.other_scheduler.as_ref().map(beside_another));
    if status.leads {
        problems.extend(trouble_with_rounds(
            status.last_good_round_at,
            round_may_be_old,
            now,
        ));
    }
    problems
}

fn trouble_with(name: &str, what_to_do: &str, answers: Reachability) -> Option<String> {
    match answers {
        Reachability::Reachable => None,
        Reachability::Unknown => Some(format!("The {name} has not answered yet.")),
        Reachability::Unreachable { since } => Some(format!(
            "The {name} has not answered since {}; {what_to_do}.",
            since.format("%Y-%m-%dT%H:%M:%SZ")
        )),
    }
}

fn beside_another(other: &OtherScheduler) -> String {
    format!(
        "A scheduler of another kind works on the same tables: {} at {}. Nothing is begun beside it before {}; stop one \
         of the two.",
        other.sign,
        other.at.format("%Y-%m-%dT%H:%M:%SZ"),
        other.until.format("%Y-%m-%dT%H:%M:%SZ"),
    )
}

fn trouble_with_rounds(
    last_good: Option<DateTime<Utc>>,
    may_be_old: Span,
    now: DateTime<Utc>,
) -> Option<String> {
    let Some(last_good) = last_good else {
        return Some("This scheduler leads, but no round has gone well yet.".to_owned());
    };
    let age = now.signed_duration_since(last_good);
    (age >= may_be_old.delta()).then(|| {
        format!(
            "This scheduler leads, but its last good round was {} s ago; its log says what went wrong since.",
            age.num_seconds()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap()
    }

    fn follower() -> SchedulerStatus {
        SchedulerStatus {
            leader: Some(uuid::Uuid::from_u128(7)),
            cluster: Reachability::Reachable,
            database: Reachability::Reachable,
            ..SchedulerStatus::default()
        }
    }

    fn leader(last_good: Option<i64>) -> SchedulerStatus {
        SchedulerStatus {
            leads: true,
            last_good_round_at: last_good.map(at),
            ..follower()
        }
    }

    #[test]
    fn a_scheduler_is_ready_or_says_why_not() {
        let unreachable = Reachability::Unreachable { since: at(0) };
        let blind = SchedulerStatus {
            database: unreachable,
            cluster: unreachable,
            ..leader(Some(10))
        };
        let beside = SchedulerStatus {
            other_scheduler: Some(OtherScheduler {
                sign: rise_model::other::Sign::Lock,
                at: at(0),
                until: at(300),
            }),
            ..leader(Some(10))
        };
        let cases: [(&str, SchedulerStatus, &[&str]); 8] = [
            (
                "beside another kind",
                beside,
                &[
                    "A scheduler of another kind works on the same tables: it locks the table of workers at \
                     2026-09-21T14:13:20Z. Nothing is begun beside it before 2026-09-21T14:18:20Z; stop one of the two.",
                ],
            ),
            ("follower", follower(), &[]),
            ("leader", leader(Some(10)), &[]),
            ("leader, almost late", leader(Some(-39)), &[]),
            (
                "leader, late",
                leader(Some(-40)),
                &[
                    "This scheduler leads, but its last good round was 60 s ago; its log says what went wrong since.",
                ],
            ),
            (
                "leader without a round",
                leader(None),
                &["This scheduler leads, but no round has gone well yet."],
            ),
            (
                "just begun",
                SchedulerStatus::default(),
                &[
                    "The database has not answered yet.",
                    "The cluster has not answered yet.",
                ],
            ),
            (
                "blind",
                blind,
                &[
                    "The database has not answered since 2026-09-21T14:13:20Z; check POSTGRES_URL and the server.",
                    "The cluster has not answered since 2026-09-21T14:13:20Z; check K8S_KUBECONFIG and the API server.",
                ],
            ),
        ];
        for (name, status, expected) in cases {
            assert_eq!(
                problems(&status, Span::seconds(60), at(20)),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn our_own_question_never_makes_the_database_look_better_than_the_scheduler_finds_it() {
        use Reachability::{Reachable, Unknown, Unreachable};
        let read_only = Unreachable { since: at(0) };
        let cases = [
            (Unknown, true, Reachable),
            (Unknown, false, Unreachable { since: at(9) }),
            (Reachable, true, Reachable),
            (Reachable, false, Unreachable { since: at(9) }),
            (read_only, true, read_only),
            (read_only, false, read_only),
        ];
        for (published, answered, expected) in cases {
            assert_eq!(with_probe(published, answered, at(9)), expected);
        }
    }
}

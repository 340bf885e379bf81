//! Whether all is well, and if not, why.

use chrono::TimeDelta;
use rise_model::Time;
use services::store::operator::Overview;

use super::PoolLine;
use super::state::State;
use crate::when;

/// A leader writes its state every 10 s; after six times that it counts as silent.
const SILENT_AFTER: TimeDelta = TimeDelta::seconds(60);
/// A leader that writes but did not get through a round for so long is in trouble.
const ROUND_WITHIN: TimeDelta = TimeDelta::seconds(60);
/// Boards in these states may take a job, now or later.
const USABLE: [&str; 4] = ["free", "starting", "busy", "idle"];

/// The reasons; none when all is well.
pub(crate) fn unhealthy(overview: &Overview, state: &State, pools: &[PoolLine]) -> Vec<String> {
    let mut reasons = Vec::new();
    let now = overview.now;
    match &overview.scheduler {
        None => reasons.push("no scheduler has led yet".to_owned()),
        Some(row) if now - row.at > SILENT_AFTER => {
            reasons.push(format!("scheduler silent since {}", since(row.at, now)));
        }
        Some(_) => {
            if let Some(time) = state.last_good_round_at
                && now - time > ROUND_WITHIN
            {
                reasons.push(format!("no good round since {}", since(time, now)));
            }
            reasons.extend(state.other_scheduler.as_ref().map(|other| {
                format!(
                    "a scheduler of another kind works on the same tables ({} {}): nothing is begun beside it, so stop \
                     one of the two",
                    other.sign,
                    when::ago(other.at, now)
                )
            }));
            reasons.extend(pools.iter().filter_map(|pool| stranded(pool, state)));
        }
    }
    reasons.extend(overview.alerts.iter().map(|alert| {
        let subject = if alert.subject.is_empty() {
            String::new()
        } else {
            format!(" ({})", alert.subject)
        };
        format!("alert {}{subject}: {}", alert.name, alert.text)
    }));
    reasons
}

fn since(time: Time, now: Time) -> String {
    format!("{} ({})", when::exact(time), when::ago(time, now))
}

/// Jobs wait and no board of the pool could take them. A leader that tells of no board at all has not looked yet.
fn stranded(pool: &PoolLine, state: &State) -> Option<String> {
    let usable = USABLE.iter().any(|state| pool.boards.contains_key(*state));
    let told = !state.boards.is_empty();
    (told && !usable && pool.jobs_waiting > 0).then(|| {
        format!(
            "{} jobs wait for pool {}, which has no usable board",
            pool.jobs_waiting, pool.name
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use services::store::operator::{Alert, SchedulerRow};

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn overview(written: &str) -> Overview {
        Overview {
            now: at("2026-11-24T12:00:00Z"),
            scheduler: Some(SchedulerRow {
                epoch: 1,
                round: 9,
                at: at(written),
                state: json!({}),
            }),
            live: vec![],
            oldest_waiting: None,
            failures: vec![],
            alerts: vec![],
        }
    }

    fn pool(state: &str, waiting: i64) -> PoolLine {
        PoolLine {
            name: "scw-em-rv1".into(),
            boards: [(state.to_owned(), 2)].into(),
            jobs_waiting: waiting,
            ..PoolLine::default()
        }
    }

    fn state(board: &str) -> State {
        State::read(&json!({
            "last_good_round_at": "2026-11-24T11:59:55Z",
            "boards": [{"pool": "scw-em-rv1", "state": board}],
        }))
    }

    #[test]
    fn a_fresh_leader_with_usable_boards_is_healthy() {
        let overview = overview("2026-11-24T11:59:50Z");
        let none: Vec<String> = vec![];
        assert_eq!(
            unhealthy(&overview, &state("busy"), &[pool("busy", 5)]),
            none
        );
        assert_eq!(
            unhealthy(&overview, &state("lost"), &[pool("lost", 0)]),
            none
        );
    }

    #[test]
    fn every_trouble_is_told() {
        let mut none_led = overview("2026-11-24T11:59:50Z");
        none_led.scheduler = None;
        none_led.alerts.push(Alert {
            name: "queue_old".into(),
            subject: "scw-em-rv1".into(),
            opened_at: at("2026-11-24T11:00:00Z"),
            text: "jobs wait beside free boards".into(),
        });
        let mut stuck = state("lost");
        stuck.last_good_round_at = Some(at("2026-11-24T11:50:00Z"));
        let beside = State::read(&json!({ "other_scheduler": {
            "sign": {"kind": "worker", "name": "w-1"},
            "at": "2026-11-24T11:59:00Z", "until": "2026-11-24T12:04:00Z",
        }}));
        let said = [
            unhealthy(&none_led, &State::default(), &[]),
            unhealthy(
                &overview("2026-11-24T11:58:00Z"),
                &state("lost"),
                &[pool("lost", 1)],
            ),
            unhealthy(
                &overview("2026-11-24T11:59:50Z"),
                &stuck,
                &[pool("lost", 3)],
            ),
            unhealthy(&overview("2026-11-24T11:59:50Z"), &beside, &[]),
        ];
        insta::assert_snapshot!(said.concat().join("\n"), @r"
        no scheduler has led yet
        alert queue_old (scw-em-rv1): jobs wait beside free boards
        scheduler silent since 2026-11-24T11:58:00Z (2m ago)
        no good round since 2026-11-24T11:50:00Z (10m ago)
        3 jobs wait for pool scw-em-rv1, which has no usable board
        a scheduler of another kind works on the same tables (it wrote worker w-1 1m ago): nothing is begun beside it, so stop one of the two
        ");
    }
}

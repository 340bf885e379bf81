//! What the leading scheduler says of itself. Another version may say more or less: every field may be missing, and one
//! that cannot be read takes nothing else with it.

use rise_model::Time;
use rise_model::other::OtherScheduler;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The parts that are shown.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) version: Option<String>,
    pub(crate) last_good_round_at: Option<Time>,
    pub(crate) effects_in_flight: Option<u64>,
    pub(crate) cluster_as_of: Option<Time>,
    pub(crate) breakers: Vec<Breaker>,
    pub(crate) boards: Vec<Board>,
    pub(crate) queue: Vec<QueueGroup>,
    pub(crate) other_scheduler: Option<OtherScheduler>,
}

/// Something that is not called at present.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Breaker {
    pub(crate) party: String,
    pub(crate) trouble: String,
    pub(crate) since: Time,
    #[serde(default)]
    pub(crate) message: String,
}

/// A board.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Board {
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) pool: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) worker: Option<String>,
    #[serde(default)]
    pub(crate) job: Option<i64>,
}

/// Jobs that wait for the same reason.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct QueueGroup {
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) jobs: u64,
    #[serde(default)]
    pub(crate) oldest: Option<Time>,
}

impl State {
    /// Reads what can be read.
    pub(crate) fn read(state: &Value) -> Self {
        Self {
            version: field(state, "version"),
            last_good_round_at: field(state, "last_good_round_at"),
            effects_in_flight: field(state, "effects_in_flight"),
            cluster_as_of: field(state, "cluster_as_of"),
            breakers: list(state, "breakers"),
            boards: list(state, "boards"),
            queue: list(state, "queue"),
            other_scheduler: field(state, "other_scheduler"),
        }
    }
}

fn field<T: DeserializeOwned>(state: &Value, key: &str) -> Option<T> {
    T::deserialize(state.get(key)?).ok()
}

fn list<T: DeserializeOwned>(state: &Value, key: &str) -> Vec<T> {
    let items = state
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    items.filter_map(|item| T::deserialize(item).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_takes_nothing_else_with_it() {
        let state = State::read(&serde_json::json!({
            "version": 7,
            "effects_in_flight": 2,
            "boards": [{"name": "a", "pool": "p", "state": "free", "new": 1}, {"name": "b"}],
            "queue": [{"reason": "at_cap", "jobs": 3}],
        }));
        assert_eq!(state.version, None);
        assert_eq!(state.effects_in_flight, Some(2));
        assert_eq!(state.boards.len(), 1);
        assert_eq!(state.queue[0].jobs, 3);
        assert_eq!(State::read(&Value::Null), State::default());
    }
    #[test]
    fn what_the_scheduler_writes_is_read() {
        use rise_model::state::{BoardReport, BoardState, BreakerReport, QueueReport, StateReport};
        let oldest: Time = "2026-11-24T12:00:00Z".parse().unwrap();
        let written = serde_json::to_value(StateReport {
            version: "0.1.0".into(),
            quiet: true,
            effects_in_flight: 3,
            cluster_as_of: None,
            budgets: vec![],
            other_scheduler: None,
            breakers: vec![BreakerReport {
                party: "installation:5".into(),
                trouble: "hourly_limit".into(),
                since: oldest,
                probe_at: oldest,
                message: "API rate limit exceeded".into(),
            }],
            boards: vec![BoardReport {
                name: "board-1".into(),
                pool: "scw-em-rv1".into(),
                state: BoardState::Busy,
                worker: None,
                job: None,
            }],
            pools: vec![],
            queue: vec![QueueReport {
                reason: "no_free_board".into(),
                subject: Some("scw-em-rv1".into()),
                jobs: 4,
                oldest,
            }],
            settings: rise_model::state::SettingsReport::default(),
        });
        let state = State::read(&written.unwrap());
        assert_eq!(state.version.as_deref(), Some("0.1.0"));
        assert_eq!(state.effects_in_flight, Some(3));
        assert_eq!(state.breakers[0].trouble, "hourly_limit");
        assert_eq!(state.boards[0].state, "busy");
        assert_eq!(state.queue[0].oldest, Some(oldest));
    }
}

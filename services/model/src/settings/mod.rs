//! What operators change while everything runs: caps, weights, bans, pauses, quarantined boards, staging's repositories.
//!
//! A setting has a scope, a key and a value; one is in force from when it was made until it is ended, replaced, or its time
//! is over. What the configuration file says stands below. Whatever cannot be understood is an error here and never a
//! guess: a row that is wrong is not in force.

mod force;
mod scope;
mod value;

pub use force::{InForce, Settings};
pub use scope::{Scope, ScopeError, ScopeKind};
pub use value::{KeyError, SettingKey, SettingValue, ValueError, Weight};

use serde::Serialize;
use serde_json::Value;

use crate::Time;

/// One setting, as it is in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// What it is about.
    pub scope: Scope,
    /// What is set.
    pub value: SettingValue,
    /// Who set it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When.
    pub set_at: Time,
    /// When it ends by itself.
    pub until: Option<Time>,
    /// When it was ended or replaced.
    pub ended_at: Option<Time>,
}

impl Setting {
    /// Whether it is in force at that time.
    #[must_use]
    pub fn is_in_force(&self, now: Time) -> bool {
        self.ended_at.is_none_or(|at| at > now) && self.until.is_none_or(|at| at > now)
    }
}

/// Why a scope, a key and a value make no setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The scope.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The value.
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// Reads a scope, a key and a value as the table holds them.
///
/// # Errors
/// Says which of them is wrong.
pub fn read(scope: &str, key: &str, value: &Value) -> Result<(Scope, SettingValue), SettingError> {
    let scope = Scope::parse(scope)?;
    let key = SettingKey::parse(key)?;
    key.allowed_in(scope.kind())?;
    Ok((scope, SettingValue::read(key, value)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Cap;
    use crate::testing::at;
    use crate::{EntityId, RepoId};

    #[test]
    fn rows_are_read_as_they_are_written() {
        for (scope, value) in [
            (Scope::Global, SettingValue::Cap(Cap::Workers(7))),
            (Scope::Global, SettingValue::Pause),
            (Scope::Pool("scw-em-rv1".into()), SettingValue::Pause),
            (
                Scope::Entity(EntityId(99)),
                SettingValue::Cap(Cap::Unlimited),
            ),
            (Scope::Entity(EntityId(99)), SettingValue::Reserved(3)),
            (
                Scope::Entity(EntityId(99)),
                SettingValue::Weight(Weight::hundredths(250)),
            ),
            (Scope::Entity(EntityId(99)), SettingValue::Ban),
            (Scope::Sender(EntityId(5)), SettingValue::Ban),
            (Scope::Image("ubuntu-24.04".to_owned()), SettingValue::Pause),
            (
                Scope::Board("riscv-runner-3".into()),
                SettingValue::Quarantine,
            ),
            (Scope::Repo(RepoId(12)), SettingValue::Staging),
        ] {
            let read = read(&scope.to_string(), value.key().as_str(), &value.json());
            assert_eq!(read, Ok((scope, value)));
        }
    }

    #[test]
    fn what_cannot_be_understood_is_not_guessed() {
        for (scope, key, value, said) in [
            (
                "team:7",
                "pause",
                json!(true),
                "`team` is no scope; scopes are global, pool:, ",
            ),
            (
                "entity:ggml-org",
                "pause",
                json!(true),
                "`entity:ggml-org` has no id: a positive",
            ),
            (
                "pool:",
                "pause",
                json!(true),
                "`pool` needs a name after it, as in `pool:NAME`",
            ),
            (
                "global:x",
                "pause",
                json!(true),
                "`global:x`: `global` stands alone",
            ),
            (
                "entity:7",
                "paws",
                json!(true),
                "`paws` cannot be set; there are cap, reserved, ",
            ),
            (
                "pool:x",
                "weight",
                json!(2),
                "`weight` cannot be set for `pool`, only pause",
            ),
            (
                "entity:7",
                "cap",
                json!("many"),
                "`many` is no value of `cap`; it is a number of ",
            ),
            ("entity:7", "cap", json!(-1), "`-1` is no value of `cap`"),
            (
                "entity:7",
                "weight",
                json!(0),
                "`0` is no value of `weight`; it is a number from",
            ),
            (
                "entity:7",
                "ban",
                json!(false),
                "`false` is no value of `ban`; it is `on`",
            ),
            (
                "entity:7",
                "ban",
                json!("on"),
                "`\"on\"` is no value of `ban`",
            ),
        ] {
            let error = read(scope, key, &value).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }

    #[test]
    fn one_is_in_force_until_its_time_is_over_or_somebody_ends_it() {
        let setting = Setting {
            scope: Scope::Global,
            value: SettingValue::Pause,
            author: "ada".to_owned(),
            reason: "maintenance".to_owned(),
            set_at: at(0),
            until: Some(at(100)),
            ended_at: None,
        };
        assert!(setting.is_in_force(at(99)));
        assert!(!setting.is_in_force(at(100)));
        let ended = Setting {
            ended_at: Some(at(50)),
            ..setting
        };
        assert!(!ended.is_in_force(at(50)));
    }
}

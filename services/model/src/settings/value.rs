//! What can be set, where, and to what.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::scope::ScopeKind;
use crate::config::Cap;

/// What is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingKey {
    /// How many workers an entity may have at once; of the global scope: one that has no cap of its own.
    Cap,
    /// How many boards an entity gets before all others.
    Reserved,
    /// How many boards an entity gets beside others.
    Weight,
    /// Its jobs are not taken.
    Ban,
    /// Nothing new is begun.
    Pause,
    /// The board gets no pods.
    Quarantine,
    /// Production hands its deliveries to staging.
    Staging,
}

impl SettingKey {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Cap,
        Self::Reserved,
        Self::Weight,
        Self::Ban,
        Self::Pause,
        Self::Quarantine,
        Self::Staging,
    ];

    /// The word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cap => "cap",
            Self::Reserved => "reserved",
            Self::Weight => "weight",
            Self::Ban => "ban",
            Self::Pause => "pause",
            Self::Quarantine => "quarantine",
            Self::Staging => "staging",
        }
    }

    /// Reads the word.
    ///
    /// # Errors
    /// Names the keys that there are.
    pub fn parse(word: &str) -> Result<Self, KeyError> {
        let mut all = Self::ALL.into_iter();
        all.find(|key| key.as_str() == word)
            .ok_or_else(|| KeyError::Unknown(word.to_owned()))
    }

    /// What can be set in scopes of a kind.
    #[must_use]
    pub fn of(kind: ScopeKind) -> &'static [Self] {
        match kind {
            ScopeKind::Global => &[Self::Cap, Self::Pause],
            ScopeKind::Pool | ScopeKind::Image => &[Self::Pause],
            ScopeKind::Entity => &[
                Self::Cap,
                Self::Reserved,
                Self::Weight,
                Self::Ban,
                Self::Pause,
            ],
            ScopeKind::Sender => &[Self::Ban],
            ScopeKind::Board => &[Self::Quarantine],
            ScopeKind::Repo => &[Self::Staging],
        }
    }

    /// Whether it can be set in scopes of a kind.
    ///
    /// # Errors
    /// Names what can be set there.
    pub fn allowed_in(self, kind: ScopeKind) -> Result<(), KeyError> {
        if Self::of(kind).contains(&self) {
            Ok(())
        } else {
            Err(KeyError::NotThere(self, kind))
        }
    }
}

impl fmt::Display for SettingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a word is no key of a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key of that name.
    #[error("`{0}` cannot be set; there are {all}", all = words(&SettingKey::ALL))]
    Unknown(String),
    /// A key of other scopes.
    #[error("`{0}` cannot be set for `{kind}`, only {of_it}", kind = .1.as_str(), of_it = words(SettingKey::of(*.1)))]
    NotThere(SettingKey, ScopeKind),
}

fn words(keys: &[SettingKey]) -> String {
    let words: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    words.join(", ")
}

/// How many boards an entity gets beside one with weight 1, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

/// The largest weight, in hundredths.
const HEAVIEST: u32 = 10_000;

impl Weight {
    /// What everybody has who was given none.
    pub const ONE: Self = Self(100);

    /// So many hundredths, within what is allowed.
    #[must_use]
    pub fn hundredths(count: u32) -> Self {
        Self(count.clamp(1, HEAVIEST))
    }

    /// In hundredths; never zero.
    #[must_use]
    pub fn as_hundredths(self) -> u32 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        if part.len() > 2 || (part.is_empty() && text.ends_with('.')) {
            return None;
        }
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) {
            return None;
        }
        let hundredths = format!("{whole}{part:0<2}").parse::<u32>().ok()?;
        (1..=HEAVIEST)
            .contains(&hundredths)
            .then_some(Self(hundredths))
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}"),
            tenths if tenths % 10 == 0 => write!(f, "{whole}.{}", tenths / 10),
            hundredths => write!(f, "{whole}.{hundredths:02}"),
        }
    }
}

/// A key with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingValue {
    /// At most so many workers.
    Cap(Cap),
    /// So many boards before all others.
    Reserved(u32),
    /// Its part beside others.
    Weight(Weight),
    /// Its jobs are not taken.
    Ban,
    /// Nothing new is begun.
    Pause,
    /// The board gets no pods.
    Quarantine,
    /// Production hands its deliveries to staging.
    Staging,
}

impl SettingValue {
    /// The key.
    #[must_use]
    pub fn key(self) -> SettingKey {
        match self {
            Self::Cap(_) => SettingKey::Cap,
            Self::Reserved(_) => SettingKey::Reserved,
            Self::Weight(_) => SettingKey::Weight,
            Self::Ban => SettingKey::Ban,
            Self::Pause => SettingKey::Pause,
            Self::Quarantine => SettingKey::Quarantine,
            Self::Staging => SettingKey::Staging,
        }
    }

    /// The value as the table holds it.
    #[must_use]
    pub fn json(self) -> Value {
        match self {
            Self::Cap(cap) => json!(cap),
            Self::Reserved(boards) => json!(boards),
            Self::Weight(weight) => {
                // As people would write it: a weight of 2 is 2, not 2.0.
                serde_json::from_str(&weight.to_string()).unwrap_or(Value::Null)
            }
            Self::Ban | Self::Pause | Self::Quarantine | Self::Staging => json!(true),
        }
    }

    /// Reads a value as the table holds it.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn read(key: SettingKey, value: &Value) -> Result<Self, ValueError> {
        match (key, value) {
            (
                SettingKey::Ban | SettingKey::Pause | SettingKey::Quarantine | SettingKey::Staging,
                Value::Bool(true),
            ) => Self::parse(key, ON),
            (
                SettingKey::Cap | SettingKey::Reserved | SettingKey::Weight,
                Value::Number(number),
            ) => Self::parse(key, &number.to_string()),
            (SettingKey::Cap, Value::String(word)) => Self::parse(key, word),
            (_, other) => Err(ValueError {
                key,
                value: other.to_string(),
            }),
        }
    }

    /// Reads a value as people write it.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(key: SettingKey, text: &str) -> Result<Self, ValueError> {
        let read = match key {
            SettingKey::Cap if text == UNLIMITED => Some(Self::Cap(Cap::Unlimited)),
            SettingKey::Cap => text.parse().ok().map(|most| Self::Cap(Cap::Workers(most))),
            SettingKey::Reserved => text.parse().ok().map(Self::Reserved),
            SettingKey::Weight => Weight::parse(text).map(Self::Weight),
            SettingKey::Ban => (text == ON).then_some(Self::Ban),
            SettingKey::Pause => (text == ON).then_some(Self::Pause),
            SettingKey::Quarantine => (text == ON).then_some(Self::Quarantine),
            SettingKey::Staging => (text == ON).then_some(Self::Staging),
        };
        read.ok_or_else(|| ValueError {
            key,
            value: text.to_owned(),
        })
    }
}

const UNLIMITED: &str = "unlimited";
const ON: &str = "on";

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cap(cap) => cap.fmt(f),
            Self::Reserved(boards) => boards.fmt(f),
            Self::Weight(weight) => weight.fmt(f),
            Self::Ban | Self::Pause | Self::Quarantine | Self::Staging => f.write_str(ON),
        }
    }
}

impl Serialize for SettingValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

/// Why a value is none of its key's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no value of `{key}`; it is {}", self.expected())]
pub struct ValueError {
    /// The key.
    pub key: SettingKey,
    /// What was given.
    pub value: String,
}

impl ValueError {
    /// What is expected.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        match self.key {
            SettingKey::Cap => "a number of workers, or `unlimited`",
            SettingKey::Reserved => "a number of boards",
            SettingKey::Weight => "a number from 0.01 to 100; everybody else has 1",
            SettingKey::Ban | SettingKey::Pause | SettingKey::Quarantine | SettingKey::Staging => {
                "`on`; what is unset is off"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_as_people_write_them() {
        for (text, hundredths) in [
            ("1", Some(100)),
            ("0.5", Some(50)),
            ("2.25", Some(225)),
            ("100", Some(10_000)),
            ("0", None),
            ("0.001", None),
            ("100.01", None),
            ("-1", None),
            ("1.", None),
            (".5", None),
            ("two", None),
        ] {
            let weight = Weight::parse(text);
            assert_eq!(weight.map(Weight::as_hundredths), hundredths, "{text}");
            if let Some(weight) = weight {
                assert_eq!(weight.to_string(), text);
            }
        }
    }
}

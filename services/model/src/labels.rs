//! A job's labels: as sent, for GitHub and the tables, and as a set, for matching.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The labels for matching: lower-cased, deduplicated, sorted. Computed when read, never stored. GitHub compares
/// labels without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct LabelSet(Vec<String>);

impl LabelSet {
    /// The set of some labels as sent.
    pub fn new<S: AsRef<str>>(labels: impl IntoIterator<Item = S>) -> Self {
        let mut set: Vec<String> = labels
            .into_iter()
            .map(|l| l.as_ref().to_lowercase())
            .collect();
        set.sort_unstable();
        set.dedup();
        Self(set)
    }

    /// Whether every label of `other` is in this set.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other
            .0
            .iter()
            .all(|label| self.0.binary_search(label).is_ok())
    }

    /// This set without the labels of `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let kept = self
            .0
            .iter()
            .filter(|label| other.0.binary_search(label).is_err());
        Self(kept.cloned().collect())
    }

    /// The labels, lower-cased and sorted.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for LabelSet {
    fn from(labels: Vec<String>) -> Self {
        Self::new(labels)
    }
}

impl From<LabelSet> for Vec<String> {
    fn from(set: LabelSet) -> Self {
        set.0
    }
}

impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0.join(", "))
    }
}

/// The labels as the tables hold them: as sent, sorted by code point, case and duplicates kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct SentLabels(Vec<String>);

impl SentLabels {
    /// Sorts labels the way the replaced service stores them.
    #[must_use]
    pub fn new(mut labels: Vec<String>) -> Self {
        labels.sort_unstable();
        Self(labels)
    }

    /// The set that is compared.
    #[must_use]
    pub fn set(&self) -> LabelSet {
        LabelSet::new(&self.0)
    }

    /// The labels as sent.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for SentLabels {
    fn from(labels: Vec<String>) -> Self {
        Self::new(labels)
    }
}

impl From<SentLabels> for Vec<String> {
    fn from(labels: SentLabels) -> Self {
        labels.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_ignores_case_order_and_repetition() {
        let sent = SentLabels::new(vec!["b".into(), "A".into(), "b".into()]);
        assert_eq!(
            sent.as_slice(),
            ["A", "b", "b"],
            "stored as sent, sorted by code point"
        );
        assert_eq!(sent.set(), LabelSet::new(["B", "a"]));
    }

    #[test]
    fn containment_and_difference() {
        let all = LabelSet::new(["self-hosted", "Ubuntu"]);
        assert!(all.contains_all(&LabelSet::new(["ubuntu"])));
        assert!(!LabelSet::new(["ubuntu"]).contains_all(&all));
        assert_eq!(
            all.without(&LabelSet::new(["SELF-HOSTED"])),
            LabelSet::new(["ubuntu"])
        );
    }
}

//! The objects as the API server keeps them: whole documents, one increasing version for all, and the last changes for
//! those who watch. An object that is replaced by its equal is no change.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};

/// What kinds of objects there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A pod.
    Pod,
    /// A node: a board.
    Node,
    /// A core/v1 event.
    Event,
    /// A namespace.
    Namespace,
}

impl Kind {
    /// The kind's name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Node => "Node",
            Self::Event => "Event",
            Self::Namespace => "Namespace",
        }
    }

    /// The kind's name in addresses.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::Node => "nodes",
            Self::Event => "events",
            Self::Namespace => "namespaces",
        }
    }
}

/// An object's place among its kind. Nodes and namespaces have an empty namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// The key of `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// What a change did to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeType {
    /// It is new.
    Added,
    /// It is another than before.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change, with the object after it and before it. A deleted object's last state carries the deletion's version.
#[derive(Debug, Clone)]
pub struct Change {
    /// The version that the change made.
    pub version: u64,
    /// The object's kind.
    pub kind: Kind,
    /// The object's place.
    pub key: Key,
    /// What happened.
    pub what: ChangeType,
    /// The object after the change.
    pub object: Arc<Value>,
    /// The object before the change; none when it is new.
    pub before: Option<Arc<Value>>,
}

/// What was asked for is older than the changes that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Expired {
    /// The version asked for.
    pub asked: u64,
    /// The oldest that could be answered.
    pub oldest: u64,
}

/// Versions begin here, as those of a cluster that has lived a little.
const FIRST_VERSION: u64 = 1000;

#[derive(Debug)]
pub(super) struct Store {
    objects: BTreeMap<Kind, BTreeMap<Key, Arc<Value>>>,
    version: u64,
    history: VecDeque<Change>,
    keep: usize,
    /// The version of the newest change that was thrown away.
    compacted: u64,
}

impl Store {
    pub(super) fn new(keep: usize) -> Self {
        Self {
            objects: BTreeMap::new(),
            version: FIRST_VERSION,
            history: VecDeque::new(),
            keep,
            compacted: FIRST_VERSION,
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, kind: Kind, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(&kind)?.get(key)
    }

    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.get(&kind).into_iter().flatten()
    }

    /// Puts `object` at its place, with the next version; nothing happens when it is there already.
    pub(super) fn put(&mut self, kind: Kind, key: Key, mut object: Value) -> Arc<Value> {
        let before = self.get(kind, &key).cloned();
        if let Some(before) = before.as_ref().filter(|before| ***before == object) {
            return Arc::clone(before);
        }
        self.version += 1;
        stamp(&mut object, self.version);
        let object = Arc::new(object);
        let of_kind = self.objects.entry(kind).or_default();
        of_kind.insert(key.clone(), Arc::clone(&object));
        self.record(Change {
            version: self.version,
            kind,
            key,
            what: match before {
                None => ChangeType::Added,
                Some(_) => ChangeType::Modified,
            },
            object: Arc::clone(&object),
            before,
        });
        object
    }

    /// Takes the object away; returns its last state.
    pub(super) fn remove(&mut self, kind: Kind, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.get_mut(&kind)?.remove(key)?;
        self.version += 1;
        let mut last = Value::clone(&before);
        stamp(&mut last, self.version);
        let object = Arc::new(last);
        self.record(Change {
            version: self.version,
            kind,
            key: key.clone(),
            what: ChangeType::Deleted,
            object: Arc::clone(&object),
            before: Some(before),
        });
        Some(object)
    }

    fn record(&mut self, change: Change) {
        self.history.push_back(change);
        while self.history.len() > self.keep {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(change) = self.history.pop_front() {
            self.compacted = change.version;
        }
    }

    /// Throws all kept changes away.
    pub(super) fn compact(&mut self) {
        while !self.history.is_empty() {
            self.forget_oldest();
        }
    }

    /// The changes after `version`, oldest first.
    pub(super) fn changes_after(
        &self,
        version: u64,
    ) -> Result<impl DoubleEndedIterator<Item = &Change>, Expired> {
        if version < self.compacted {
            return Err(Expired {
                asked: version,
                oldest: self.compacted,
            });
        }
        let first = self.history.partition_point(|c| c.version <= version);
        Ok(self.history.range(first..))
    }

    /// All objects of `kind` as they were at `version`, which later pages of a list are read at.
    pub(super) fn at(
        &self,
        kind: Kind,
        version: u64,
    ) -> Result<BTreeMap<Key, Arc<Value>>, Expired> {
        let mut objects = self.objects.get(&kind).cloned().unwrap_or_default();
        let later = self.changes_after(version)?.rev();
        for change in later.filter(|change| change.kind == kind) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }
}

fn stamp(object: &mut Value, version: u64) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.insert("resourceVersion".to_owned(), json!(version.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, color: &str) -> Value {
        json!({"metadata": {"name": name, "labels": {"color": color}}})
    }

    #[test]
    fn an_equal_object_is_no_change() {
        let mut store = Store::new(10);
        let first = store.put(Kind::Node, Key::new("", "a"), node("a", "red"));
        let again = store.put(Kind::Node, Key::new("", "a"), Value::clone(&first));
        assert_eq!(first, again);
        assert_eq!(store.changes_after(FIRST_VERSION).unwrap().count(), 1);
    }

    #[test]
    fn the_past_can_be_listed_until_it_is_compacted() {
        let mut store = Store::new(3);
        store.put(Kind::Node, Key::new("", "a"), node("a", "red"));
        let then = store.version();
        store.put(Kind::Node, Key::new("", "b"), node("b", "red"));
        store.remove(Kind::Node, &Key::new("", "a"));
        let past = store.at(Kind::Node, then).unwrap();
        assert_eq!(
            past.keys().map(|k| k.name.as_str()).collect::<Vec<_>>(),
            ["a"]
        );
        for color in ["blue", "green", "white"] {
            store.put(Kind::Node, Key::new("", "b"), node("b", color));
        }
        assert!(store.at(Kind::Node, then).is_err());
        assert!(store.changes_after(then).is_err());
    }
}

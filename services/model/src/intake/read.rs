//! Reading JSON from outside, object by object, without building a tree of it.
//!
//! A value stays the text that it was sent as until somebody asks for it, so that 25 MB of anything cost no more memory
//! than their bytes. `null` is the same as not being there, as GitHub uses it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Refusal;

/// More keys than this are counted, not kept; GitHub's largest object has about a hundred.
const MAX_KEYS: usize = 4096;

/// One object of the payload, and where it stands in it.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    path: &'static str,
    object: Object<'a>,
}

impl<'a> Part<'a> {
    /// The payload itself.
    pub(super) fn whole(body: &'a str) -> Result<Self, Refusal> {
        let object = serde_json::from_str(body).map_err(|_| Refusal::NotJson)?;
        Ok(Self { path: "", object })
    }

    /// Its members.
    pub(super) fn object(&self) -> &Object<'a> {
        &self.object
    }

    /// An object in it. `path` is its full path, of which the last word is the key.
    pub(super) fn part(&self, path: &'static str) -> Result<Option<Part<'a>>, Refusal> {
        let key = path.rsplit('.').next().unwrap_or(path);
        let Some(raw) = self.object.get(key) else {
            return Ok(None);
        };
        let object =
            serde_json::from_str(raw.get()).map_err(|_| Refusal::Mistyped(path.to_owned()))?;
        Ok(Some(Self { path, object }))
    }

    /// The same, when the event cannot do without.
    pub(super) fn needed_part(&self, path: &'static str) -> Result<Part<'a>, Refusal> {
        self.part(path)?.ok_or(Refusal::MissingPart(path))
    }

    /// A value that the event uses: of another type it is refused.
    pub(super) fn value<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Refusal> {
        let Some(raw) = self.object.get(key) else {
            return Ok(None);
        };
        serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|_| Refusal::Mistyped(self.path_of(key)))
    }

    /// An id that the event uses. GitHub counts from 1: 0 is no id.
    pub(super) fn id(&self, key: &str) -> Result<Option<i64>, Refusal> {
        Ok(self.value::<i64>(key)?.filter(|id| *id != 0))
    }

    /// A text that the event uses; an empty one is none.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Refusal> {
        Ok(self.value::<String>(key)?.filter(|text| !text.is_empty()))
    }

    /// A value that is good to have: of another type it is left out.
    pub(super) fn extra<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let raw = self.object.get(key)?;
        serde_json::from_str(raw.get()).ok()
    }

    /// A value as it was sent.
    pub(super) fn raw(&self, key: &str) -> Option<&'a RawValue> {
        self.object.get(key)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// The members of an object, values as they were sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    left_out_bytes: usize,
}

impl<'a> Object<'a> {
    /// The last member of that name, as JSON readers agree.
    fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.members
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, raw)| *raw)
            .filter(|raw| raw.get() != "null")
    }

    /// The members that were kept.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|(name, raw)| (name.as_ref(), *raw))
    }

    /// The size of those that were not.
    pub(super) fn left_out_bytes(&self) -> usize {
        self.left_out_bytes
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut object = Object::default();
                while let Some((Key(name), raw)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    if object.members.len() < MAX_KEYS {
                        object.members.push((name, raw));
                    } else {
                        object.left_out_bytes += name.len() + raw.get().len();
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A key that is borrowed from the body unless it has escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

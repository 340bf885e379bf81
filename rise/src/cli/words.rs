//! Words of the command line that have a form of their own.

use std::fmt;

use rise_model::EntityId;

/// A repository as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repository {
    /// The account's login.
    pub(crate) owner: String,
    /// The name below it.
    pub(crate) name: String,
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl std::str::FromStr for Repository {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((owner, name)) if !owner.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self {
                    owner: owner.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err("write it as OWNER/REPO, such as ggml-org/llama.cpp"),
        }
    }
}

/// Reads an id of GitHub's.
pub(super) fn number(text: &str) -> Result<i64, &'static str> {
    match text.parse() {
        Ok(id) if id > 0 => Ok(id),
        _ => Err("an id is a number above zero"),
    }
}

/// Reads an account's id.
pub(super) fn entity_id(text: &str) -> Result<EntityId, &'static str> {
    match text.parse() {
        Ok(id) if id > 0 => Ok(EntityId(id)),
        _ => Err("an account id is a number above zero"),
    }
}

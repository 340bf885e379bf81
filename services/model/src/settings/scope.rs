//! What a setting is about.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{EntityId, NodeName, PoolName, RepoId};

/// What a setting is about: one thing of a kind, by its id, or by its name where it has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything.
    Global,
    /// A pool.
    Pool(PoolName),
    /// A GitHub account that owns repositories.
    Entity(EntityId),
    /// A GitHub account that causes jobs.
    Sender(EntityId),
    /// An image, by its name in the configuration.
    Image(String),
    /// A board, by its node's name.
    Board(NodeName),
    /// A repository.
    Repo(RepoId),
}

/// A kind of scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScopeKind {
    /// Everything.
    Global,
    /// Pools.
    Pool,
    /// Owners of repositories.
    Entity,
    /// Causes of jobs.
    Sender,
    /// Images.
    Image,
    /// Boards.
    Board,
    /// Repositories.
    Repo,
}

impl ScopeKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Global,
        Self::Pool,
        Self::Entity,
        Self::Sender,
        Self::Image,
        Self::Board,
        Self::Repo,
    ];

    /// The word before the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Pool => "pool",
            Self::Entity => "entity",
            Self::Sender => "sender",
            Self::Image => "image",
            Self::Board => "board",
            Self::Repo => "repo",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Scope {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ScopeKind {
        match self {
            Self::Global => ScopeKind::Global,
            Self::Pool(_) => ScopeKind::Pool,
            Self::Entity(_) => ScopeKind::Entity,
            Self::Sender(_) => ScopeKind::Sender,
            Self::Image(_) => ScopeKind::Image,
            Self::Board(_) => ScopeKind::Board,
            Self::Repo(_) => ScopeKind::Repo,
        }
    }

    /// Reads what [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let (word, name) = match text.split_once(':') {
            Some((word, name)) => (word, Some(name)),
            None => (text, None),
        };
        let kind = ScopeKind::parse(word).ok_or_else(|| ScopeError::Unknown(word.to_owned()))?;
        let id = |name: &str| {
            let number = name.parse::<i64>().ok().filter(|id| *id > 0);
            number.ok_or_else(|| ScopeError::NoId(text.to_owned()))
        };
        match (kind, name) {
            (ScopeKind::Global, None) => Ok(Self::Global),
            (ScopeKind::Global, Some(_)) => Err(ScopeError::GlobalHasNoName(text.to_owned())),
            (_, None | Some("")) => Err(ScopeError::NoName(kind)),
            (ScopeKind::Pool, Some(name)) => Ok(Self::Pool(name.into())),
            (ScopeKind::Entity, Some(name)) => id(name).map(|id| Self::Entity(EntityId(id))),
            (ScopeKind::Sender, Some(name)) => id(name).map(|id| Self::Sender(EntityId(id))),
            (ScopeKind::Image, Some(name)) => Ok(Self::Image(name.to_owned())),
            (ScopeKind::Board, Some(name)) => Ok(Self::Board(name.into())),
            (ScopeKind::Repo, Some(name)) => id(name).map(|id| Self::Repo(RepoId(id))),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind().as_str();
        match self {
            Self::Global => f.write_str(kind),
            Self::Pool(name) => write!(f, "{kind}:{name}"),
            Self::Entity(id) | Self::Sender(id) => write!(f, "{kind}:{id}"),
            Self::Image(name) => write!(f, "{kind}:{name}"),
            Self::Board(name) => write!(f, "{kind}:{name}"),
            Self::Repo(id) => write!(f, "{kind}:{id}"),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is no [`Scope`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// No kind of that name.
    #[error(
        "`{0}` is no scope; scopes are global, pool:, entity:, sender:, image:, board: and repo:"
    )]
    Unknown(String),
    /// A kind alone.
    #[error("`{}` needs a name after it, as in `{}:NAME`", .0.as_str(), .0.as_str())]
    NoName(ScopeKind),
    /// A name where an id belongs.
    #[error("`{0}` has no id: a positive number belongs after the colon")]
    NoId(String),
    /// A name where none belongs.
    #[error("`{0}`: `global` stands alone")]
    GlobalHasNoName(String),
}

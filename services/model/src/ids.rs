//! Newtypes for every id and name that could be mistaken for another one.
//!
//! GitHub's ids exceed 32 bits and are signed 64-bit integers on the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

macro_rules! text {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the name as it is.
            #[must_use]
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }
    )*};
}

number! {
    /// A GitHub account's id: an organisation's or a user's. Stable across renames.
    EntityId,
    /// A repository's id.
    RepoId,
    /// A workflow job's id. A re-run attempt has new job ids.
    JobId,
    /// A workflow run's id.
    RunId,
    /// The id of an App's installation on one account.
    InstallationId,
    /// A GitHub App's id.
    AppId,
    /// A self-hosted runner's id.
    RunnerId,
    /// A runner group's id; 1 is every organisation's default group.
    RunnerGroupId,
    /// One attempt at a delivery, in GitHub's log.
    DeliveryId,
    /// The id of a row of `installation_events`.
    EventId,
    /// Which leader wrote: rises by one with every change of leader.
    Epoch,
}

text! {
    /// A runner pod's name, which is also its GitHub runner's name and its row's key.
    PodName,
    /// A pool's name; by default also the value of its nodes' board label.
    PoolName,
    /// A Kubernetes node's name.
    NodeName,
    /// A container image reference.
    Image,
    /// A pod's `metadata.uid`: a pod made again under the same name has another one.
    PodUid,
    /// An object's `metadata.resourceVersion`: opaque, compared for equality only.
    ResourceVersion,
}

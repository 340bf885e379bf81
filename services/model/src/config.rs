//! The sections of the configuration file that decisions read. The file's default, `assets/config/default.toml`, names
//! every key; nothing here has a default of its own, so that what is in force can be read in one place.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::span::Span;
use crate::{AppId, EntityId, EntityKind, Image, LabelSet, PoolName};

/// The two GitHub Apps that share the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apps {
    /// Serves organisations.
    pub organization: AppId,
    /// Serves personal accounts.
    pub personal: AppId,
}

impl Apps {
    /// The App that serves accounts of a kind.
    #[must_use]
    pub fn serving(&self, kind: EntityKind) -> AppId {
        match kind {
            EntityKind::Organization => self.organization,
            EntityKind::User => self.personal,
        }
    }

    /// Whether the id is one of the two.
    #[must_use]
    pub fn has(&self, app: AppId) -> bool {
        app == self.organization || app == self.personal
    }
}

/// What differs between production and staging.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The schema of the tables.
    pub schema: String,
    /// What the names of this environment's runners begin with.
    pub runner_prefix: String,
    /// The runner group of an organisation.
    pub runner_group: String,
    /// Replaces `{tag}` in image references.
    pub image_tag: String,
    /// The Kubernetes namespace of the pods.
    pub namespace: String,
}

/// A named set of boards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// The node labels that select its boards; without it `riseproject.dev/board = <name>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// A limit on the pod's ephemeral storage, as Kubernetes writes quantities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<String>,
}

/// The label that tells a board's pool.
pub const BOARD_LABEL: &str = "riseproject.dev/board";

impl Pool {
    /// The labels that select this pool's boards.
    #[must_use]
    pub fn selector(&self) -> BTreeMap<String, String> {
        if self.node_selector.is_empty() {
            BTreeMap::from([(BOARD_LABEL.to_owned(), self.name.to_string())])
        } else {
            self.node_selector.clone()
        }
    }

    /// Whether a node with these labels is one of this pool's boards.
    #[must_use]
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector()
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    }
}

/// How a route compares its labels with a job's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelMatch {
    /// The job has exactly these labels, besides implied ones.
    Exact,
    /// The job has at least these labels.
    Contains,
}

/// An entity, or some of its repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteFor {
    /// The account's id.
    pub entity: EntityId,
    /// Repository names without the owner; empty: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

/// One rule that gives jobs a pool and an image. The first that fits wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Labels that must be there.
    pub labels: LabelSet,
    /// How they are compared.
    #[serde(rename = "match", default = "exact")]
    pub label_match: LabelMatch,
    /// Labels that a job may have besides, such as `self-hosted`.
    #[serde(default, skip_serializing_if = "no_labels")]
    pub implied: LabelSet,
    /// Whom the route is for; empty: everybody.
    #[serde(rename = "for", default, skip_serializing_if = "Vec::is_empty")]
    pub only_for: Vec<RouteFor>,
    /// Who may use it; empty: everybody. Others hear that they are not allowed, and no later route is tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<EntityId>,
    /// The pool.
    pub pool: PoolName,
    /// A key of `[images]`.
    pub image: String,
}

fn exact() -> LabelMatch {
    LabelMatch::Exact
}

fn no_labels(set: &LabelSet) -> bool {
    set.as_slice().is_empty()
}

/// How many workers an entity may have at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// As many as there are boards.
    Unlimited,
    /// At most this many.
    Workers(u32),
}

impl Cap {
    /// How many more are allowed beside `held`; `None` is without limit.
    #[must_use]
    pub fn left(self, held: usize) -> Option<usize> {
        match self {
            Self::Unlimited => None,
            Self::Workers(most) => Some(
                usize::try_from(most)
                    .unwrap_or(usize::MAX)
                    .saturating_sub(held),
            ),
        }
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Workers(most) => most.fmt(f),
        }
    }
}

impl Serialize for Cap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unlimited => serializer.serialize_str("unlimited"),
            Self::Workers(most) => serializer.serialize_u32(*most),
        }
    }
}

impl<'de> Deserialize<'de> for Cap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Cap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of workers, or \"unlimited\"")
            }

            fn visit_i64<E: serde::de::Error>(self, most: i64) -> Result<Cap, E> {
                u32::try_from(most)
                    .map(Cap::Workers)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(most), &self))
            }

            fn visit_u64<E: serde::de::Error>(self, most: u64) -> Result<Cap, E> {
                u32::try_from(most)
                    .map(Cap::Workers)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(most), &self))
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Cap, E> {
                if word == "unlimited" {
                    Ok(Cap::Unlimited)
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What is configured for one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntitySettings {
    /// The account's id.
    pub id: EntityId,
    /// Its login, for people who read the file.
    pub name: String,
    /// Its cap; without it the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_workers: Option<Cap>,
    /// Repository names whose deliveries production hands to staging.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub staging: Vec<String>,
}

/// Everything that decides where a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// Image names and their references, in which `{tag}` stands for the environment's tag.
    pub images: BTreeMap<String, String>,
    /// The pools.
    pub pools: Vec<Pool>,
    /// The routes, in order.
    pub routes: Vec<Route>,
}

impl Routing {
    /// The reference of an image by its configured name.
    #[must_use]
    pub fn image(&self, name: &str, tag: &str) -> Option<Image> {
        self.images
            .get(name)
            .map(|reference| Image::new(reference.replace("{tag}", tag)))
    }

    /// A pool by name.
    #[must_use]
    pub fn pool(&self, name: &PoolName) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == *name)
    }
}

/// Caps of entities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// For an entity that is not listed.
    pub default_max_workers: Cap,
    /// The listed ones.
    pub entities: Vec<EntitySettings>,
}

impl Caps {
    /// The cap of an entity, as long as no setting says otherwise.
    #[must_use]
    pub fn of(&self, entity: EntityId) -> Cap {
        self.listed(entity).unwrap_or(self.default_max_workers)
    }

    /// The cap that is listed for an entity.
    #[must_use]
    pub fn listed(&self, entity: EntityId) -> Option<Cap> {
        let mut entities = self.entities.iter();
        entities
            .find(|listed| listed.id == entity)
            .and_then(|listed| listed.max_workers)
    }

    /// The repositories that production hands to staging.
    #[must_use]
    pub fn staging(&self) -> StagingRepositories {
        let listed = self.entities.iter();
        StagingRepositories(
            listed
                .filter(|entity| !entity.staging.is_empty())
                .map(|entity| (entity.id, entity.staging.clone()))
                .collect(),
        )
    }
}

/// How boards are shared, beside caps and weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// The cap of an entity that has few finished jobs behind it and no cap of its own.
    pub newcomer_cap: Cap,
    /// With so many finished jobs it is a newcomer no more.
    pub newcomer_until: u32,
    /// One entity gets at most this part of a pool while others could take the board; 100 is no limit.
    pub max_share: Percent,
}

/// A whole number from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Percent(u8);

impl Percent {
    /// All of it.
    pub const ALL: Self = Self(100);

    /// So many hundredths.
    #[must_use]
    pub fn new(percent: u8) -> Option<Self> {
        (1..=100).contains(&percent).then_some(Self(percent))
    }

    /// This part of a number, rounded down, but at least one.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        (all.saturating_mul(usize::from(self.0)) / 100).max(1)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let percent = u8::try_from(number).ok().and_then(Self::new);
        percent.ok_or_else(|| {
            let expected = "a whole number of percent, from 1 to 100";
            serde::de::Error::invalid_value(serde::de::Unexpected::Signed(number), &expected)
        })
    }
}

/// Repositories whose deliveries are another environment's, by the owner's id and the name without the owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StagingRepositories(BTreeMap<EntityId, Vec<String>>);

impl StagingRepositories {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a repository is one of them. GitHub's names have no case.
    #[must_use]
    pub fn has(&self, entity: EntityId, repository: &str) -> bool {
        self.0.get(&entity).is_some_and(|names| {
            names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(repository))
        })
    }
}

/// The times and limits of the scheduler's decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// A reserved worker whose pod was not made in this time failed.
    pub provision_within: Span,
    /// A pending row without a pod is left alone for this long.
    pub pod_expected_within: Span,
    /// A pod POST without an answer: two reads this far apart must both say 404.
    pub pod_recheck: Span,
    /// An image that cannot be pulled fails its worker after this.
    pub image_pull_within: Span,
    /// A pod that is still pending after this is stuck.
    pub pod_running_within: Span,
    /// A read of pods and nodes older than this is no knowledge any more.
    pub cluster_stale_after: Span,
    /// Finished pods stay this long for their logs.
    pub pod_grace: Span,
    /// Finished pods kept on one board, and in all.
    pub finished_pods_per_board: usize,
    /// Finished pods kept in all.
    pub finished_pods: usize,
    /// Workers reserved in one round, at most.
    pub reserve_at_once: usize,
    /// Effects on the outside in flight at once, at most.
    pub effects_at_once: usize,
    /// A log that could not be read is asked for again after this.
    pub log_retry: Span,
    /// A log that could not be read for this long counts as gone.
    pub log_gone_after: Span,
    /// A demand key whose worker failed waits this long, then twice as long, …
    pub back_off_from: Span,
    /// … and at most this long.
    pub back_off_to: Span,
    /// An effect without an answer is tried again after this.
    pub retry_after: Span,
    /// A runner that is not online this long after its container began never will be.
    pub runner_online_within: Span,
    /// A runner that was online may be offline this long.
    pub runner_offline_at_most: Span,
    /// A pod may run this long after GitHub no longer has its runner.
    pub runner_absent_at_most: Span,
    /// A runner may be idle this long.
    pub runner_idle_at_most: Span,
    /// A runner may be idle this long while a job waits that it could take.
    pub runner_idle_while_waiting: Span,
    /// Two reads that shall prove something are this far apart at least.
    pub reads_apart: Span,
    /// The jobs of a worker must have been concluded this long before a log without their end is overruled.
    pub concluded_for: Span,
    /// A pod that goes on this long after it was ended is deleted.
    pub kill_within: Span,
    /// A killed and deleted pod that has not gone this long after its grace is stuck.
    pub kill_stuck_after: Span,
    /// A runner took a job this long ago that nobody told us of, and left: somebody should look.
    pub job_unaccounted_after: Span,
    /// The runners of a scope are listed this often while one of its workers needs an answer.
    pub runners_every: Span,
    /// A registration without row and pod goes after two sightings at least this far apart.
    pub leftovers_apart: Span,
    /// Such registrations are looked for this long after the last row of a scope ended, …
    pub leftovers_for: Span,
    /// … and this often in any case.
    pub scopes_every: Span,
    /// A board that has been NotReady for this long is dead if GitHub says so too.
    pub board_dead_after: Span,
    /// A third of the boards NotReady within this time: it is not the boards.
    pub boards_suspect_within: Span,
    /// The cluster must have answered for this long before boards are believed to be dead again.
    pub boards_suspect_for: Span,
    /// A worker whose scope is gone may run this long.
    pub scope_gone_after: Span,
    /// A job that looks wrong is asked about when it was silent for this long.
    pub job_wrong_for: Span,
    /// Any other job is asked about when it was silent for this long.
    pub job_silent_for: Span,
    /// Two questions about one job are at least this far apart, …
    pub job_asked_at_least_apart: Span,
    /// … and at most this far.
    pub job_asked_at_most_apart: Span,
    /// A job that GitHub calls queued for this long may be stuck in a run that is over.
    pub job_stuck_after: Span,
    /// Questions about jobs under way at once, at most.
    pub jobs_asked_at_once: usize,
    /// A scheduler of another kind counts as gone so long after the last sign of it.
    pub other_scheduler_lasts: Span,
    /// So many calls in a row without an answer open a breaker.
    pub breaker_opens_after: usize,
    /// While a breaker is open, one probe is sent this often.
    pub breaker_probe_every: Span,
    /// A limit that does not say until when is waited for at least this long, then twice as long, …
    pub limit_waits_at_least: Span,
    /// An installation that is suspended is asked for this often.
    pub suspended_asked_every: Span,
    /// An installation that is not found twice, this far apart, is gone.
    pub installation_missing_for: Span,
    /// Questions about jobs cost at most this part of an installation's hourly calls, in percent.
    pub questions_percent: u32,
    /// Runners registered for one installation within ten seconds, at most.
    pub jits_in_ten_seconds: usize,
    /// The same for all installations of an App.
    pub jits_in_ten_seconds_of_app: usize,
    /// Runners registered for one installation within an hour, at most.
    pub jits_an_hour: usize,
    /// The runner of a row that was finished longer ago is not looked for any more.
    pub deregister_within: Span,
}

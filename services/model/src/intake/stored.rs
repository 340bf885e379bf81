//! What is kept of a payload.
//!
//! A job's payload loses the URLs that can be made from names, the licence and the steps, exactly as the replaced
//! service trims it; a job that no route takes keeps only what explains it. Beyond the limit a note takes its place.

use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;

use super::Refusal;
use super::read::{Object, Part};

const ACCOUNT: &[&str] = &[
    "url",
    "html_url",
    "gists_url",
    "repos_url",
    "avatar_url",
    "events_url",
    "starred_url",
    "followers_url",
    "following_url",
    "organizations_url",
    "subscriptions_url",
    "received_events_url",
];
const ORGANIZATION: &[&str] = &[
    "url",
    "hooks_url",
    "repos_url",
    "avatar_url",
    "events_url",
    "issues_url",
    "members_url",
    "public_members_url",
];
const WORKFLOW_JOB: &[&str] = &["url", "run_url", "check_run_url", "steps"];
const REPOSITORY: &[&str] = &[
    "url",
    "license",
    "git_url",
    "ssh_url",
    "svn_url",
    "html_url",
    "keys_url",
    "tags_url",
    "blobs_url",
    "clone_url",
    "forks_url",
    "hooks_url",
    "pulls_url",
    "teams_url",
    "trees_url",
    "events_url",
    "issues_url",
    "labels_url",
    "merges_url",
    "mirror_url",
    "archive_url",
    "commits_url",
    "compare_url",
    "branches_url",
    "comments_url",
    "contents_url",
    "git_refs_url",
    "git_tags_url",
    "releases_url",
    "statuses_url",
    "assignees_url",
    "downloads_url",
    "languages_url",
    "milestones_url",
    "stargazers_url",
    "deployments_url",
    "git_commits_url",
    "subscribers_url",
    "contributors_url",
    "issue_events_url",
    "subscription_url",
    "collaborators_url",
    "issue_comment_url",
    "notifications_url",
];

/// A compact payload may be this many times larger as it was sent: indented, or with characters escaped.
const WHITESPACE_FACTOR: usize = 6;
/// Keys that a note names, at most.
const NOTED_KEYS: usize = 100;
/// Characters of such a key, at most.
const NOTED_KEY_CHARS: usize = 100;

/// Keys to drop from an object, and from objects in it.
struct Drops {
    keys: &'static [&'static str],
    inside: &'static [(&'static str, Drops)],
}

const NOTHING: Drops = Drops {
    keys: &[],
    inside: &[],
};

/// What the replaced service drops from a `workflow_job` delivery.
const JOB_PAYLOAD: Drops = Drops {
    keys: &[],
    inside: &[
        ("sender", leaf(ACCOUNT)),
        ("organization", leaf(ORGANIZATION)),
        ("workflow_job", leaf(WORKFLOW_JOB)),
        (
            "repository",
            Drops {
                keys: REPOSITORY,
                inside: &[("owner", leaf(ACCOUNT))],
            },
        ),
    ],
};

const fn leaf(keys: &'static [&'static str]) -> Drops {
    Drops { keys, inside: &[] }
}

/// The payload as it was sent.
pub(super) fn whole(payload: &Part<'_>, limit: usize) -> Result<Value, Refusal> {
    store(payload.object(), &NOTHING, limit)
}

/// The payload of a job's delivery, trimmed.
pub(super) fn trimmed(payload: &Part<'_>, limit: usize) -> Result<Value, Refusal> {
    store(payload.object(), &JOB_PAYLOAD, limit)
}

/// What explains why a job was ignored, and no more.
pub(super) fn minimal(
    job: &Part<'_>,
    repository: &Part<'_>,
    limit: usize,
) -> Result<Value, Refusal> {
    let mut text = Capped::new(limit);
    text.push("{\"workflow_job\":{");
    members(&mut text, job, &["id", "run_id", "labels", "html_url"]);
    text.push("},\"repository\":{");
    members(&mut text, repository, &["full_name"]);
    text.push("}}");
    text.finish(|| vec!["workflow_job".to_owned(), "repository".to_owned()])
}

fn members(text: &mut Capped, part: &Part<'_>, keys: &[&str]) {
    let mut comma = "";
    for key in keys {
        if let Some(raw) = part.raw(key) {
            text.push(comma);
            member(text, key, raw);
            comma = ",";
        }
    }
}

fn member(text: &mut Capped, key: &str, raw: &RawValue) {
    text.push_key(key);
    text.push(raw.get());
}

fn store(object: &Object<'_>, drops: &Drops, limit: usize) -> Result<Value, Refusal> {
    let mut text = Capped::new(limit);
    write(&mut text, object, drops);
    text.finish(|| {
        let keys = object.members().take(NOTED_KEYS);
        keys.map(|(key, _)| key.chars().take(NOTED_KEY_CHARS).collect())
            .collect()
    })
}

fn write(text: &mut Capped, object: &Object<'_>, drops: &Drops) {
    text.push("{");
    let mut comma = "";
    for (key, raw) in object.members() {
        if drops.keys.contains(&key) {
            continue;
        }
        text.push(comma);
        comma = ",";
        let inside = drops.inside.iter().find(|(name, _)| *name == key);
        let parsed = inside.and_then(|(_, inner)| {
            let object: Object<'_> = serde_json::from_str(raw.get()).ok()?;
            Some((object, inner))
        });
        match parsed {
            Some((object, inner)) => {
                text.push_key(key);
                write(text, &object, inner);
            }
            None => member(text, key, raw),
        }
    }
    text.count(object.left_out_bytes());
    text.push("}");
}

/// Text that counts what it was given and keeps it as long as it may yet be stored.
struct Capped {
    text: String,
    bytes: usize,
    limit: usize,
    keep: usize,
    whole: bool,
}

impl Capped {
    fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            bytes: 0,
            limit,
            keep: limit.saturating_mul(WHITESPACE_FACTOR),
            whole: true,
        }
    }

    fn push(&mut self, piece: &str) {
        self.bytes += piece.len();
        self.whole &= self.bytes <= self.keep;
        if self.whole {
            self.text.push_str(piece);
        }
    }

    fn push_key(&mut self, key: &str) {
        self.push(&Value::from(key).to_string());
        self.push(":");
    }

    /// Counts what is not at hand any more.
    fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.whole &= bytes == 0;
    }

    /// The value to store. Only here is it read in depth, when its size is known to be small.
    fn finish(self, keys: impl FnOnce() -> Vec<String>) -> Result<Value, Refusal> {
        let mut bytes = self.bytes;
        if self.whole {
            let value: Value = serde_json::from_str(&self.text).map_err(|_| Refusal::NotJson)?;
            if bytes > self.limit {
                bytes = value.to_string().len();
            }
            if bytes <= self.limit {
                return Ok(value);
            }
        }
        Ok(json!({ "truncated": true, "bytes": bytes, "keys": keys() }))
    }
}

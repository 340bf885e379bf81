//! The account as the log tells it, as of any time.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event::{Event, Facts, NamedRepository, Selection};
use crate::{AppId, EntityId, EntityKind, EventId, InstallationId, Time};

/// An account and its installations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// As of when.
    pub as_of: Time,
    /// Its id.
    pub id: Option<EntityId>,
    /// Its kind.
    pub kind: Option<EntityKind>,
    /// Its newest login.
    pub login: Option<String>,
    /// Its renames, oldest first.
    pub renames: Vec<Rename>,
    /// Its installations, those that ended too.
    pub installations: BTreeMap<InstallationId, Installation>,
}

/// An account got another login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rename {
    /// The login before.
    pub from: Option<String>,
    /// The login after.
    pub to: String,
    /// When.
    pub at: Time,
    /// The row that says so.
    pub event: EventId,
}

/// How an installation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is installed.
    Active,
    /// The account suspended it: GitHub gives no token and sends nothing.
    Suspended,
    /// It was uninstalled.
    Deleted,
}

/// One installation of an App.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installation {
    /// Its id.
    pub id: InstallationId,
    /// The App.
    pub app: Option<AppId>,
    /// How it stands.
    pub standing: Standing,
    /// Since when it stands so, as far as the log tells.
    pub since: Time,
    /// The row that says so.
    pub event: EventId,
    /// When it was first heard of.
    pub first_seen: Time,
    /// Which repositories it covers, where that is known.
    pub selection: Option<Selection>,
    /// The row from which on every change of its repositories is known: its creation, or a look at GitHub.
    pub base: Option<EventId>,
    /// What is known of single repositories, by lower-case `owner/name`.
    pub repositories: BTreeMap<String, Presence>,
}

/// Whether a repository is among the selected ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Presence {
    /// As GitHub writes it.
    pub full_name: String,
    /// It is.
    pub selected: bool,
    /// Since when.
    pub since: Time,
    /// The row that says so.
    pub event: EventId,
}

/// Whether an installation covers a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// It does.
    Covered,
    /// It did, until then.
    Removed {
        /// When.
        at: Time,
        /// The row that says so.
        event: EventId,
    },
    /// It never did since that row.
    NeverSelected {
        /// The row from which on all changes are known.
        base: EventId,
    },
    /// The log does not tell.
    Unknown,
}

/// Puts together what the log says up to `as_of`. The rows may come in any order.
#[must_use]
pub fn fold(events: &[Event], as_of: Time) -> Account {
    let mut rows: Vec<&Event> = events.iter().filter(|event| event.at <= as_of).collect();
    rows.sort_by_key(|event| (event.at, event.id));
    let mut account = Account {
        as_of,
        id: None,
        kind: None,
        login: None,
        renames: Vec::new(),
        installations: BTreeMap::new(),
    };
    for event in rows {
        account.take(event);
    }
    account
}

impl Account {
    fn take(&mut self, event: &Event) {
        if event.entity.is_some() {
            self.id = event.entity;
        }
        if event.kind.is_some() {
            self.kind = event.kind;
        }
        if event.event == "installation_target.renamed"
            && let Some(to) = &event.login
        {
            let from = event.facts.renamed_from.clone().or(self.login.clone());
            self.renames.push(Rename {
                from: from.filter(|from| from != to),
                to: to.clone(),
                at: event.at,
                event: event.id,
            });
        }
        if event.login.is_some() {
            self.login.clone_from(&event.login);
        }
        if let Some(id) = event.installation
            && event.outcome != "unknown_app"
        {
            self.take_installation(id, event);
        }
    }

    fn take_installation(&mut self, id: InstallationId, event: &Event) {
        let installation = self
            .installations
            .entry(id)
            .or_insert_with(|| Installation {
                id,
                app: event.app,
                standing: Standing::Active,
                since: event.at,
                event: event.id,
                first_seen: event.at,
                selection: None,
                base: None,
                repositories: BTreeMap::new(),
            });
        if installation.app.is_none() {
            installation.app = event.app;
        }
        let stands = match event.event.as_str() {
            "installation.created" | "installation.unsuspend" => Some(Standing::Active),
            "installation.suspend" => Some(Standing::Suspended),
            "installation.deleted" => Some(Standing::Deleted),
            _ => None,
        };
        if let Some(standing) = stands {
            installation.standing = standing;
            installation.since = event.at;
            installation.event = event.id;
        }
        match event.event.as_str() {
            // From here on every change is in the log.
            "installation.created" | "installation.snapshot" => {
                installation.base = Some(event.id);
                installation.selection = None;
                installation.repositories.clear();
                installation.learn(event, &event.facts);
            }
            name if name.starts_with("installation_repositories.") => {
                installation.learn(event, &event.facts);
            }
            _ => {}
        }
    }

    /// The installation that counts now: the newest that is not deleted, else the one that was deleted last.
    #[must_use]
    pub fn current(&self) -> Option<&Installation> {
        let alive = self
            .installations
            .values()
            .filter(|it| it.standing != Standing::Deleted)
            .max_by_key(|it| (it.first_seen, it.id));
        alive.or_else(|| self.installations.values().max_by_key(|it| it.since))
    }

    /// The installation of an App that is not deleted.
    #[must_use]
    pub fn installed(&self, app: AppId) -> Option<&Installation> {
        self.installations
            .values()
            .filter(|it| it.app == Some(app) && it.standing != Standing::Deleted)
            .max_by_key(|it| (it.first_seen, it.id))
    }
}

impl Installation {
    fn learn(&mut self, event: &Event, facts: &Facts) {
        if facts.selection.is_some() {
            if self.selection == Some(Selection::All)
                && facts.selection == Some(Selection::Selected)
            {
                // Which of all of them stay selected, no row lists.
                self.base = None;
            }
            self.selection = facts.selection;
        }
        for (repositories, selected) in [(&facts.added, true), (&facts.removed, false)] {
            for NamedRepository { full_name, .. } in repositories {
                let presence = Presence {
                    full_name: full_name.clone(),
                    selected,
                    since: event.at,
                    event: event.id,
                };
                self.repositories.insert(full_name.to_lowercase(), presence);
            }
        }
    }

    /// Whether it covers a repository, `owner/name`. What was renamed is looked for by its present name only.
    #[must_use]
    pub fn covers(&self, repository: &str) -> Coverage {
        match (
            self.selection,
            self.repositories.get(&repository.to_lowercase()),
        ) {
            (Some(Selection::All), _) => Coverage::Covered,
            (_, Some(presence)) if presence.selected => Coverage::Covered,
            (_, Some(presence)) => Coverage::Removed {
                at: presence.since,
                event: presence.event,
            },
            // Without a base it may have been selected before the log began.
            (Some(Selection::Selected), None) => self
                .base
                .map_or(Coverage::Unknown, |base| Coverage::NeverSelected { base }),
            (None, None) => Coverage::Unknown,
        }
    }
}

//! What a name on the command line means: pools and images are the configuration's, boards the scheduler's, accounts and
//! repositories those that jobs and deliveries told of. An id is taken as it is.

use std::collections::BTreeSet;

use rise_model::settings::{Scope, ScopeKind};
use rise_model::{EntityId, RepoId};
use services::store::Store;
use services::store::settings::NamedAs;

use crate::cli::Named;
use crate::config::{Configuration, nearest};
use crate::exit::{Exit, Failure};
use crate::when;

/// A scope, and how people call it where it has only an id.
pub(super) struct Subject {
    pub(super) scope: Scope,
    pub(super) name: Option<String>,
}

impl Subject {
    /// `entity ggml-org (134263123)`, `pool scw-em-rv1`.
    pub(super) fn words(&self) -> String {
        words(&self.scope, self.name.as_deref())
    }
}

/// A scope in words.
pub(super) fn words(scope: &Scope, name: Option<&str>) -> String {
    let kind = scope.kind().as_str();
    let named = |id: i64| match name {
        Some(name) => format!("{kind} {name} ({id})"),
        None => format!("{kind} {id}"),
    };
    match scope {
        Scope::Global => "everything".to_owned(),
        Scope::Entity(id) | Scope::Sender(id) => named(id.0),
        Scope::Repo(id) => named(id.0),
        Scope::Pool(name) => format!("{kind} {name}"),
        Scope::Image(name) => format!("{kind} {name}"),
        Scope::Board(name) => format!("{kind} {name}"),
    }
}

/// Looks it up.
pub(super) async fn find(
    store: &Store,
    configuration: &Configuration,
    named: &Named,
) -> Result<Subject, Failure> {
    let name = named.name.as_str();
    match named.kind {
        ScopeKind::Global => Ok(plain(Scope::Global)),
        ScopeKind::Pool => {
            let pools = configuration.file.pools.iter();
            let known: BTreeSet<String> = pools.map(|pool| pool.name.to_string()).collect();
            among("pool", name, &known)?;
            Ok(plain(Scope::Pool(name.into())))
        }
        ScopeKind::Image => {
            let known: BTreeSet<String> = configuration.file.images.keys().cloned().collect();
            among("image", name, &known)?;
            Ok(plain(Scope::Image(name.to_owned())))
        }
        ScopeKind::Board => {
            let known = known_boards(store).await?;
            let hint = "`rise board list` lists those that the scheduler knows";
            among("board", name, &known).map_err(|failure| failure.hint(hint))?;
            Ok(plain(Scope::Board(name.into())))
        }
        ScopeKind::Entity => {
            let scope = |id| Scope::Entity(EntityId(id));
            if let Some(id) = number(name) {
                return with_name(store, configuration, scope(id)).await;
            }
            if let Some(id) = configured(configuration, name) {
                return Ok(called(Scope::Entity(id), name));
            }
            let found = store.entities_named(name).await?;
            Ok(called(scope(only("account", named, &found)?), name))
        }
        ScopeKind::Sender => {
            let scope = |id| Scope::Sender(EntityId(id));
            if let Some(id) = number(name) {
                return with_name(store, configuration, scope(id)).await;
            }
            let found = store.senders_named(name).await?;
            Ok(called(scope(only("account", named, &found)?), name))
        }
        ScopeKind::Repo => {
            let scope = |id| Scope::Repo(RepoId(id));
            if let Some(id) = number(name) {
                return with_name(store, configuration, scope(id)).await;
            }
            let found = store.repositories_named(name).await?;
            Ok(called(scope(only("repository", named, &found)?), name))
        }
    }
}

fn plain(scope: Scope) -> Subject {
    Subject { scope, name: None }
}

fn called(scope: Scope, name: &str) -> Subject {
    Subject {
        scope,
        name: Some(name.to_owned()),
    }
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|id| *id > 0)
}

/// The name that rows or the configuration give an id.
async fn with_name(
    store: &Store,
    configuration: &Configuration,
    scope: Scope,
) -> Result<Subject, Failure> {
    let names = store.names_of(&[&scope]).await?;
    let name = names.of(&scope).map(str::to_owned);
    let listed = || {
        let entities = configuration.file.caps.entities.iter();
        let mut of_scope = entities.filter(|entity| Scope::Entity(entity.id) == scope);
        of_scope.next().map(|entity| entity.name.clone())
    };
    let name = name.or_else(listed);
    Ok(Subject { scope, name })
}

fn configured(configuration: &Configuration, login: &str) -> Option<EntityId> {
    let mut entities = configuration.file.caps.entities.iter();
    let listed = entities.find(|entity| entity.name.eq_ignore_ascii_case(login));
    listed.map(|entity| entity.id)
}

/// The boards that the scheduler told of, and those that something is set for.
async fn known_boards(store: &Store) -> Result<BTreeSet<String>, Failure> {
    let overview = store.overview().await?;
    let state = overview.scheduler.map(|row| row.state).unwrap_or_default();
    let boards = state.get("boards").and_then(serde_json::Value::as_array);
    let told = boards.into_iter().flatten();
    let told = told.filter_map(|board| board.get("name")?.as_str().map(str::to_owned));
    let mut known: BTreeSet<String> = told.collect();
    let (_, settings) = store.read_settings().await?;
    known.extend(settings.into_iter().filter_map(|set| match set.scope {
        Scope::Board(name) => Some(name.to_string()),
        Scope::Global
        | Scope::Pool(_)
        | Scope::Entity(_)
        | Scope::Sender(_)
        | Scope::Image(_)
        | Scope::Repo(_) => None,
    }));
    Ok(known)
}

fn among(what: &str, name: &str, known: &BTreeSet<String>) -> Result<(), Failure> {
    if known.contains(name) {
        return Ok(());
    }
    let failure = Failure::new(Exit::Usage, format!("no {what} `{name}` is known"));
    let words = || known.iter().map(String::as_str);
    Err(match nearest(name, words()) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None if known.is_empty() || known.len() > 20 => failure,
        None => failure.hint(format!("known: {}", words().collect::<Vec<_>>().join(", "))),
    })
}

fn only(what: &str, named: &Named, found: &[NamedAs]) -> Result<i64, Failure> {
    let (kind, name) = (named.kind.as_str(), &named.name);
    match found {
        [one] => Ok(one.id),
        [] => {
            let text = format!("no {what} `{name}` is known: nothing in the tables names it");
            let page = match named.kind {
                ScopeKind::Repo => format!("repos/{name}"),
                ScopeKind::Entity
                | ScopeKind::Sender
                | ScopeKind::Global
                | ScopeKind::Pool
                | ScopeKind::Image
                | ScopeKind::Board => format!("users/{name}"),
            };
            Err(Failure::new(Exit::Usage, text).hint(format!(
                "write its id, as in {kind}:99; GitHub tells it at https://api.github.com/{page}"
            )))
        }
        several => {
            let text = format!("`{name}` was the name of {} of them", several.len());
            let failure = Failure::new(Exit::Usage, format!("no one {what}: {text}"));
            Err(several.iter().fold(failure, |failure, one| {
                let seen = when::exact(one.last_seen);
                failure.hint(format!("{kind}:{} was last called so at {seen}", one.id))
            }))
        }
    }
}

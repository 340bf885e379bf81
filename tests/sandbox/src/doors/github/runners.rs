//! Runners, JIT configs and runner groups.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answers::Ask;
use super::operation::Place;
use super::reply::{Reply, page_of};
use crate::world::github::{
    Account, AccountKind, DeleteRefused, GitHub, GroupId, GroupRefused, GroupVisibility,
    JitRefused, JitRequest, Runner, RunnerId, Scope,
};

/// Reads a body; what is not JSON, or not of the right shape, is refused as GitHub does.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reply> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| Reply::bad_request("Problems parsing JSON"))?;
    serde_json::from_value(value)
        .map_err(|error| Reply::unprocessable(&format!("Invalid request.\n\n{error}")))
}

/// The organisation, if the caller may manage its runners.
fn organization<'g>(github: &'g GitHub, ask: &Ask<'_>, login: &str) -> Result<&'g Account, Reply> {
    let installation = ask.installation(github)?;
    let account = github
        .account(login)
        .filter(|it| it.kind == AccountKind::Organization);
    let account = account.ok_or_else(Reply::not_found)?;
    let app = github.app(installation.app_id);
    let granted = app.is_some_and(|app| app.may("organization_self_hosted_runners"));
    if granted && installation.account == account.id {
        Ok(account)
    } else {
        Err(Reply::inaccessible())
    }
}

/// The place's scope, if the caller may manage its runners.
fn scope(github: &GitHub, ask: &Ask<'_>, place: &Place) -> Result<Scope, Reply> {
    match place {
        Place::Organization(login) => {
            organization(github, ask, login).map(|account| Scope::Organization(account.id))
        }
        Place::Repository(full_name) => {
            let installation = ask.installation(github)?;
            let repository = ask.visible_repository(github, full_name)?;
            let app = github.app(installation.app_id);
            let granted = app.is_some_and(|app| app.may("administration"));
            let own =
                installation.account == repository.owner && installation.covers(repository.id);
            if granted && own {
                Ok(Scope::Repository(repository.id))
            } else {
                Err(Reply::inaccessible())
            }
        }
    }
}

fn page(github: &GitHub, ask: &Ask<'_>, runners: Vec<&Runner>) -> Reply {
    let page = page_of(runners, &ask.query, &ask.url(github));
    let items = page
        .items
        .into_iter()
        .map(|runner| github.runner_json(runner, ask.now));
    let body = json!({"total_count": page.total, "runners": items.collect::<Value>()});
    Reply {
        link: page.link,
        ..Reply::ok(body)
    }
}

pub(super) fn list(github: &GitHub, ask: &Ask<'_>, place: &Place) -> Result<Reply, Reply> {
    let scope = scope(github, ask, place)?;
    let wanted = ask.query.get("name");
    let runners = github
        .runners_of(scope)
        .filter(|it| wanted.is_none_or(|name| it.name == *name));
    Ok(page(github, ask, runners.collect()))
}

pub(super) fn get(
    github: &GitHub,
    ask: &Ask<'_>,
    place: &Place,
    id: RunnerId,
) -> Result<Reply, Reply> {
    let scope = scope(github, ask, place)?;
    let runner = github.runner(id).filter(|runner| runner.scope == scope);
    let runner = runner.ok_or_else(Reply::not_found)?;
    Ok(Reply::ok(github.runner_json(runner, ask.now)))
}

pub(super) fn delete(
    github: &mut GitHub,
    ask: &Ask<'_>,
    place: &Place,
    id: RunnerId,
) -> Result<Reply, Reply> {
    let scope = scope(github, ask, place)?;
    let deleted = github.delete_runner(scope, id, ask.now);
    deleted
        .map(|()| Reply::no_content())
        .map_err(|refused| match refused {
            DeleteRefused::NotFound => Reply::not_found(),
            DeleteRefused::Busy(_) => Reply::unprocessable(&refused.to_string()),
        })
}

#[derive(Deserialize)]
struct JitBody {
    name: String,
    runner_group_id: i64,
    labels: Vec<String>,
}

pub(super) fn create_jit_config(
    github: &mut GitHub,
    ask: &Ask<'_>,
    place: &Place,
) -> Result<Reply, Reply> {
    let scope = scope(github, ask, place)?;
    let body: JitBody = parse(ask.body)?;
    let group = GroupId(body.runner_group_id);
    let request = JitRequest {
        name: body.name,
        group,
        labels: body.labels,
    };
    let (id, encoded) = github
        .register_jit(scope, request, ask.now)
        .map_err(|refused| {
            let message = refused.to_string();
            match refused {
                JitRefused::NameTaken => Reply::conflict(&message),
                JitRefused::NoGroup => Reply::not_found(),
                JitRefused::BadName | JitRefused::BadLabels => Reply::unprocessable(&message),
            }
        })?;
    let runner = github
        .runner(id)
        .map(|runner| github.runner_json(runner, ask.now));
    Ok(Reply::created(
        json!({"runner": runner, "encoded_jit_config": encoded}),
    ))
}

pub(super) fn list_groups(github: &GitHub, ask: &Ask<'_>, login: &str) -> Result<Reply, Reply> {
    let account = organization(github, ask, login)?;
    let page = page_of(github.groups(account.id), &ask.query, &ask.url(github));
    let groups = page
        .items
        .iter()
        .map(|group| github.group_json(account, group));
    let body = json!({"total_count": page.total, "runner_groups": groups.collect::<Value>()});
    Ok(Reply {
        link: page.link,
        ..Reply::ok(body)
    })
}

pub(super) fn get_group(
    github: &GitHub,
    ask: &Ask<'_>,
    login: &str,
    id: GroupId,
) -> Result<Reply, Reply> {
    let account = organization(github, ask, login)?;
    let group = github.group(account.id, id).ok_or_else(Reply::not_found)?;
    Ok(Reply::ok(github.group_json(account, &group)))
}

pub(super) fn list_in_group(
    github: &GitHub,
    ask: &Ask<'_>,
    login: &str,
    id: GroupId,
) -> Result<Reply, Reply> {
    let account = organization(github, ask, login)?;
    github.group(account.id, id).ok_or_else(Reply::not_found)?;
    let runners = github
        .runners_of(Scope::Organization(account.id))
        .filter(|it| it.group == id);
    Ok(page(github, ask, runners.collect()))
}

#[derive(Deserialize)]
struct GroupBody {
    name: String,
    visibility: Option<VisibilityBody>,
    #[serde(default)]
    allows_public_repositories: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum VisibilityBody {
    All,
    Selected,
    Private,
}

pub(super) fn create_group(
    github: &mut GitHub,
    ask: &Ask<'_>,
    login: &str,
) -> Result<Reply, Reply> {
    let account = organization(github, ask, login)?.clone();
    let body: GroupBody = parse(ask.body)?;
    let visibility = match body.visibility {
        None | Some(VisibilityBody::All) => GroupVisibility::All,
        Some(VisibilityBody::Selected) => GroupVisibility::Selected,
        Some(VisibilityBody::Private) => GroupVisibility::Private,
    };
    let public = body.allows_public_repositories;
    let made = github.create_group(account.id, &body.name, visibility, public);
    let group = made.map_err(|refused| match refused {
        GroupRefused::NotInPlan => Reply::forbidden(&refused.to_string()),
        GroupRefused::NameTaken => Reply::conflict(&refused.to_string()),
    })?;
    Ok(Reply::created(github.group_json(&account, &group)))
}

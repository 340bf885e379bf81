//! What each operation does to the world and answers, accounts and Apps first; runners and jobs in their own files.

use http::Uri;
use serde_json::{Value, json};

use super::operation::Operation;
use super::reply::{Query, Reply, limit_json, page_of, per_page, url_with};
use super::{jobs, runners};
use crate::doors::webhooks;
use crate::world::Time;
use crate::world::github::{
    AccountKind, Caller, Delivery, DeliveryId, GitHub, Installation, InstallationId, Repository,
    TokenRefused, timestamp,
};

/// A request, ready to be answered.
pub(super) struct Ask<'a> {
    pub(super) caller: Caller,
    pub(super) uri: &'a Uri,
    pub(super) query: Query,
    pub(super) body: &'a [u8],
    /// Where webhooks go at present.
    pub(super) hook_url: Option<String>,
    pub(super) now: Time,
}

impl Ask<'_> {
    /// The list's own URL, for links.
    pub(super) fn url(&self, github: &GitHub) -> String {
        format!("{}{}", github.api_url(), self.uri.path())
    }

    /// Where webhooks go. GitHub does not let an App be without a URL, so there is one that leads nowhere.
    fn hook_url(&self) -> &str {
        self.hook_url.as_deref().unwrap_or("https://unset.invalid/")
    }

    /// The App that asks by JWT.
    fn app(&self) -> Result<i64, Reply> {
        match self.caller {
            Caller::App(id) => Ok(id),
            Caller::Installation(_) | Caller::Anonymous => {
                Err(Reply::unauthorized("A JSON web token could not be decoded"))
            }
        }
    }

    /// The installation that asks by token.
    pub(super) fn installation<'g>(&self, github: &'g GitHub) -> Result<&'g Installation, Reply> {
        match self.caller {
            Caller::Installation(id) => github.installation(id).ok_or_else(Reply::not_found),
            Caller::App(_) => Err(Reply::inaccessible()),
            Caller::Anonymous => Err(Reply::unauthorized("Requires authentication")),
        }
    }

    /// A repository that the caller may see.
    pub(super) fn visible_repository<'g>(
        &self,
        github: &'g GitHub,
        full_name: &str,
    ) -> Result<&'g Repository, Reply> {
        let repository = github.repository(full_name).ok_or_else(Reply::not_found)?;
        let covered = match self.caller {
            Caller::Installation(id) => github
                .installation(id)
                .is_some_and(|it| it.account == repository.owner && it.covers(repository.id)),
            Caller::App(_) | Caller::Anonymous => false,
        };
        if covered || !repository.private {
            Ok(repository)
        } else {
            Err(Reply::not_found())
        }
    }
}

/// Answers a request.
pub(super) fn answer(
    github: &mut GitHub,
    operation: &Operation,
    ask: &Ask<'_>,
) -> Result<Reply, Reply> {
    match operation {
        Operation::GetApp => app(github, ask),
        Operation::GetHookConfig => hook_config(ask),
        Operation::ListDeliveries => deliveries(github, ask),
        Operation::GetDelivery(id) => delivery(github, ask, *id),
        Operation::Redeliver(id) => {
            let again = github.redeliver(ask.app()?, *id, ask.now);
            again
                .map(|_| Reply::accepted())
                .map_err(|_| Reply::not_found())
        }
        Operation::ListInstallations => installations(github, ask),
        Operation::GetInstallation(id) => one_installation(github, ask, github.installation(*id)),
        Operation::CreateInstallationToken(id) => token(github, ask, *id),
        Operation::GetOrganizationInstallation(login) => {
            installation_on(github, ask, login, AccountKind::Organization)
        }
        Operation::GetUserInstallation(login) => {
            installation_on(github, ask, login, AccountKind::User)
        }
        Operation::GetRepositoryInstallation(full_name) => {
            let app = ask.app()?;
            let repository = github.repository(full_name).ok_or_else(Reply::not_found)?;
            let found = github.installation_on(repository.owner, app);
            one_installation(github, ask, found.filter(|it| it.covers(repository.id)))
        }
        Operation::ListInstallationRepositories => installation_repositories(github, ask),
        Operation::GetOrganization(login) => {
            let account = github
                .account(login)
                .filter(|it| it.kind == AccountKind::Organization);
            account
                .map(|it| Reply::ok(github.organization_full_json(it)))
                .ok_or_else(Reply::not_found)
        }
        Operation::GetUser(login) => {
            // GitHub answers for organisations here, too.
            let account = github.account(login);
            account
                .map(|it| Reply::ok(github.public_user_json(it)))
                .ok_or_else(Reply::not_found)
        }
        Operation::GetRepository(full_name) => {
            let repository = ask.visible_repository(github, full_name)?;
            Ok(Reply::ok(github.full_repository_json(repository)))
        }
        Operation::ListRunnerGroups(org) => runners::list_groups(github, ask, org),
        Operation::CreateRunnerGroup(org) => runners::create_group(github, ask, org),
        Operation::GetRunnerGroup(org, id) => runners::get_group(github, ask, org, *id),
        Operation::ListGroupRunners(org, id) => runners::list_in_group(github, ask, org, *id),
        Operation::ListRunners(place) => runners::list(github, ask, place),
        Operation::GetRunner(place, id) => runners::get(github, ask, place, *id),
        Operation::DeleteRunner(place, id) => runners::delete(github, ask, place, *id),
        Operation::CreateJitConfig(place) => runners::create_jit_config(github, ask, place),
        Operation::GetJob(repository, id) => jobs::get_job(github, ask, repository, *id),
        Operation::ListRuns(repository) => jobs::list_runs(github, ask, repository),
        Operation::GetRun(repository, id) => jobs::get_run(github, ask, repository, *id),
        Operation::ListRunJobs(repository, id) => jobs::list_run_jobs(github, ask, repository, *id),
        Operation::GetRateLimit => Ok(rate_limit(github, ask)),
        Operation::GetMeta => Ok(Reply::ok(meta())),
    }
}

fn app(github: &GitHub, ask: &Ask<'_>) -> Result<Reply, Reply> {
    let app = github.app(ask.app()?).ok_or_else(Reply::not_found)?;
    Ok(Reply::ok(github.app_json(app)))
}

fn hook_config(ask: &Ask<'_>) -> Result<Reply, Reply> {
    ask.app()?;
    Ok(Reply::ok(json!({
        "content_type": "json",
        "insecure_ssl": "0",
        "secret": "********",
        "url": ask.hook_url(),
    })))
}

fn token(github: &mut GitHub, ask: &Ask<'_>, id: InstallationId) -> Result<Reply, Reply> {
    let (secret, token) = github
        .create_token(ask.app()?, id, ask.now)
        .map_err(|refused| match refused {
            TokenRefused::NotFound => Reply::not_found(),
            TokenRefused::Suspended => Reply::forbidden(&refused.to_string()),
        })?;
    Ok(Reply::created(github.token_json(&secret, &token)))
}

fn installations(github: &GitHub, ask: &Ask<'_>) -> Result<Reply, Reply> {
    let app = ask.app()?;
    let own = github
        .installations()
        .filter(|it| it.app_id == app && it.exists());
    let page = page_of(own.collect(), &ask.query, &ask.url(github));
    let items = page
        .items
        .into_iter()
        .map(|it| github.installation_json(it))
        .collect();
    Ok(Reply {
        link: page.link,
        ..Reply::ok(items)
    })
}

/// An installation, if it is the asking App's.
fn one_installation(
    github: &GitHub,
    ask: &Ask<'_>,
    found: Option<&Installation>,
) -> Result<Reply, Reply> {
    let app = ask.app()?;
    let own = found
        .filter(|it| it.app_id == app)
        .ok_or_else(Reply::not_found)?;
    Ok(Reply::ok(github.installation_json(own)))
}

fn installation_on(
    github: &GitHub,
    ask: &Ask<'_>,
    login: &str,
    kind: AccountKind,
) -> Result<Reply, Reply> {
    let app = ask.app()?;
    let account = github.account(login).filter(|account| account.kind == kind);
    let found = account.and_then(|account| github.installation_on(account.id, app));
    one_installation(github, ask, found)
}

fn installation_repositories(github: &GitHub, ask: &Ask<'_>) -> Result<Reply, Reply> {
    let installation = ask.installation(github)?;
    let all = github.covered_repositories(installation);
    let page = page_of(all, &ask.query, &ask.url(github));
    let body = json!({
        "total_count": page.total,
        "repository_selection": github.selection_of(installation),
        "repositories": page.items.into_iter().map(|it| github.repository_json(it)).collect::<Value>(),
    });
    Ok(Reply {
        link: page.link,
        ..Reply::ok(body)
    })
}

/// Newest first; the cursor is the id of the last one that was shown.
fn deliveries(github: &GitHub, ask: &Ask<'_>) -> Result<Reply, Reply> {
    let app = ask.app()?;
    let before = match ask.query.get("cursor") {
        None => u64::MAX,
        Some(cursor) => cursor
            .strip_prefix("v1_")
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Reply::bad_request("Invalid cursor"))?,
    };
    let wanted = ask.query.get("status").map(String::as_str);
    let asked_for = |delivery: &&Delivery| {
        let ok = delivery.answer.is_some_and(|answer| answer.status.ok());
        delivery.id.0 < before && wanted.is_none_or(|wanted| ok == (wanted == "success"))
    };
    let mut rest = github.deliveries(app).filter(asked_for).peekable();
    let page: Vec<_> = rest.by_ref().take(per_page(&ask.query)).collect();
    let link = page.last().filter(|_| rest.peek().is_some()).map(|last| {
        let cursor = format!("v1_{}", last.id.0);
        let next = url_with(&ask.url(github), &ask.query, "cursor", &cursor);
        format!("<{next}>; rel=\"next\"")
    });
    Ok(Reply {
        link,
        ..Reply::ok(page.into_iter().map(delivery_item).collect())
    })
}

fn delivery_item(delivery: &Delivery) -> Value {
    let answer = delivery.answer;
    json!({
        "id": delivery.id.0,
        "guid": delivery.guid,
        "delivered_at": timestamp(answer.map_or(delivery.at, |answer| answer.at)),
        "redelivery": delivery.redelivery,
        "duration": answer.map_or(0.0, |it| it.took.num_milliseconds() as f64 / 1_000.0),
        "status": answer.map_or_else(String::new, |answer| answer.status.text()),
        "status_code": answer.map_or(0, |answer| answer.status.code()),
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation.0,
        "repository_id": delivery.repository.map(|id| id.0),
        "throttled_at": null,
    })
}

fn delivery(github: &GitHub, ask: &Ask<'_>, id: DeliveryId) -> Result<Reply, Reply> {
    let found = github.deliveries(ask.app()?).find(|it| it.id == id);
    let found = found.ok_or_else(Reply::not_found)?;
    let mut body = delivery_item(found);
    body["url"] = ask.hook_url().into();
    body["request"] = json!({
        "headers": webhooks::headers(found).into_iter().collect::<serde_json::Map<_, _>>(),
        "payload": *found.payload,
    });
    body["response"] = json!({"headers": {}, "payload": null});
    Ok(Reply::ok(body))
}

fn rate_limit(github: &GitHub, ask: &Ask<'_>) -> Reply {
    let limit = github.rate_limit(ask.caller, ask.now);
    let core = limit_json(limit.limit, limit.used, limit.reset);
    let search = limit_json(30, 0, limit.reset);
    let graphql = limit_json(5_000, 0, limit.reset);
    Reply::ok(json!({
        "resources": {"core": core, "search": search, "graphql": graphql},
        "rate": core,
    }))
}

/// What GitHub tells about itself; the only addresses here are this machine's.
fn meta() -> Value {
    let loopback = json!(["127.0.0.0/8"]);
    json!({
        "verifiable_password_authentication": false,
        "hooks": loopback,
        "api": loopback,
        "web": loopback,
        "actions": loopback,
    })
}

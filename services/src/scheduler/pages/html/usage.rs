//! `/usage`: per pool its boards, its queue by reason, and the accounts that use it. From the tables and
//! `scheduler_state` only; its cost does not grow with the number of workers beyond one pass over the live ones.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use rise_model::waiting::explain;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::Pages;
use super::super::access::Session;
use super::super::lists::ListFailed;
use super::super::params::encoded;
use super::moment::Moment;
use super::rows::GitHubLinks;
use super::text::Shown;
use super::{Leader, Now, Place, Shell, answer, counted};
use crate::store::StoreError;
use crate::store::pages::Viewer;
use crate::store::pages::usage::{Group, OpenAlert, Queue, Waiting, Written};
use crate::style::STYLE;

#[derive(Template)]
#[template(path = "usage.html")]
struct UsagePage {
    shell: Shell,
    /// The whole in a line: number and word.
    totals: Vec<Total>,
    alerts: Vec<AlertLine>,
    breakers: Vec<Breaker>,
    longest: Vec<Longest>,
    pools: Vec<Pool>,
    unnamed: Option<String>,
}

#[derive(Debug)]
struct Total {
    count: i64,
    word: &'static str,
    href: Option<&'static str>,
}

#[derive(Debug)]
struct AlertLine {
    name: Shown,
    subject: Option<Shown>,
    text: Option<Shown>,
    since: Moment,
}

#[derive(Debug)]
struct Breaker {
    party: Shown,
    trouble: Shown,
    since: Moment,
    message: Option<Shown>,
}

#[derive(Debug)]
struct Longest {
    id: i64,
    name: Shown,
    repository: Shown,
    links: GitHubLinks,
    pool: Shown,
    reason: Shown,
    since: Moment,
}

#[derive(Debug)]
struct Pool {
    name: Shown,
    id: usize,
    boards: Vec<Board>,
    counts: Vec<(&'static str, Shown, usize)>,
    queue: Vec<QueueLine>,
    accounts: Vec<Account>,
}

#[derive(Debug)]
struct Board {
    class: &'static str,
    /// `board-3: busy`.
    title: Shown,
    worker: Option<String>,
}

#[derive(Debug)]
struct QueueLine {
    jobs: i64,
    reason: Shown,
    since: Moment,
}

#[derive(Debug)]
struct Account {
    id: i64,
    name: Shown,
    labels: Vec<Shown>,
    pool: String,
    pending: i64,
    running: i64,
    starting: i64,
    up: i64,
    oldest: Option<Moment>,
}

/// A board as the leader writes it.
#[derive(Debug, Deserialize)]
struct BoardEntry {
    name: String,
    pool: String,
    state: String,
    #[serde(default)]
    worker: Option<String>,
}

/// Everything that is read for this page.
struct Read {
    written: Written,
    jobs: Vec<Group>,
    workers: Vec<Group>,
    queues: Vec<Queue>,
    longest: Vec<Waiting>,
    alerts: Vec<OpenAlert>,
    failed: i64,
    unnamed: i64,
}

pub(in super::super) async fn page(
    State(pages): State<Pages>,
    Extension(session): Extension<Session>,
) -> Result<Response, ListFailed> {
    let read = read(&pages, session.viewer()).await?;
    Ok(answer(StatusCode::OK, &made(&pages, session, &read)))
}

async fn read(pages: &Pages, viewer: Viewer) -> Result<Read, StoreError> {
    let store = &pages.store;
    Ok(Read {
        written: store.all_written().await?,
        jobs: store.job_groups(viewer).await?,
        workers: store.worker_groups(viewer).await?,
        queues: store.queues().await?,
        longest: store.longest_waiting(viewer).await?,
        alerts: store.open_alerts().await?,
        failed: store.failed_lately().await?,
        unnamed: match viewer {
            Viewer::Trusted => 0,
            Viewer::Anybody => store.unnamed_jobs().await?,
        },
    })
}

fn made(pages: &Pages, session: Session, read: &Read) -> UsagePage {
    let now = read.written.now;
    let state = read.written.state.clone().unwrap_or_default();
    let boards: Vec<BoardEntry> = list(&state, "boards");
    let free = boards.iter().filter(|board| board.state == "free").count();
    let sum = |groups: &[Group], what: fn(&Group) -> i64| groups.iter().map(what).sum::<i64>();
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let total = |count, word, href| Total { count, word, href };
    let waiting = read.queues.iter().map(|queue| queue.jobs).sum();
    UsagePage {
        totals: vec![
            total(waiting, "waiting", Some("/jobs?status=pending")),
            total(
                sum(&read.jobs, |group| group.running),
                "running",
                Some("/jobs?status=running"),
            ),
            total(count(free), "boards free", None),
            total(count(boards.len()), "boards", None),
            total(
                read.failed,
                "failed workers in the last hour",
                Some("/workers?status=failed"),
            ),
        ],
        alerts: read
            .alerts
            .iter()
            .map(|alert| alert_line(alert, session.viewer(), now))
            .collect(),
        breakers: breakers(&state, session.viewer(), now),
        longest: read.longest.iter().map(|job| longest(job, now)).collect(),
        pools: pools(&state, &boards, read, now),
        unnamed: (read.unnamed > 0).then(|| {
            let jobs = counted(read.unnamed, "job", "jobs");
            format!("{jobs} of private repositories are counted but not named here.")
        }),
        shell: Shell::new(Place::Usage, pages, session, &read.written),
    }
}

/// What an alert is about can be an account, a repository or a job.
fn alert_line(alert: &OpenAlert, viewer: Viewer, now: Now) -> AlertLine {
    let all = viewer.sees_all();
    AlertLine {
        name: Shown::line(&alert.name.replace('_', " ")),
        subject: (all && !alert.subject.is_empty()).then(|| Shown::line(&alert.subject)),
        text: all.then(|| Shown::line(&alert.text)),
        since: Moment::ago(alert.opened_at, now),
    }
}

/// Breakers that are open, where the leader's version tells of them. What was said can name a repository.
fn breakers(state: &Value, viewer: Viewer, now: Now) -> Vec<Breaker> {
    #[derive(Deserialize)]
    struct Open {
        party: String,
        trouble: String,
        since: Now,
        #[serde(default)]
        message: String,
    }
    let open: Vec<Open> = list(state, "breakers");
    open.iter()
        .map(|open| Breaker {
            party: Shown::line(&open.party),
            trouble: Shown::line(&open.trouble.replace('_', " ")),
            since: Moment::ago(open.since, now),
            message: viewer.sees_all().then(|| Shown::line(&open.message)),
        })
        .collect()
}

fn longest(job: &Waiting, now: Now) -> Longest {
    let reason = job.waiting_reason.as_deref();
    Longest {
        id: job.job_id,
        name: Shown::line(job.job_name.as_deref().unwrap_or("job")),
        repository: Shown::line(&job.repo_full_name),
        links: GitHubLinks::of(job.html_url.as_deref(), &job.repo_full_name),
        pool: Shown::line(&job.k8s_pool),
        reason: Shown::line(&reason.map_or_else(|| "not planned yet".to_owned(), explain)),
        since: Moment::length(job.since, now),
    }
}

/// Pools of the configuration as the leader knows them, then those that only rows name.
fn pools(state: &Value, boards: &[BoardEntry], read: &Read, now: Now) -> Vec<Pool> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let mut names: Vec<String> = list::<Named>(state, "pools")
        .into_iter()
        .map(|pool| pool.name)
        .collect();
    let groups = read.jobs.iter().chain(&read.workers);
    let of_rows: BTreeSet<&String> = groups
        .map(|group| &group.k8s_pool)
        .chain(read.queues.iter().map(|queue| &queue.k8s_pool))
        .collect();
    for name in of_rows {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
        .iter()
        .enumerate()
        .map(|(id, name)| pool(id, name, boards, read, now))
        .collect()
}

fn pool(id: usize, name: &str, boards: &[BoardEntry], read: &Read, now: Now) -> Pool {
    let ours = || boards.iter().filter(|board| board.pool == name);
    let mut counts: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for board in ours() {
        let place = STATES.iter().position(|state| *state == board.state);
        *counts
            .entry((place.unwrap_or(STATES.len()), board.state.as_str()))
            .or_default() += 1;
    }
    Pool {
        name: Shown::line(name),
        id,
        boards: ours().map(board).collect(),
        counts: counts
            .into_iter()
            .map(|((_, state), count)| (board_class(state), Shown::line(state), count))
            .collect(),
        queue: read
            .queues
            .iter()
            .filter(|queue| queue.k8s_pool == name)
            .map(|queue| QueueLine {
                jobs: queue.jobs,
                reason: Shown::line(&reason(&queue.reason)),
                since: Moment::length(queue.oldest, now),
            })
            .collect(),
        accounts: accounts(name, read, now),
    }
}

/// The states of boards in the order in which they are told.
const STATES: [&str; 7] = [
    "busy",
    "idle",
    "starting",
    "free",
    "quarantined",
    "cordoned",
    "lost",
];

fn board_class(state: &str) -> &'static str {
    STATES
        .into_iter()
        .find(|known| *known == state)
        .unwrap_or("unknown")
}

fn board(board: &BoardEntry) -> Board {
    Board {
        class: board_class(&board.state),
        title: Shown::line(&format!("{}: {}", board.name, board.state)),
        worker: board.worker.as_deref().map(encoded),
    }
}

/// A code without a subject, in words.
fn reason(code: &str) -> String {
    match code {
        "" => "not planned yet".to_owned(),
        "no_free_board" => "every board has work".to_owned(),
        "no_board_in_pool" => "no board could take them".to_owned(),
        "at_cap" => "their account has as many workers as it may".to_owned(),
        "paused" => "paused by an operator".to_owned(),
        "starting" => "a runner is starting".to_owned(),
        "image_breaker" => "their image makes trouble".to_owned(),
        "github_unreachable" => "GitHub does not answer".to_owned(),
        "github_budget" => "GitHub’s hourly calls are used up".to_owned(),
        "installation_suspended" => "the App is suspended there".to_owned(),
        "other_scheduler" => "a scheduler of another kind runs too".to_owned(),
        other => explain(other).replace('_', " "),
    }
}

fn accounts(pool: &str, read: &Read, now: Now) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    let mut places: BTreeMap<(i64, String), usize> = BTreeMap::new();
    let ours = |groups: &'_ [Group]| {
        let ours = groups.iter().filter(|group| group.k8s_pool == pool);
        ours.cloned().collect::<Vec<_>>()
    };
    for (group, is_job) in ours(&read.jobs)
        .iter()
        .map(|group| (group, true))
        .chain(ours(&read.workers).iter().map(|group| (group, false)))
    {
        let key = (group.entity_id, group.job_labels.to_string());
        let place = *places.entry(key).or_insert_with(|| {
            accounts.push(account(group));
            accounts.len() - 1
        });
        let Some(account) = accounts.get_mut(place) else {
            continue;
        };
        if is_job {
            account.pending = group.pending;
            account.running = group.running;
            account.oldest = group.oldest.map(|oldest| Moment::length(oldest, now));
        } else {
            account.starting = group.pending;
            account.up = group.running;
        }
    }
    accounts
}

fn account(group: &Group) -> Account {
    let labels: Vec<String> = Deserialize::deserialize(&group.job_labels).unwrap_or_default();
    Account {
        id: group.entity_id,
        name: Shown::line(&group.entity_name),
        labels: labels.iter().map(|label| Shown::line(label)).collect(),
        pool: encoded(&group.k8s_pool),
        pending: 0,
        running: 0,
        starting: 0,
        up: 0,
        oldest: None,
    }
}

/// Another version of the leader may say more or less: what cannot be read takes nothing else with it.
fn list<T: DeserializeOwned>(state: &Value, key: &str) -> Vec<T> {
    let items = state.get(key).and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .filter_map(|item| T::deserialize(item).ok())
        .collect()
}

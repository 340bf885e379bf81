//! What the views show, as of one moment: read once, put into rows once, never changed.

use std::collections::{BTreeMap, BTreeSet};

use rise_model::config::Caps;
use rise_model::waiting::explain;
use rise_model::{EntityId, SentLabels, Time};
use services::store::live::{FailedTogether, LastHour, Live, LiveJob, LiveWorker};

use super::grid::{Cell, Column, Grid, Id, Row, Shape};
use super::theme::Tone;
use crate::commands::lists::labels;
use crate::commands::status::state::{Board, State};
use crate::commands::status::{PoolLine, pools, verdict};
use crate::when;

/// What does not change while the program runs.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// The environment's name.
    pub(crate) environment: &'static str,
    /// The configured pools.
    pub(crate) pools: Vec<String>,
    /// The configured caps.
    pub(crate) caps: Caps,
}

/// The views that are lists, and so have a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum List {
    Demand,
    Boards,
    Workers,
    Jobs,
    Failures,
    Trace,
}

impl List {
    pub(super) const ALL: [Self; 6] = [
        Self::Demand,
        Self::Boards,
        Self::Workers,
        Self::Jobs,
        Self::Failures,
        Self::Trace,
    ];

    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// What its rows are.
    pub(super) fn rows_are(self) -> &'static str {
        match self {
            Self::Demand => "demand keys",
            Self::Boards => "boards",
            Self::Workers => "workers",
            Self::Jobs => "jobs",
            Self::Failures => "failures",
            Self::Trace => "events",
        }
    }
}

/// Everything that was read, and its rows.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// What was read.
    pub(super) live: Live,
    /// The last hour, which is read less often.
    pub(super) hour: Option<LastHour>,
    /// What the scheduler says of itself.
    pub(super) state: State,
    /// The pools in few numbers.
    pub(super) pools: Vec<PoolLine>,
    /// Why something is wrong.
    pub(super) unhealthy: Vec<String>,
    grids: [Grid; 5],
}

impl Snapshot {
    /// Puts what was read into rows.
    pub(crate) fn new(known: &Known, live: Live, hour: Option<LastHour>) -> Self {
        let scheduler = live.overview.scheduler.as_ref();
        let state = scheduler
            .map(|row| State::read(&row.state))
            .unwrap_or_default();
        let pools = pools(&known.pools, &live.overview, &state);
        let unhealthy = verdict::unhealthy(&live.overview, &state, &pools);
        let grids = [
            Grid::new(DEMAND, demand(known, &live)),
            Grid::new(BOARDS, boards(&state, &live)),
            Grid::new(WORKERS, live.workers.iter().map(worker).collect()),
            Grid::new(JOBS, live.jobs.iter().map(job).collect()),
            Grid::new(FAILURES, live.failures.iter().map(failure).collect()),
        ];
        Self {
            live,
            hour,
            state,
            pools,
            unhealthy,
            grids,
        }
    }

    /// The database's clock when it was read.
    pub(super) fn now(&self) -> Time {
        self.live.overview.now
    }

    /// The rows of a list that comes with every reading.
    pub(super) fn grid(&self, list: List) -> Option<&Grid> {
        self.grids.get(list.index())
    }

    pub(super) fn worker(&self, name: &str) -> Option<&LiveWorker> {
        self.live
            .workers
            .iter()
            .find(|worker| worker.pod_name == name)
    }

    pub(super) fn job(&self, id: i64) -> Option<&LiveJob> {
        self.live.jobs.iter().find(|job| job.job_id == id)
    }

    pub(super) fn board(&self, name: &str) -> Option<&Board> {
        self.state.boards.iter().find(|board| board.name == name)
    }

    pub(super) fn failure(&self, key: &str) -> Option<&FailedTogether> {
        self.live
            .failures
            .iter()
            .find(|group| failure_key(group) == key)
    }
}

const fn column(name: &'static str, gives_way: u8, least: u16, most: u16, shape: Shape) -> Column {
    Column {
        name,
        gives_way,
        least,
        most,
        shape,
    }
}

const WORKERS: &[Column] = &[
    column("WORKER", 0, 20, 40, Shape::Ends),
    column("STATUS", 1, 9, 9, Shape::Head),
    column("FOR", 2, 12, 40, Shape::Ends),
    column("BOARD", 3, 8, 24, Shape::Ends),
    column("POOL", 7, 10, 20, Shape::Ends),
    column("JOB", 6, 11, 14, Shape::Right),
    column("AGE", 4, 7, 8, Shape::Right),
    column("RAN", 8, 7, 8, Shape::Right),
    column("WHY", 5, 8, 30, Shape::Rest),
];

fn worker(worker: &LiveWorker) -> Row {
    let owner = worker
        .repo_full_name
        .as_ref()
        .or(worker.job_repo.as_ref())
        .unwrap_or(&worker.entity_name);
    let why = match (&worker.reason, &worker.message, &worker.condemned_reason) {
        (Some(reason), _, _) => Cell::Word(super::text::clean(reason), Tone::Bad),
        (None, Some(message), _) => Cell::Word(super::text::clean(message), Tone::Bad),
        (None, None, Some(reason)) => Cell::Word(super::text::clean(reason), Tone::Waiting),
        (None, None, None) => Cell::Empty,
    };
    let id = worker.job_id.map(|id| id.to_string()).unwrap_or_default();
    Row::new(
        Id::Worker(worker.pod_name.clone()),
        vec![
            Cell::text(&worker.pod_name),
            Cell::Word(worker.status.clone(), Tone::of_status(&worker.status)),
            Cell::text(owner),
            Cell::maybe(worker.k8s_node.as_deref()),
            Cell::text(&worker.k8s_pool),
            worker.job_id.map_or(Cell::Empty, Cell::Number),
            Cell::Age(worker.created_at),
            worker.running_at.map_or(Cell::Empty, |began| {
                Cell::Lasted(began, worker.completed_at)
            }),
            why,
        ],
        &[
            &id,
            &worker.entity_name,
            &labels(&worker.job_labels),
            worker.message.as_deref().unwrap_or_default(),
        ],
    )
}

const JOBS: &[Column] = &[
    column("JOB", 0, 11, 14, Shape::Right),
    column("STATUS", 1, 9, 9, Shape::Head),
    column("REPOSITORY", 2, 14, 40, Shape::Ends),
    column("NAME", 6, 10, 28, Shape::Ends),
    column("POOL", 8, 8, 20, Shape::Ends),
    column("BOARD", 7, 8, 24, Shape::Ends),
    column("QUEUED", 4, 7, 8, Shape::Right),
    column("WAITED", 5, 7, 8, Shape::Right),
    column("RAN", 6, 7, 8, Shape::Right),
    column("WHY", 3, 14, 40, Shape::Rest),
];

/// How long a job waited: until it began, was over without that, or now.
fn waited(job: &LiveJob) -> Cell {
    Cell::Lasted(job.queued_at, job.started_at.or(job.finished_at))
}

/// What is to be said of a job in few words.
pub(super) fn job_why(job: &LiveJob) -> (String, Tone) {
    if let Some(reason) = job.reason.as_ref().or(job.message.as_ref()) {
        return (super::text::clean(reason), Tone::Bad);
    }
    match (job.status.as_str(), &job.waiting_reason, &job.conclusion) {
        ("pending", Some(reason), _) => (super::text::clean(&explain(reason)), Tone::Waiting),
        ("pending", None, _) => ("no reason is known yet".to_owned(), Tone::Waiting),
        (_, _, Some(conclusion)) if conclusion != "success" => {
            (super::text::clean(conclusion), Tone::Waiting)
        }
        (_, _, Some(conclusion)) => (super::text::clean(conclusion), Tone::Quiet),
        (_, _, None) => (String::new(), Tone::Plain),
    }
}

fn job(job: &LiveJob) -> Row {
    let (why, tone) = job_why(job);
    let why = if why.is_empty() {
        Cell::Empty
    } else {
        Cell::Word(why, tone)
    };
    Row::new(
        Id::Job(job.job_id),
        vec![
            Cell::Number(job.job_id),
            Cell::Word(job.status.clone(), Tone::of_status(&job.status)),
            Cell::text(&job.repo_full_name),
            Cell::maybe(job.job_name.as_deref()),
            Cell::text(&job.k8s_pool),
            Cell::maybe(job.k8s_node.as_deref()),
            Cell::Age(job.queued_at),
            waited(job),
            job.started_at
                .map_or(Cell::Empty, |began| Cell::Lasted(began, job.finished_at)),
            why,
        ],
        &[
            &job.job_id.to_string(),
            &labels(&job.job_labels),
            job.k8s_pod.as_deref().unwrap_or_default(),
            job.waiting_reason.as_deref().unwrap_or_default(),
        ],
    )
}

const BOARDS: &[Column] = &[
    column("BOARD", 0, 10, 32, Shape::Ends),
    column("STATE", 1, 11, 11, Shape::Head),
    column("POOL", 3, 8, 20, Shape::Ends),
    column("JOB", 2, 11, 14, Shape::Right),
    column("FOR", 4, 12, 36, Shape::Ends),
    column("WORKER", 5, 12, 40, Shape::Ends),
    column("LAST OUTCOMES", 6, 14, 40, Shape::Rest),
];

/// What became of the latest workers of each board, the newest first: `+` as it should be, `-` failed.
fn outcomes(live: &Live) -> BTreeMap<&str, String> {
    /// So many are shown.
    const LATEST: usize = 20;
    let mut outcomes: BTreeMap<&str, String> = BTreeMap::new();
    for worker in &live.workers {
        let (Some(node), mark) = (
            worker.k8s_node.as_deref(),
            match worker.status.as_str() {
                "completed" => '+',
                "failed" => '-',
                _ => continue,
            },
        ) else {
            continue;
        };
        let told = outcomes.entry(node).or_default();
        if told.len() < LATEST {
            told.push(mark);
        }
    }
    outcomes
}

fn boards(state: &State, live: &Live) -> Vec<Row> {
    let outcomes = outcomes(live);
    let jobs: BTreeMap<i64, &LiveJob> = live.jobs.iter().map(|job| (job.job_id, job)).collect();
    let row = |board: &Board| {
        let repository = board
            .job
            .and_then(|id| jobs.get(&id))
            .map(|job| job.repo_full_name.as_str());
        let told = outcomes
            .get(board.name.as_str())
            .cloned()
            .unwrap_or_default();
        let tone = if told.starts_with("---") {
            Tone::Bad
        } else {
            Tone::Plain
        };
        Row::new(
            Id::Board(board.name.clone()),
            vec![
                Cell::text(&board.name),
                Cell::Word(
                    super::text::clean(&board.state),
                    Tone::of_board(&board.state),
                ),
                Cell::text(&board.pool),
                board.job.map_or(Cell::Empty, Cell::Number),
                Cell::maybe(repository),
                Cell::maybe(board.worker.as_deref()),
                if told.is_empty() {
                    Cell::Empty
                } else {
                    Cell::Word(told, tone)
                },
            ],
            &[],
        )
    };
    state.boards.iter().map(row).collect()
}

const DEMAND: &[Column] = &[
    column("FOR", 0, 14, 40, Shape::Ends),
    column("LABELS", 4, 10, 40, Shape::Ends),
    column("POOL", 5, 8, 20, Shape::Ends),
    column("WAIT", 1, 4, 6, Shape::Right),
    column("RUN", 1, 4, 6, Shape::Right),
    column("WORKERS", 3, 7, 8, Shape::Right),
    column("MISSING", 2, 7, 8, Shape::Right),
    column("CAP", 6, 9, 10, Shape::Right),
    column("WHY", 3, 14, 40, Shape::Rest),
];

/// Jobs that ask for the same and the workers that answer.
#[derive(Default)]
struct Asked<'a> {
    waiting: i64,
    running: i64,
    workers: i64,
    /// Workers that no job has named.
    supply: i64,
    reasons: BTreeMap<&'a str, usize>,
    entity: i64,
}

/// For whom, with which labels, from which pool. An organisation's runners serve all of its repositories.
type Key<'a> = (&'a str, String, &'a str);

fn key<'a>(
    kind_is_user: bool,
    entity: &'a str,
    repository: &'a str,
    sent: &serde_json::Value,
    pool: &'a str,
) -> Key<'a> {
    let words: Vec<String> = sent
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|label| label.as_str().map(str::to_owned))
        .collect();
    let set = SentLabels::new(words).set();
    (
        if kind_is_user { repository } else { entity },
        set.to_string(),
        pool,
    )
}

fn demand(known: &Known, live: &Live) -> Vec<Row> {
    let mut asked: BTreeMap<Key<'_>, Asked<'_>> = BTreeMap::new();
    for job in live
        .jobs
        .iter()
        .filter(|job| matches!(job.status.as_str(), "pending" | "running"))
    {
        let key = key(
            job.entity_type == "User",
            &job.entity_name,
            &job.repo_full_name,
            &job.job_labels,
            &job.k8s_pool,
        );
        let entry = asked.entry(key).or_default();
        entry.entity = job.entity_id;
        if job.status == "pending" {
            entry.waiting += 1;
            let reason = job.waiting_reason.as_deref().unwrap_or_default();
            *entry.reasons.entry(reason).or_default() += 1;
        } else {
            entry.running += 1;
        }
    }
    let mut held: BTreeMap<i64, u32> = BTreeMap::new();
    for worker in live
        .workers
        .iter()
        .filter(|worker| matches!(worker.status.as_str(), "pending" | "running"))
    {
        let repository = worker.repo_full_name.as_deref();
        let key = key(
            repository.is_some(),
            &worker.entity_name,
            repository.unwrap_or_default(),
            &worker.job_labels,
            &worker.k8s_pool,
        );
        let entry = asked.entry(key).or_default();
        entry.entity = worker.entity_id;
        entry.workers += 1;
        entry.supply += i64::from(worker.job_id.is_none() && worker.condemned_reason.is_none());
        *held.entry(worker.entity_id).or_default() += 1;
    }
    let mut rows: Vec<(i64, Row)> = asked
        .into_iter()
        .map(|((who, labels, pool), asked)| {
            let missing = (asked.waiting - asked.supply).max(0);
            let held = held.get(&asked.entity).copied().unwrap_or_default();
            let cap = format!("{held}/{}", known.caps.of(EntityId(asked.entity)));
            let reason = asked
                .reasons
                .iter()
                .max_by_key(|(_, count)| **count)
                .map(|(reason, _)| *reason);
            let why = match reason {
                Some(reason) if !reason.is_empty() => {
                    Cell::Word(super::text::clean(&explain(reason)), Tone::Waiting)
                }
                Some(_) | None => Cell::Empty,
            };
            let id = Id::Demand(format!("{who} {labels} {pool}"));
            let number = |number: i64, tone| {
                if number == 0 {
                    Cell::Number(0)
                } else {
                    Cell::Word(number.to_string(), tone)
                }
            };
            let cells = vec![
                Cell::text(who),
                Cell::text(&labels),
                Cell::text(pool),
                Cell::Number(asked.waiting),
                Cell::Number(asked.running),
                Cell::Number(asked.workers),
                number(missing, Tone::Waiting),
                Cell::Text(cap.replace("unlimited", "∞")),
                why,
            ];
            (missing, Row::new(id, cells, &[]))
        })
        .collect();
    // Who lacks most stands first.
    rows.sort_by_key(|(missing, _)| -missing);
    rows.into_iter().map(|(_, row)| row).collect()
}

const FAILURES: &[Column] = &[
    column("COUNT", 0, 5, 7, Shape::Right),
    column("WHAT", 3, 6, 7, Shape::Head),
    column("REASON", 1, 16, 32, Shape::Ends),
    column("LAST", 2, 7, 8, Shape::Right),
    column("FIRST", 4, 7, 8, Shape::Right),
    column("BOARDS", 5, 10, 36, Shape::Ends),
    column("ENTITIES", 6, 10, 30, Shape::Ends),
    column("MESSAGE", 7, 16, 60, Shape::Rest),
];

/// What tells a group from others.
pub(super) fn failure_key(group: &FailedTogether) -> String {
    format!("{} {} {}", group.kind, group.reason, group.message)
}

fn few(names: &[String]) -> String {
    let unique: BTreeSet<&String> = names.iter().collect();
    match unique.len() {
        0 => String::new(),
        1 | 2 => unique.into_iter().cloned().collect::<Vec<_>>().join(", "),
        more => format!("{} and {} more", names[0], more - 1),
    }
}

fn failure(group: &FailedTogether) -> Row {
    Row::new(
        Id::Failure(failure_key(group)),
        vec![
            Cell::Number(group.count),
            Cell::text(&format!("{}s", group.kind)),
            Cell::Word(super::text::clean(&group.reason), Tone::Bad),
            Cell::Age(group.last),
            Cell::Age(group.first),
            Cell::text(&few(&group.boards)),
            Cell::text(&few(&group.entities)),
            Cell::text(&group.message),
        ],
        &[
            &group.images.join(" "),
            &group.pools.join(" "),
            &group.boards.join(" "),
            &group.entities.join(" "),
        ],
    )
}

/// How old something is, for titles.
pub(super) fn old(time: Time, now: Time) -> String {
    when::length(time, now)
}

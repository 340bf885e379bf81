//! Small things that the unit tests of this crate are told with.

use std::collections::BTreeMap;

use chrono::{TimeDelta, TimeZone, Utc};

use crate::cluster::{Annotated, ContainerState, Node, Phase, Pod, Readiness};
use crate::config::{BOARD_LABEL, Cap, Caps, EntitySettings, Percent, Pool, Rules, Sharing};
use crate::rows::{Demand, JobRow, NamedBy, WorkerRow};
use crate::span::Span;
use crate::{EntityId, EntityKind, InstallationId, JobId, RepoId, SentLabels, Status, Time};

pub(crate) const POOL: &str = "scw-em-rv1";

/// So many seconds after the tests' beginning.
pub(crate) fn at(seconds: i64) -> Time {
    let beginning = Utc
        .with_ymd_and_hms(2026, 11, 24, 12, 0, 0)
        .single()
        .expect("a time");
    beginning + TimeDelta::seconds(seconds)
}

pub(crate) fn pool() -> Pool {
    Pool {
        name: POOL.into(),
        node_selector: BTreeMap::new(),
        ephemeral_storage: None,
    }
}

pub(crate) fn node(name: &str) -> Node {
    Node {
        name: name.into(),
        labels: BTreeMap::from([(BOARD_LABEL.to_owned(), POOL.to_owned())]),
        ready: Readiness::Ready,
        ready_since: Some(at(-1000)),
        unschedulable: false,
        taints: vec![],
        allocatable_slots: 1,
    }
}

pub(crate) fn pod(name: &str) -> Pod {
    Pod {
        name: name.into(),
        uid: format!("uid-{name}").as_str().into(),
        resource_version: "1".into(),
        labels: BTreeMap::from([(BOARD_LABEL.to_owned(), POOL.to_owned())]),
        worker: Annotated::Nothing,
        node: None,
        phase: Phase::Pending,
        created_at: at(0),
        deletion_at: None,
        scheduled_at: None,
        start_time: None,
        container: ContainerState::Unreported,
        image_digest: None,
        reason: None,
        message: None,
        active_deadline_seconds: None,
        unschedulable: None,
    }
}

pub(crate) fn running_pod(name: &str, node: &str) -> Pod {
    Pod {
        node: Some(node.into()),
        phase: Phase::Running,
        container: ContainerState::Running { since: Some(at(1)) },
        ..pod(name)
    }
}

pub(crate) fn demand(entity: i64) -> Demand {
    Demand {
        entity: EntityId(entity),
        entity_name: format!("org-{entity}"),
        kind: EntityKind::Organization,
        installation: InstallationId(entity + 1),
        repo_full_name: None,
        repo: None,
        labels: SentLabels::new(vec!["ubuntu-24.04-riscv".into()]),
        pool: POOL.into(),
        image: "image".into(),
    }
}

pub(crate) fn personal(entity: i64, repo: i64) -> Demand {
    Demand {
        kind: EntityKind::User,
        repo_full_name: Some(format!("user-{entity}/repo-{repo}")),
        repo: Some(RepoId(repo)),
        ..demand(entity)
    }
}

pub(crate) fn job(id: i64, demand: Demand) -> JobRow {
    JobRow {
        id: JobId(id),
        status: Status::Pending,
        demand,
        sender: None,
        pod: None,
        queued_at: at(id),
        waiting_reason: None,
        changed_at: at(id),
        last_checked_at: None,
    }
}

pub(crate) fn worker(name: &str, demand: Demand) -> WorkerRow {
    WorkerRow {
        name: name.into(),
        status: Status::Pending,
        demand,
        node: None,
        created_at: at(0),
        running_at: None,
        completed_at: None,
        runner: None,
        epoch: None,
        condemned: None,
        deregistered_at: None,
        pod_created_at: None,
        named_by: vec![],
    }
}

pub(crate) fn named(job: i64, status: Status) -> NamedBy {
    NamedBy {
        job: JobId(job),
        status,
        concluded_at: (status == Status::Completed).then(|| at(50)),
    }
}

pub(crate) fn caps(entity: i64, most: u32) -> Caps {
    Caps {
        default_max_workers: Cap::Unlimited,
        entities: vec![EntitySettings {
            id: EntityId(entity),
            name: "capped".into(),
            max_workers: Some(Cap::Workers(most)),
            staging: vec![],
        }],
    }
}

pub(crate) const SHARING: Sharing = Sharing {
    newcomer_cap: Cap::Unlimited,
    newcomer_until: 10,
    max_share: Percent::ALL,
};

pub(crate) fn rules() -> Rules {
    Rules {
        provision_within: Span::seconds(45),
        pod_expected_within: Span::seconds(60),
        pod_recheck: Span::seconds(10),
        image_pull_within: Span::seconds(120),
        pod_running_within: Span::seconds(600),
        cluster_stale_after: Span::seconds(60),
        pod_grace: Span::seconds(6 * 3600),
        finished_pods_per_board: 20,
        finished_pods: 500,
        reserve_at_once: 50,
        effects_at_once: 64,
        log_retry: Span::seconds(10),
        log_gone_after: Span::seconds(1800),
        back_off_from: Span::seconds(15),
        back_off_to: Span::seconds(600),
        retry_after: Span::seconds(2),
        deregister_within: Span::seconds(24 * 3600),
        runner_online_within: Span::seconds(120),
        runner_offline_at_most: Span::seconds(600),
        runner_absent_at_most: Span::seconds(300),
        runner_idle_at_most: Span::seconds(600),
        runner_idle_while_waiting: Span::seconds(120),
        reads_apart: Span::seconds(60),
        concluded_for: Span::seconds(600),
        kill_within: Span::seconds(60),
        kill_stuck_after: Span::seconds(120),
        job_unaccounted_after: Span::seconds(3600),
        runners_every: Span::seconds(30),
        leftovers_apart: Span::seconds(300),
        leftovers_for: Span::seconds(900),
        scopes_every: Span::seconds(86_400),
        board_dead_after: Span::seconds(300),
        boards_suspect_within: Span::seconds(300),
        boards_suspect_for: Span::seconds(1800),
        scope_gone_after: Span::seconds(600),
        job_wrong_for: Span::seconds(60),
        job_silent_for: Span::seconds(600),
        job_asked_at_least_apart: Span::seconds(60),
        job_asked_at_most_apart: Span::seconds(840),
        job_stuck_after: Span::seconds(600),
        jobs_asked_at_once: 10,
        other_scheduler_lasts: Span::seconds(300),
        breaker_opens_after: 3,
        breaker_probe_every: Span::seconds(15),
        limit_waits_at_least: Span::seconds(60),
        suspended_asked_every: Span::seconds(60),
        installation_missing_for: Span::seconds(60),
        questions_percent: 10,
        jits_in_ten_seconds: 13,
        jits_in_ten_seconds_of_app: 30,
        jits_an_hour: 450,
    }
}

//! Each rule has a history that triggers it and one that almost does.

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::Apps;
use crate::{AppId, EntityId, EntityKind, EventId, InstallationId, JobId, Status, Time};

const APPS: Apps = Apps {
    organization: AppId(11),
    personal: AppId(22),
};
const JOB: JobId = JobId(7);

fn at(minute: i64) -> Time {
    chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::minutes(minute)
}

/// An account's log and what else is known.
struct History {
    kind: EntityKind,
    events: Vec<Event>,
    job: Option<JobFacts>,
    job_id: Option<JobId>,
    repository: Option<&'static str>,
    installation: Option<InstallationId>,
    waiting: Vec<WaitingJob>,
    settings: Vec<SettingFact>,
    lost: Vec<LostDelivery>,
    scheduler: Option<SchedulerFacts>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "histories read better without borrows"
)]
impl History {
    /// Nothing but a scheduler that is alive.
    fn nothing() -> Self {
        Self {
            kind: EntityKind::Organization,
            events: Vec::new(),
            job: None,
            job_id: None,
            repository: None,
            installation: None,
            waiting: Vec::new(),
            settings: Vec::new(),
            lost: Vec::new(),
            scheduler: Some(SchedulerFacts { at: at(119) }),
        }
    }

    /// The App is installed for all repositories since minute 0.
    fn installed() -> Self {
        Self::nothing().installation(
            0,
            1,
            "installation.created",
            json!({"installation": {"repository_selection": "all"}}),
        )
    }

    /// For `x/y` only.
    fn installed_for_one() -> Self {
        Self::nothing().installation(
            0,
            1,
            "installation.created",
            json!({
                "installation": {"repository_selection": "selected"},
                "repositories": [{"id": 2, "full_name": "x/Y", "private": false}],
            }),
        )
    }

    fn row(mut self, minute: i64, event: &str, outcome: &str, payload: Value) -> Self {
        let id = i64::try_from(self.events.len()).unwrap() + 1;
        self.events.push(Event {
            id: EventId(id),
            at: at(minute),
            source: "webhook".to_owned(),
            event: event.to_owned(),
            outcome: outcome.to_owned(),
            installation: Some(InstallationId(1)),
            app: Some(APPS.serving(self.kind)),
            entity: Some(EntityId(99)),
            kind: Some(self.kind),
            login: Some("x".to_owned()),
            job: None,
            repository: None,
            facts: Facts::of(&payload),
        });
        self
    }

    fn installation(mut self, minute: i64, id: i64, event: &str, payload: Value) -> Self {
        self = self.row(minute, event, "ok", payload);
        self.last().installation = Some(InstallationId(id));
        self
    }

    fn last(&mut self) -> &mut Event {
        self.events.last_mut().unwrap()
    }

    fn job_row(mut self, minute: i64, event: &str, outcome: &str) -> Self {
        self = self.row(
            minute,
            event,
            outcome,
            json!({"workflow_job": {"labels": ["gpu", "big"]}}),
        );
        let row = self.last();
        row.job = Some(JOB);
        row.repository = Some("x/y".to_owned());
        self.job_id = Some(JOB);
        self
    }

    /// The job is in the tables.
    fn job(mut self, status: Status, reason: Option<&str>) -> Self {
        self = self.job_row(60, "workflow_job.queued", "job_stored");
        self.job = Some(JobFacts {
            id: JOB,
            status,
            installation: InstallationId(1),
            repository: "x/y".to_owned(),
            labels: vec!["ubuntu-24.04-riscv".to_owned()],
            pool: "scw-em-rv1".to_owned(),
            image: "image".to_owned(),
            waiting_reason: reason.map(str::to_owned),
            waiting_since: Some(at(61)),
            queued_at: at(60),
            started_at: None,
            finished_at: None,
            conclusion: None,
            worker: None,
            failure: None,
        });
        self
    }

    fn asked_about(mut self, repository: &'static str) -> Self {
        self.repository = Some(repository);
        self
    }

    fn set(mut self, scope: &str, key: &str) -> Self {
        self.settings.push(SettingFact {
            scope: scope.to_owned(),
            key: key.to_owned(),
            value: json!(true),
            author: "ada".to_owned(),
            reason: "miners".to_owned(),
            set_at: at(30),
            until: None,
        });
        self
    }

    fn verdict(&self) -> Verdict {
        let account = fold(&self.events, at(120));
        diagnose(&Case {
            now: at(120),
            apps: APPS,
            events: &self.events,
            account: &account,
            job_id: self.job_id,
            job: self.job.as_ref(),
            repository: self.repository,
            installation: self.installation,
            waiting: &self.waiting,
            settings: &self.settings,
            lost: &self.lost,
            scheduler: self.scheduler,
        })
    }

    fn cause(&self) -> Cause {
        self.verdict().cause
    }
}

fn event(id: i64) -> Proof {
    Proof::Event(EventId(id))
}

#[test]
fn uninstalled_before_the_job() {
    let gone = History::installed().installation(10, 1, "installation.deleted", json!({}));
    let mut asked = gone;
    asked.job_id = Some(JOB);
    let verdict = asked
        .job(Status::Pending, Some("no_free_board:p"))
        .verdict();
    assert_eq!(verdict.cause, Cause::Uninstalled);
    assert_eq!(
        verdict.headline,
        "x uninstalled the App 50 min before the job; job 7 can never run"
    );
    assert_eq!(verdict.proof, [event(2)]);
    // Out of order in the log, but installed: the times decide.
    let almost = History::nothing()
        .installation(30, 1, "installation.created", json!({}))
        .installation(10, 1, "installation.deleted", json!({}));
    assert_eq!(almost.cause(), Cause::NothingFound);
}

#[test]
fn reinstalled_under_another_id() {
    let again = History::installed()
        .job(Status::Pending, Some("starting"))
        .installation(70, 1, "installation.deleted", json!({}))
        .installation(
            80,
            5,
            "installation.created",
            json!({"installation": {"repository_selection": "all"}}),
        );
    let verdict = again.verdict();
    assert_eq!(verdict.cause, Cause::Reinstalled);
    assert_eq!(verdict.proof, [event(3), event(4)]);
    assert!(
        verdict.headline.contains("10 min after the job was queued"),
        "{}",
        verdict.headline
    );
    // The other App's installation takes nobody's place.
    let mut almost = History::installed()
        .job(Status::Pending, Some("starting"))
        .installation(70, 1, "installation.deleted", json!({}))
        .installation(80, 5, "installation.created", json!({}));
    almost.last().app = Some(APPS.personal);
    assert_eq!(almost.cause(), Cause::WrongApp);
    // A job of the new one is not concerned.
    let mut fresh = History::installed()
        .installation(70, 1, "installation.deleted", json!({}))
        .installation(80, 5, "installation.created", json!({}))
        .job(Status::Pending, Some("starting"));
    fresh.job.as_mut().unwrap().installation = InstallationId(5);
    assert_eq!(fresh.cause(), Cause::Starting);
    let mut old = fresh;
    old.job = None;
    old.job_id = None;
    old.installation = Some(InstallationId(1));
    assert_eq!(old.cause(), Cause::Reinstalled);
}

#[test]
fn suspended_and_not_any_more() {
    let suspended = History::installed().installation(50, 1, "installation.suspend", json!({}));
    assert_eq!(suspended.cause(), Cause::Suspended);
    let ended = suspended.installation(55, 1, "installation.unsuspend", json!({}));
    assert_eq!(ended.cause(), Cause::NothingFound);
}

#[test]
fn a_repository_that_was_taken_away() {
    let taken = json!({"repository_selection": "selected", "repositories_removed": [{"id": 2, "full_name": "x/y"}]});
    let removed = History::installed_for_one()
        .installation(20, 1, "installation_repositories.removed", taken)
        .asked_about("X/y");
    let verdict = removed.verdict();
    assert_eq!(verdict.cause, Cause::RepositoryRemoved);
    assert_eq!(verdict.proof, [event(2)]);
    let given = json!({"repository_selection": "selected", "repositories_added": [{"id": 2, "full_name": "x/y"}]});
    let back = removed.installation(30, 1, "installation_repositories.added", given);
    assert_eq!(back.cause(), Cause::NothingFound);
}

#[test]
fn a_repository_that_was_never_selected_is_said_with_a_base_only() {
    let never = History::installed_for_one().asked_about("x/other");
    assert_eq!(never.cause(), Cause::RepositoryNeverSelected);
    // The log began after the installation.
    let unknown = History::nothing()
        .installation(
            5,
            1,
            "installation_repositories.added",
            json!({"repository_selection": "selected", "repositories_added": [{"full_name": "x/y"}]}),
        )
        .asked_about("x/other");
    assert_eq!(unknown.cause(), Cause::NothingFound);
    // What GitHub's API said is a base as well.
    let snapshot = unknown.installation(
        6,
        1,
        "installation.snapshot",
        json!({"installation": {"repository_selection": "selected"}, "repositories": [{"full_name": "x/y"}]}),
    );
    assert_eq!(snapshot.cause(), Cause::RepositoryNeverSelected);
    let widened = snapshot.installation(
        7,
        1,
        "installation_repositories.added",
        json!({"repository_selection": "all"}),
    );
    assert_eq!(widened.cause(), Cause::NothingFound);
}

#[test]
fn narrowed_from_all_repositories_no_row_lists_those_that_stay() {
    let narrowed = History::installed().installation(
        20,
        1,
        "installation_repositories.removed",
        json!({"repository_selection": "selected", "repositories_removed": [{"full_name": "x/y"}]}),
    );
    let removed = narrowed.asked_about("x/y");
    assert_eq!(removed.cause(), Cause::RepositoryRemoved);
    assert_eq!(removed.asked_about("x/z").cause(), Cause::NothingFound);
}

#[test]
fn renamed_and_not_found_afterwards() {
    let mut renamed = History::installed()
        .job(Status::Failed, None)
        .row(
            70,
            "installation_target.renamed",
            "ok",
            json!({"changes": {"login": {"from": "old"}}}),
        )
        .row(71, "auth_attempt.404", "auth_404", json!({}));
    let verdict = renamed.verdict();
    assert_eq!(verdict.cause, Cause::Renamed);
    assert_eq!(verdict.proof, [event(3), event(4)]);
    assert!(
        verdict.headline.starts_with("old is called x"),
        "{}",
        verdict.headline
    );
    // Without a refusal it is the failure that counts.
    renamed.events.pop();
    assert_eq!(renamed.cause(), Cause::Failed);
    // While a job waits, calls take the new name.
    let waits = History::installed()
        .job(Status::Pending, Some("no_free_board:p"))
        .row(70, "installation_target.renamed", "ok", json!({}))
        .row(71, "auth_attempt.404", "auth_404", json!({}));
    assert_eq!(waits.cause(), Cause::NoFreeBoard);
}

#[test]
fn the_app_of_the_other_kind_of_account() {
    let mut wrong = History::installed();
    wrong.last().app = Some(APPS.personal);
    let verdict = wrong.verdict();
    assert_eq!(verdict.cause, Cause::WrongApp);
    assert!(verdict.answer.contains("/setup/org"), "{}", verdict.answer);
    // With both installed all is well.
    let both = wrong.installation(10, 2, "installation.created", json!({}));
    assert_eq!(both.cause(), Cause::NothingFound);
}

#[test]
fn what_the_delivery_was_answered() {
    for (outcome, cause) in [
        ("ignored_no_label", Cause::LabelNotRouted),
        ("not_allowed", Cause::NotAllowed),
        ("ignored_private", Cause::Private),
        ("banned_entity", Cause::Banned),
        ("banned_sender", Cause::Banned),
        ("proxied_to_staging", Cause::Staging),
        ("proxy_failed", Cause::Staging),
    ] {
        let ignored = History::installed().job_row(60, "workflow_job.queued", outcome);
        let verdict = ignored.verdict();
        assert_eq!(verdict.cause, cause, "{outcome}");
        assert_eq!(verdict.proof, [event(2)], "{outcome}");
        // The same labels were taken once the file had a route for them.
        let taken = ignored.job(Status::Pending, Some("starting"));
        assert_eq!(taken.cause(), Cause::Starting, "{outcome}");
    }
    let labels = History::installed().job_row(60, "workflow_job.queued", "ignored_no_label");
    assert!(labels.verdict().headline.contains("[gpu, big]"));
}

#[test]
fn banned_since_it_was_queued() {
    let banned = History::installed().set("entity:99", "ban");
    let verdict = banned.verdict();
    assert_eq!(verdict.cause, Cause::Banned);
    assert_eq!(verdict.proof, [Proof::Setting("entity:99 ban".to_owned())]);
    assert!(
        verdict.headline.contains("by ada: miners"),
        "{}",
        verdict.headline
    );
    assert_eq!(
        History::installed().set("entity:99", "cap").cause(),
        Cause::NothingFound
    );
}

#[test]
fn each_waiting_reason_has_its_cause() {
    for (reason, cause) in [
        ("at_cap:entity:99", Cause::AtCap),
        ("paused:pool:p", Cause::Paused),
        ("no_free_board:p", Cause::NoFreeBoard),
        ("no_board_in_pool:p", Cause::NoBoardInPool),
        ("backing_off", Cause::BackingOff),
        ("image_breaker:i", Cause::ImageTrouble),
        ("cluster_unreachable", Cause::ClusterTrouble),
        ("github_unreachable", Cause::GitHubTrouble),
        ("github_budget", Cause::GitHubTrouble),
        ("installation_suspended", Cause::Suspended),
        ("other_scheduler", Cause::OtherScheduler),
        ("starting:riscv-runner-1", Cause::Starting),
        ("runner_ready", Cause::RunnerGroup),
    ] {
        let waits = History::installed().job(Status::Pending, Some(reason));
        let verdict = waits.verdict();
        assert_eq!(verdict.cause, cause, "{reason}");
        assert_eq!(verdict.proof, [Proof::Job(JOB)], "{reason}");
        // Of a job that has a runner nothing is said about the queue.
        let runs = History::installed().job(Status::Running, Some(reason));
        assert_eq!(runs.cause(), Cause::Running, "{reason}");
    }
}

#[test]
fn a_runner_that_has_just_come_up_is_no_suspicion() {
    let mut fresh = History::installed().job(Status::Pending, Some("runner_ready"));
    fresh.job.as_mut().unwrap().waiting_since = Some(at(119));
    assert_eq!(fresh.cause(), Cause::Starting);
}

#[test]
fn who_paused_and_why_is_said() {
    let paused = History::installed()
        .set("pool:p", "pause")
        .job(Status::Pending, Some("paused:pool:p"));
    let verdict = paused.verdict();
    assert!(
        verdict.headline.contains("by ada: miners"),
        "{}",
        verdict.headline
    );
    assert_eq!(verdict.proof.len(), 2);
    // A pause of something else does not make it wait.
    let free = History::installed()
        .set("pool:p", "pause")
        .job(Status::Pending, Some("no_free_board:q"));
    let verdict = free.verdict();
    assert_eq!(verdict.cause, Cause::NoFreeBoard);
    assert_eq!(verdict.proof.len(), 1);
}

#[test]
fn without_a_scheduler_no_reason_is_believed() {
    let mut silent = History::installed().job(Status::Pending, Some("no_free_board:p"));
    silent.scheduler = Some(SchedulerFacts { at: at(118) });
    assert_eq!(silent.cause(), Cause::SchedulerSilent);
    silent.scheduler = None;
    assert_eq!(silent.cause(), Cause::SchedulerSilent);
    silent.scheduler = Some(SchedulerFacts {
        at: at(120) - TimeDelta::seconds(60),
    });
    assert_eq!(silent.cause(), Cause::NoFreeBoard);
}

#[test]
fn a_delivery_that_did_not_arrive() {
    let mut missed = History::installed();
    missed.job_id = Some(JOB);
    assert_eq!(missed.cause(), Cause::JobUnknown);
    let lost = |event: &str| LostDelivery {
        guid: "g".to_owned(),
        app: APPS.organization,
        event: event.to_owned(),
        tries: 3,
        last_try: Some(at(100)),
        given_up_at: Some(at(110)),
    };
    missed.lost = vec![lost("workflow_job")];
    let verdict = missed.verdict();
    assert_eq!(verdict.cause, Cause::MissedDelivery);
    assert_eq!(verdict.proof, [Proof::Delivery("g".to_owned())]);
    // Others that were lost do not explain it.
    missed.lost = vec![lost("installation")];
    assert_eq!(missed.cause(), Cause::JobUnknown);
    // Nor is anything missed of a job that is known.
    let mut known = History::installed().job(Status::Pending, Some("starting"));
    known.lost = vec![lost("workflow_job")];
    assert_eq!(known.cause(), Cause::Starting);
}

#[test]
fn what_is_over_is_told() {
    let mut over = History::installed().job(Status::Completed, None);
    let job = over.job.as_mut().unwrap();
    job.started_at = Some(at(65));
    job.finished_at = Some(at(90));
    job.conclusion = Some("success".to_owned());
    job.worker = Some("r-1".to_owned());
    assert_eq!(
        over.verdict().headline,
        "job 7 is over (success) 30 min ago: it waited 5 min and ran on r-1"
    );
    let mut failed = History::installed().job(Status::Failed, None);
    failed.job.as_mut().unwrap().failure = Some(json!({"version": 1, "message": "job not found"}));
    assert_eq!(
        failed.verdict().headline,
        "job 7 was given up: job not found"
    );
}

#[test]
fn of_an_account_nothing_was_ever_heard_of() {
    let verdict = History::nothing().verdict();
    assert_eq!(verdict.cause, Cause::NotInstalled);
    assert!(verdict.looked_at.len() > 10, "{verdict:?}");
    assert_eq!(History::installed().cause(), Cause::NothingFound);
}

#[test]
fn of_an_account_its_oldest_waiting_job_is_told() {
    let mut asked = History::installed();
    let waits = |id: i64, minute: i64, reason: &str| WaitingJob {
        id: JobId(id),
        repository: "x/y".to_owned(),
        reason: Some(reason.to_owned()),
        queued_at: at(minute),
    };
    asked.waiting = vec![waits(2, 100, "starting"), waits(1, 90, "at_cap:entity:99")];
    let verdict = asked.verdict();
    assert_eq!(verdict.cause, Cause::AtCap);
    assert!(
        verdict
            .headline
            .starts_with("job 1 waits, queued 30 min ago,"),
        "{}",
        verdict.headline
    );
}

#[test]
fn the_account_is_told_as_of_any_time() {
    let log = History::installed_for_one()
        .installation(20, 1, "installation.suspend", json!({}))
        .installation(30, 1, "installation.unsuspend", json!({}))
        .installation(
            40,
            1,
            "installation_repositories.removed",
            json!({"repository_selection": "selected", "repositories_removed": [{"full_name": "x/Y"}]}),
        )
        .installation(50, 1, "installation.deleted", json!({}));
    let stands = |minute: i64| {
        let account = fold(&log.events, at(minute));
        account
            .current()
            .map(|it| (it.standing, it.covers("x/y") == Coverage::Covered))
    };
    assert_eq!(stands(-1), None);
    assert_eq!(stands(0), Some((Standing::Active, true)));
    assert_eq!(stands(25), Some((Standing::Suspended, true)));
    assert_eq!(stands(35), Some((Standing::Active, true)));
    assert_eq!(stands(45), Some((Standing::Active, false)));
    assert_eq!(stands(55), Some((Standing::Deleted, false)));
}

#[test]
fn an_app_that_is_none_of_ours_is_no_installation() {
    let strange = History::nothing().row(0, "installation.created", "unknown_app", json!({}));
    assert_eq!(fold(&strange.events, at(1)).installations.len(), 0);
}

proptest::proptest! {
    /// Rows come in any order; what they come to depends on their times only.
    #[test]
    fn the_order_of_rows_does_not_matter(order in proptest::sample::subsequence((0..6).collect::<Vec<usize>>(), 6).prop_shuffle()) {
        let log = History::installed_for_one()
            .installation(20, 1, "installation.suspend", json!({}))
            .installation(30, 1, "installation.unsuspend", json!({}))
            .row(35, "installation_target.renamed", "ok", json!({"changes": {"login": {"from": "old"}}}))
            .installation(40, 1, "installation.deleted", json!({}))
            .installation(50, 2, "installation.created", json!({}));
        let shuffled: Vec<Event> = order.iter().map(|index| log.events[*index].clone()).collect();
        proptest::prop_assert_eq!(fold(&shuffled, at(60)), fold(&log.events, at(60)));
    }
}

//! The world's promises, told as stories.

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::*;

const RISCV: &str = "ubuntu-24.04-riscv";
const ORG_APP: i64 = 2_167_633;
const PERSONAL_APP: i64 = 3_131_217;

fn at(seconds: i64) -> Time {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn quiet() -> GitHub {
    GitHub::new(&GitHubConfig::quiet(), 7, at(0))
}

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

fn organization(github: &GitHub, login: &str) -> Scope {
    Scope::Organization(github.account(login).unwrap().id)
}

fn repository(github: &GitHub, full_name: &str) -> Scope {
    Scope::Repository(github.repository(full_name).unwrap().id)
}

fn request(name: &str, labels: &[&str]) -> JitRequest {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    JitRequest {
        name: name.to_owned(),
        group: DEFAULT_GROUP,
        labels,
    }
}

/// Registers a runner and connects its process.
fn online(github: &mut GitHub, scope: Scope, name: &str, now: Time) -> RunnerId {
    let (id, config) = github
        .register_jit(scope, request(name, &[RISCV]), now)
        .unwrap();
    assert_eq!(github.runner_connect(&config, now), Ok(id));
    id
}

fn taken(poll: &Poll) -> Option<JobId> {
    match poll {
        Poll::Job(assigned) => Some(JobId(assigned.job_id)),
        Poll::Idle | Poll::Removed => None,
    }
}

/// `event.action` of all that is to be delivered.
fn outbox(github: &mut GitHub) -> Vec<String> {
    github
        .take_outbox()
        .iter()
        .map(|it| format!("{}.{}", it.event, it.action))
        .collect()
}

#[test]
fn an_organisations_job_lives_from_push_to_completion() {
    let mut github = quiet();
    let job = github
        .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(5), at(0))
        .unwrap();
    assert_eq!(outbox(&mut github), ["workflow_job.queued"]);
    let scope = organization(&github, "ggml-org");
    let runner = online(&mut github, scope, "r-1", at(1));
    let poll = github.runner_poll(runner, at(2));
    assert_eq!(taken(&poll), Some(job));
    assert_eq!(outbox(&mut github), ["workflow_job.in_progress"]);
    assert!(
        github
            .runner(runner)
            .unwrap()
            .reported_busy(seconds(0), at(2))
    );
    github.runner_finish(runner, "success", at(7));
    let events = github.take_outbox();
    assert_eq!(events.len(), 1);
    let payload = &events[0].payload;
    assert_eq!(payload["workflow_job"]["conclusion"], "success");
    assert_eq!(payload["workflow_job"]["runner_name"], "r-1");
    assert_eq!(payload["organization"]["login"], "ggml-org");
    assert_eq!(payload["installation"]["id"], events[0].installation.0);
    assert_eq!(
        github.runners().count(),
        0,
        "an ephemeral runner is gone after its job"
    );
    let history = github.job(job).unwrap().history.clone();
    assert_eq!(
        history,
        [
            (at(0), JobEvent::Queued),
            (at(2), JobEvent::Started(runner)),
            (at(7), JobEvent::Completed(Conclusion::Success)),
        ]
    );
    assert_eq!(github.next_due(), None, "nothing is left behind");
}

#[test]
fn the_oldest_job_that_fits_is_taken_first() {
    let mut github = quiet();
    let repo = "ggml-org/llama.cpp";
    let _bigger = github
        .queue_job(repo, &[RISCV, "xlarge"], seconds(1), at(0))
        .unwrap();
    let _unlabelled = github.queue_job(repo, &[], seconds(1), at(0)).unwrap();
    let first = github
        .queue_job(repo, &["Ubuntu-24.04-RISCV"], seconds(1), at(1))
        .unwrap();
    let second = github
        .queue_job("ggml-org/whisper.cpp", &[RISCV], seconds(1), at(2))
        .unwrap();
    let scope = organization(&github, "ggml-org");
    for expected in [Some(first), Some(second), None] {
        let runner = online(&mut github, scope, &format!("r-{expected:?}"), at(3));
        assert_eq!(taken(&github.runner_poll(runner, at(3))), expected);
    }
}

#[test]
fn runners_serve_only_their_scope() {
    let mut github = quiet();
    let job = github
        .queue_job("sandbox-ada/rv-notes", &[RISCV], seconds(1), at(0))
        .unwrap();
    let elsewhere = [
        organization(&github, "ggml-org"),
        repository(&github, "sandbox-ada/tinycc-rv"),
        repository(&github, "ggml-org/llama.cpp"),
    ];
    for (number, scope) in elsewhere.into_iter().enumerate() {
        let runner = online(&mut github, scope, &format!("r-{number}"), at(1));
        assert_eq!(github.runner_poll(runner, at(1)), Poll::Idle);
    }
    let scope = repository(&github, "sandbox-ada/rv-notes");
    let runner = online(&mut github, scope, "r", at(1));
    assert_eq!(taken(&github.runner_poll(runner, at(1))), Some(job));
}

#[test]
fn a_group_that_bars_public_repositories_leaves_its_runners_idle() {
    let mut github = quiet();
    let org = github.account("ggml-org").unwrap().id;
    let barred = github
        .create_group(org, "private", GroupVisibility::All, false)
        .unwrap();
    github
        .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(1), at(0))
        .unwrap();
    let request = JitRequest {
        group: barred.id,
        ..request("r", &[RISCV])
    };
    let (id, config) = github
        .register_jit(Scope::Organization(org), request, at(0))
        .unwrap();
    github.runner_connect(&config, at(0)).unwrap();
    assert_eq!(github.runner_poll(id, at(0)), Poll::Idle);
}

#[test]
fn a_plan_without_custom_groups_refuses_them() {
    let mut config = GitHubConfig::quiet();
    config.accounts[0].custom_groups = false;
    let mut github = GitHub::new(&config, 7, at(0));
    let org = github.account("ggml-org").unwrap().id;
    let made = github.create_group(org, "mine", GroupVisibility::All, true);
    assert_eq!(made.unwrap_err(), GroupRefused::NotInPlan);
    assert_eq!(github.groups(org).len(), 1);
}

#[test]
fn a_registration_works_once() {
    let mut github = quiet();
    let scope = organization(&github, "ggml-org");
    let (id, config) = github
        .register_jit(scope, request("r", &[RISCV]), at(0))
        .unwrap();
    assert!(!github.runner(id).unwrap().online());
    github.refuse_runner_version(true);
    assert_eq!(
        github.runner_connect(&config, at(0)),
        Err(ConnectRefused::VersionDeprecated)
    );
    github.refuse_runner_version(false);
    assert_eq!(github.runner_connect(&config, at(0)), Ok(id));
    assert!(github.runner(id).unwrap().online());
    assert_eq!(
        github.runner_connect(&config, at(1)),
        Err(ConnectRefused::AlreadyUsed)
    );
    github.delete_runner(scope, id, at(1)).unwrap();
    assert_eq!(
        github.runner_connect(&config, at(1)),
        Err(ConnectRefused::NotRegistered)
    );
    assert_eq!(github.runner_poll(id, at(1)), Poll::Removed);
    assert_eq!(
        github.runner_connect("bm90IGpzb24=", at(1)),
        Err(ConnectRefused::NotRegistered)
    );
}

#[test]
fn registrations_are_refused_as_github_refuses_them() {
    let mut github = quiet();
    let org = organization(&github, "ggml-org");
    let repo = repository(&github, "sandbox-ada/rv-notes");
    github
        .register_jit(org, request("taken", &[RISCV]), at(0))
        .unwrap();
    let many: Vec<&str> = std::iter::repeat_n("label", 101).collect();
    let long = "n".repeat(65);
    let other_group = JitRequest {
        group: GroupId(4),
        ..request("r", &[RISCV])
    };
    for (scope, request, expected) in [
        (org, request("Taken", &[RISCV]), JitRefused::NameTaken),
        (org, request("r", &[]), JitRefused::BadLabels),
        (org, request("r", &many), JitRefused::BadLabels),
        (org, request("r", &[""]), JitRefused::BadLabels),
        (org, request("", &[RISCV]), JitRefused::BadName),
        (org, request(&long, &[RISCV]), JitRefused::BadName),
        (org, other_group.clone(), JitRefused::NoGroup),
        (repo, other_group, JitRefused::NoGroup),
    ] {
        assert_eq!(github.register_jit(scope, request, at(0)), Err(expected));
    }
    // Names are unique in a scope only.
    github
        .register_jit(repo, request("taken", &[RISCV]), at(0))
        .unwrap();
}

#[test]
fn a_busy_runner_cannot_be_deleted_unless_lists_lag_behind() {
    let mut github = quiet();
    let scope = organization(&github, "ggml-org");
    let job = github
        .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(60), at(0))
        .unwrap();
    let runner = online(&mut github, scope, "r", at(0));
    github.runner_poll(runner, at(0));
    let busy = DeleteRefused::Busy("r".to_owned());
    assert_eq!(
        github.delete_runner(scope, runner, at(1)),
        Err(busy.clone())
    );
    github.set_busy_lag(seconds(30));
    assert_eq!(github.delete_runner(scope, runner, at(30)), Err(busy));
    assert_eq!(github.delete_runner(scope, runner, at(29)), Ok(()));
    assert_eq!(github.job_of(runner), Some(job), "its job goes on");
    github.runner_finish(runner, "failure", at(60));
    assert_eq!(
        github.job(job).unwrap().state,
        JobState::Completed(Conclusion::Failure)
    );
    let other = organization(&github, "sandbox-openkernel");
    let runner = online(&mut github, scope, "r", at(61));
    assert_eq!(
        github.delete_runner(other, runner, at(61)),
        Err(DeleteRefused::NotFound)
    );
}

#[test]
fn a_lost_runner_takes_its_job_with_it_ten_minutes_later() {
    let mut github = quiet();
    let scope = organization(&github, "ggml-org");
    let job = github
        .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(60), at(0))
        .unwrap();
    let runner = online(&mut github, scope, "r", at(0));
    github.runner_poll(runner, at(0));
    github.runner_lost(runner, at(5));
    assert!(!github.runner(runner).unwrap().online());
    assert_eq!(github.next_due(), Some(at(605)));
    github.run_due(at(604));
    assert_eq!(github.job(job).unwrap().state, JobState::InProgress);
    github.run_due(at(605));
    assert_eq!(
        github.job(job).unwrap().state,
        JobState::Completed(Conclusion::Failure)
    );
    assert_eq!(github.job(job).unwrap().completed_at, Some(at(605)));
    // The registration stays until somebody or the end of the day removes it.
    assert!(
        !github
            .runner(runner)
            .unwrap()
            .reported_busy(seconds(0), at(605))
    );
    github.run_due(at(5 + 24 * 3_600));
    assert!(github.runner(runner).is_none());
    assert_eq!(github.next_due(), None);
}

#[test]
fn what_nobody_uses_goes_after_a_day() {
    let mut github = quiet();
    let scope = organization(&github, "ggml-org");
    let (runner, _) = github
        .register_jit(scope, request("r", &[RISCV]), at(0))
        .unwrap();
    let job = github
        .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(1), at(10))
        .unwrap();
    github.run_due(at(24 * 3_600));
    assert!(github.runner(runner).is_none());
    assert_eq!(github.job(job).unwrap().state, JobState::Queued);
    github.run_due(at(24 * 3_600 + 10));
    assert_eq!(
        github.job(job).unwrap().state,
        JobState::Completed(Conclusion::Cancelled)
    );
}

#[test]
fn idle_runners_are_removed_early_if_the_rules_say_so() {
    let mut config = GitHubConfig::quiet();
    config.rules.idle_runner_after = Some(seconds(180));
    let mut github = GitHub::new(&config, 7, at(0));
    let scope = organization(&github, "ggml-org");
    let runner = online(&mut github, scope, "r", at(0));
    github.run_due(at(179));
    assert_eq!(github.runner_poll(runner, at(179)), Poll::Idle);
    github.run_due(at(180));
    assert_eq!(github.runner_poll(runner, at(180)), Poll::Removed);
}

#[test]
fn a_cancelled_job_ends_without_a_runner_or_with_its_runner() {
    let mut github = quiet();
    let scope = organization(&github, "ggml-org");
    let waiting = github
        .queue_job("ggml-org/llama.cpp", &["other"], seconds(1), at(0))
        .unwrap();
    let running = github
        .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(60), at(0))
        .unwrap();
    let runner = online(&mut github, scope, "r", at(0));
    github.runner_poll(runner, at(0));
    let _ = github.take_outbox();
    github.cancel_job(waiting, at(1)).unwrap();
    github.cancel_job(running, at(1)).unwrap();
    let ended = github.take_outbox();
    assert_eq!(ended[0].payload["workflow_job"]["runner_name"], "");
    assert_eq!(ended[1].payload["workflow_job"]["runner_name"], "r");
    for delivery in &ended {
        assert_eq!(delivery.payload["workflow_job"]["conclusion"], "cancelled");
    }
    assert!(github.runner(runner).is_none());
    github.runner_finish(runner, "success", at(2));
    assert_eq!(
        outbox(&mut github),
        [""; 0],
        "what the runner says later changes nothing"
    );
    assert!(github.cancel_job(JobId(1), at(2)).is_err());
}

#[test]
fn a_run_can_be_over_while_its_job_stays_queued() {
    let mut github = quiet();
    let job = github
        .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(1), at(0))
        .unwrap();
    let run = github.job(job).unwrap().run;
    assert_eq!(github.run_state(github.run(run).unwrap()), JobState::Queued);
    github.give_up_run(run).unwrap();
    let state = github.run_state(github.run(run).unwrap());
    assert_eq!(state, JobState::Completed(Conclusion::Cancelled));
    assert_eq!(github.job(job).unwrap().state, JobState::Queued);
}

#[test]
fn a_run_stands_where_its_jobs_stand() {
    let mut github = quiet();
    let scope = organization(&github, "ggml-org");
    let specs = [
        JobSpec::new(&[RISCV], seconds(1)),
        JobSpec::new(&[RISCV], seconds(1)),
    ];
    let run = github
        .queue_run("ggml-org/llama.cpp", &specs, at(0))
        .unwrap();
    let mut states = Vec::new();
    for (name, conclusion) in [("a", "success"), ("b", "failure")] {
        let runner = online(&mut github, scope, name, at(0));
        github.runner_poll(runner, at(0));
        github.runner_finish(runner, conclusion, at(1));
        states.push(github.run_state(github.run(run).unwrap()));
    }
    assert_eq!(
        states,
        [
            JobState::InProgress,
            JobState::Completed(Conclusion::Failure)
        ]
    );
}

#[test]
fn tokens_belong_to_an_app_and_an_installation_and_live_an_hour() {
    let mut github = quiet();
    let ggml = github.account("ggml-org").unwrap().id;
    let id = github.installation_on(ggml, ORG_APP).unwrap().id;
    assert_eq!(
        github.create_token(PERSONAL_APP, id, at(0)).unwrap_err(),
        TokenRefused::NotFound
    );
    let unknown = InstallationId(1);
    assert_eq!(
        github.create_token(ORG_APP, unknown, at(0)).unwrap_err(),
        TokenRefused::NotFound
    );
    let (secret, token) = github.create_token(ORG_APP, id, at(0)).unwrap();
    assert_eq!(token.expires_at, at(3_600));
    assert_eq!(github.authenticate(&secret, at(3_599)), Ok(id));
    assert_eq!(
        github.authenticate(&secret, at(3_600)),
        Err(TokenRejected::BadCredentials)
    );
    github.suspend("ggml-org", at(1)).unwrap();
    assert_eq!(
        github.authenticate(&secret, at(2)),
        Err(TokenRejected::Suspended)
    );
    assert_eq!(
        github.create_token(ORG_APP, id, at(2)).unwrap_err(),
        TokenRefused::Suspended
    );
    github.unsuspend("ggml-org", at(3)).unwrap();
    assert_eq!(github.authenticate(&secret, at(4)), Ok(id));
    github.uninstall("ggml-org", at(5)).unwrap();
    assert_eq!(
        github.authenticate(&secret, at(6)),
        Err(TokenRejected::BadCredentials)
    );
    assert_eq!(
        github.create_token(ORG_APP, id, at(6)).unwrap_err(),
        TokenRefused::NotFound
    );
    assert_eq!(
        outbox(&mut github),
        [
            "installation.suspend",
            "installation.unsuspend",
            "installation.deleted"
        ]
    );
    assert!(github.uninstall("ggml-org", at(7)).is_err());
    let again = github
        .install("ggml-org", AppKind::Organization, at(8))
        .unwrap();
    assert_ne!(again, id, "a reinstallation has a new id");
    assert_eq!(outbox(&mut github), ["installation.created"]);
}

#[test]
fn only_working_installations_hear_of_jobs() {
    let mut github = quiet();
    let heard = |change: &dyn Fn(&mut GitHub), github: &mut GitHub| {
        change(github);
        let _ = github.take_outbox();
        github
            .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(1), at(0))
            .unwrap();
        github.take_outbox().len()
    };
    assert_eq!(heard(&|_| {}, &mut github), 1);
    assert_eq!(
        heard(&|it| it.suspend("ggml-org", at(0)).unwrap(), &mut github),
        0
    );
    assert_eq!(
        heard(&|it| it.unsuspend("ggml-org", at(0)).unwrap(), &mut github),
        1
    );
    let other = "ggml-org/whisper.cpp";
    assert_eq!(
        heard(
            &|it| it.deselect_repository(other, at(0)).unwrap(),
            &mut github
        ),
        1
    );
    let own = "ggml-org/llama.cpp";
    assert_eq!(
        heard(
            &|it| it.deselect_repository(own, at(0)).unwrap(),
            &mut github
        ),
        0
    );
    let install = |it: &mut GitHub| {
        it.install("ggml-org", AppKind::Personal, at(0)).unwrap();
    };
    assert_eq!(
        heard(&install, &mut github),
        1,
        "the wrong App hears of jobs, too"
    );
    assert_eq!(
        heard(&|it| it.uninstall("ggml-org", at(0)).unwrap(), &mut github),
        0
    );
}

#[test]
fn attempts_are_listed_once_answered_and_can_be_repeated() {
    let mut github = quiet();
    github
        .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(1), at(0))
        .unwrap();
    let first = github.take_outbox().remove(0);
    assert_eq!(github.deliveries(ORG_APP).count(), 0);
    github.delivery_answered(first.id, DeliveryStatus::TimedOut, at(10));
    assert_eq!(github.deliveries(ORG_APP).count(), 1);
    assert_eq!(github.deliveries(PERSONAL_APP).count(), 0);
    assert!(github.redeliver(PERSONAL_APP, first.id, at(11)).is_err());
    let again = github.redeliver(ORG_APP, first.id, at(11)).unwrap();
    let second = github.take_outbox().remove(0);
    assert_eq!(
        (second.id, second.guid, second.redelivery),
        (again, first.guid, true)
    );
    assert_eq!(second.payload, first.payload);
    github.delivery_answered(second.id, DeliveryStatus::Answered(200), at(12));
    let listed: Vec<_> = github.deliveries(ORG_APP).map(|it| it.id).collect();
    assert_eq!(listed, [second.id, first.id], "newest first");
}

#[test]
fn only_the_last_attempts_are_remembered() {
    let mut config = GitHubConfig::quiet();
    config.rules.deliveries_kept = 5;
    let mut github = GitHub::new(&config, 7, at(0));
    for _ in 0..9 {
        github
            .queue_job("ggml-org/llama.cpp", &[RISCV], seconds(1), at(0))
            .unwrap();
        for delivery in github.take_outbox() {
            github.delivery_answered(delivery.id, DeliveryStatus::Answered(200), at(0));
        }
    }
    assert_eq!(github.deliveries(ORG_APP).count(), 5);
}

#[test]
fn requests_are_counted_by_the_hour() {
    let mut github = quiet();
    let caller = Caller::App(ORG_APP);
    for _ in 0..3 {
        github.count_request(caller, 1, at(10));
    }
    let limit = github.rate_limit(caller, at(20));
    assert_eq!(
        (limit.used, limit.remaining(), limit.reset),
        (3, 4_997, at(3_610))
    );
    assert_eq!(github.rate_limit(caller, at(3_610)).used, 0);
    github.set_request_limit(2);
    assert_eq!(github.rate_limit(caller, at(20)).remaining(), 0);
    assert_eq!(github.rate_limit(Caller::Anonymous, at(20)).limit, 60);
}

#[test]
fn points_are_counted_by_the_minute() {
    let mut github = quiet();
    let caller = Caller::App(ORG_APP);
    github.set_points_limit(Some(10));
    assert_eq!(github.allowance(caller, 5, at(0)), Allowance::Granted);
    github.count_request(caller, 5, at(0));
    github.count_request(caller, 5, at(1));
    assert_eq!(
        github.allowance(caller, 1, at(20)),
        Allowance::TooFast(seconds(40))
    );
    assert_eq!(github.allowance(caller, 1, at(60)), Allowance::Granted);
    github.set_request_limit(2);
    assert_eq!(github.allowance(caller, 1, at(60)), Allowance::Exhausted);
}

#[test]
fn a_renamed_account_keeps_its_installation_and_repositories() {
    let mut github = quiet();
    let before = github.account("ggml-org").unwrap().id;
    github
        .rename_account("ggml-org", "llama-org", at(1))
        .unwrap();
    assert!(github.account("ggml-org").is_none());
    assert_eq!(github.account("llama-org").unwrap().id, before);
    let renamed = github.take_outbox().remove(0);
    assert_eq!(renamed.payload["changes"]["login"]["from"], "ggml-org");
    github
        .queue_job("llama-org/llama.cpp", &[RISCV], seconds(1), at(2))
        .unwrap();
    let queued = github.take_outbox().remove(0);
    assert_eq!(
        queued.payload["repository"]["full_name"],
        "llama-org/llama.cpp"
    );
}

#[test]
fn a_faster_world_has_shorter_durations() {
    let config = GitHubConfig::default().at_speed(10);
    assert_eq!(config.rules.token_life, seconds(360));
    assert_eq!(config.traffic.unwrap().every, TimeDelta::milliseconds(200));
    assert_eq!(
        GitHubConfig::default().at_speed(0).rules.token_life,
        seconds(3_600)
    );
}

/// Everything that the outside hears of some busy minutes, as text.
fn busy_minutes(seed: u64, meddle: bool) -> Vec<String> {
    let mut github = GitHub::new(&GitHubConfig::default(), seed, at(0));
    let scopes: Vec<Scope> = github
        .repositories()
        .map(|repository| Scope::Repository(repository.id))
        .collect();
    let mut told = Vec::new();
    for minute in 1..20 {
        github.run_due(at(60 * minute));
        if meddle {
            for (number, scope) in scopes.iter().enumerate() {
                let name = format!("r-{minute}-{number}");
                let runner = online(&mut github, *scope, &name, at(60 * minute));
                github.runner_poll(runner, at(60 * minute));
                github.runner_finish(runner, "success", at(60 * minute + 5));
            }
        }
        let heard = github.take_outbox();
        told.extend(
            heard
                .iter()
                .map(|it| format!("{} {} {}", it.id.0, it.guid, it.payload)),
        );
    }
    told
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = busy_minutes(3, true);
    assert!(story.len() > 500, "{} events", story.len());
    assert!(
        story == busy_minutes(3, true),
        "the same seed told two stories"
    );
    assert!(story != busy_minutes(4, true), "two seeds told one story");
}

#[test]
fn services_do_not_change_the_traffic() {
    let queued = |story: &[String]| -> Vec<(String, String)> {
        let payloads = story.iter().filter_map(|line| line.splitn(3, ' ').nth(2));
        let payloads = payloads.map(|it| serde_json::from_str::<serde_json::Value>(it).unwrap());
        payloads
            .filter(|payload| payload["action"] == "queued")
            .map(|payload| {
                let job = &payload["workflow_job"];
                (
                    payload["repository"]["full_name"].to_string(),
                    job["created_at"].to_string(),
                )
            })
            .collect()
    };
    assert!(queued(&busy_minutes(3, true)) == queued(&busy_minutes(3, false)));
}

#[test]
fn traffic_comes_at_the_rate_that_was_asked_for_and_stops() {
    let mut github = GitHub::new(&GitHubConfig::default(), 11, at(0));
    github.run_due(at(3_600));
    let jobs = github.jobs().count();
    assert!(
        (1_650..1_950).contains(&jobs),
        "{jobs} jobs in an hour at one in 2 s"
    );
    for job in github.jobs() {
        assert!((2_000..=6_000).contains(&job.runs_for.num_milliseconds()));
    }
    github.stop_traffic();
    github.run_due(at(7_200));
    assert_eq!(github.jobs().count(), jobs);
}

/// What services, runners and people do in the property below.
#[derive(Debug, Clone)]
enum Act {
    Queue(usize),
    Register(usize),
    Poll(usize),
    Finish(usize),
    Lose(usize),
    Delete(usize),
    Cancel(usize),
    Pass(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0_usize..10).prop_map(Act::Queue),
        (0_usize..10).prop_map(Act::Register),
        (0_usize..10).prop_map(Act::Register),
        any::<usize>().prop_map(Act::Poll),
        any::<usize>().prop_map(Act::Poll),
        any::<usize>().prop_map(Act::Finish),
        any::<usize>().prop_map(Act::Lose),
        any::<usize>().prop_map(Act::Delete),
        any::<usize>().prop_map(Act::Cancel),
        (1_i64..900).prop_map(Act::Pass),
    ]
}

fn perform(github: &mut GitHub, runners: &mut Vec<(Scope, RunnerId)>, act: &Act, now: Time) {
    let chosen = |index: usize, runners: &[(Scope, RunnerId)]| {
        (!runners.is_empty()).then(|| runners[index % runners.len()])
    };
    let repositories: Vec<_> = github.repositories().cloned().collect();
    match act {
        Act::Queue(index) => {
            let name = github.full_name(&repositories[index % repositories.len()]);
            github.queue_job(&name, &[RISCV], seconds(5), now).unwrap();
        }
        Act::Register(index) => {
            let repository = &repositories[index % repositories.len()];
            let scope = match github.account_by_id(repository.owner).unwrap().kind {
                AccountKind::Organization => Scope::Organization(repository.owner),
                AccountKind::User => Scope::Repository(repository.id),
            };
            let name = format!("r-{}", runners.len());
            runners.push((scope, online(github, scope, &name, now)));
        }
        Act::Poll(index) => {
            if let Some((_, runner)) = chosen(*index, runners) {
                github.runner_poll(runner, now);
            }
        }
        Act::Finish(index) => {
            if let Some((_, runner)) = chosen(*index, runners) {
                github.runner_finish(runner, "success", now);
            }
        }
        Act::Lose(index) => {
            if let Some((_, runner)) = chosen(*index, runners) {
                github.runner_lost(runner, now);
            }
        }
        Act::Delete(index) => {
            if let Some((scope, runner)) = chosen(*index, runners) {
                let _ = github.delete_runner(scope, runner, now);
            }
        }
        Act::Cancel(index) => {
            let jobs: Vec<_> = github.jobs().map(|job| job.id).collect();
            if !jobs.is_empty() {
                github.cancel_job(jobs[index % jobs.len()], now).unwrap();
            }
        }
        Act::Pass(_) => {}
    }
}

proptest! {
    /// Whatever happens: a job is started at most once and ends at most once, in that order; its state is what its history
    /// says; a runner has one job in its life; what runs has a runner's process or will be given up.
    #[test]
    fn jobs_live_once(acts in prop::collection::vec(act(), 1..80), lag in 0_i64..60) {
        let mut github = quiet();
        github.set_busy_lag(seconds(lag));
        let mut runners = Vec::new();
        let mut now = at(0);
        for act in &acts {
            if let Act::Pass(pause) = act {
                now += seconds(*pause);
            }
            github.run_due(now);
            perform(&mut github, &mut runners, act, now);
        }
        let mut started_by = BTreeSet::new();
        for job in github.jobs() {
            let starts: Vec<_> = job.history.iter().filter_map(|(_, event)| match event {
                JobEvent::Started(runner) => Some(*runner),
                JobEvent::Queued | JobEvent::RunnerLost(_) | JobEvent::Completed(_) => None,
            }).collect();
            prop_assert!(starts.len() <= 1);
            for runner in starts {
                prop_assert!(started_by.insert(runner), "a runner had two jobs");
            }
            let ends = job.history.iter().filter(|(_, event)| matches!(event, JobEvent::Completed(_)));
            prop_assert_eq!(ends.count(), usize::from(job.state.conclusion().is_some()));
            if job.state.conclusion().is_some() {
                prop_assert!(matches!(job.history.last(), Some((_, JobEvent::Completed(_)))));
            }
            prop_assert_eq!(job.state == JobState::Queued, github.queued.contains(&job.id));
        }
        // A day later everything that was left alone is over.
        github.run_due(now + seconds(2 * 24 * 3_600));
        for job in github.jobs().filter(|job| job.state == JobState::InProgress) {
            let runner = job.runner.as_ref().unwrap().id;
            prop_assert_eq!(github.job_of(runner), Some(job.id), "a job runs nowhere");
        }
    }
}

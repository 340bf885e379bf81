//! The calls of a worker's life, against the pretend GitHub.

use http::StatusCode;
use rise_model::dependencies::Party;
use rise_model::github::{GroupChoice, JobStatus, RunnerStatus};
use rise_model::span::Span;
use rise_model::{EntityKind, InstallationId, JobId, RunnerGroupId, Time};
use sandbox::doors::faults::Fault;
use sandbox::world::github::{GitHubConfig, GroupVisibility};
use secrecy::ExposeSecret;
use serde_json::json;

use super::support::{
    GROUP, ORG, ORG_REPO, USER_REPO, is_not_found, labels, open, open_with, org, soon, user_repo,
};
use crate::github::{Access, Attempts, GitHubErrorKind, Operation, RateLimit, RunnerDeletion};

#[tokio::test]
async fn an_organisations_runner_from_group_to_removal() {
    let it = open().await;
    let access = it.access(ORG);
    let made = it
        .github
        .ensure_runner_group(access, ORG, GROUP)
        .await
        .unwrap();
    assert_eq!(made.choice, GroupChoice::Configured);
    let found = it
        .github
        .ensure_runner_group(access, ORG, GROUP)
        .await
        .unwrap();
    assert_eq!(found, made, "the second time it is found");

    let name = "rise-riscv-runner-abc123xyz".into();
    let jit = it
        .github
        .create_jit_config(access, &org(), &name, made.id, &labels())
        .await
        .unwrap();
    assert!(!format!("{jit:?}").contains(jit.encoded.expose_secret()));
    let again = it
        .github
        .create_jit_config(access, &org(), &name, made.id, &labels())
        .await
        .unwrap_err();
    assert!(
        matches!(again.kind(), GitHubErrorKind::Conflict { .. }),
        "{again}"
    );
    assert!(!again.answer_unknown());

    for group in [None, Some(made.id)] {
        let runners = it.github.list_runners(access, &org(), group).await.unwrap();
        let names: Vec<_> = runners.iter().map(|runner| runner.name.as_str()).collect();
        assert_eq!(names, [name.as_str()]);
    }
    let runner = it
        .github
        .find_runner(access, &org(), &name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(runner.id, jit.runner_id);
    assert_eq!(runner.status, RunnerStatus::Offline);
    assert_eq!(
        runner,
        it.github
            .get_runner(access, &org(), runner.id)
            .await
            .unwrap()
    );

    for expected in [RunnerDeletion::Deleted, RunnerDeletion::Absent] {
        let deletion = it.github.delete_runner(access, &org(), runner.id).await;
        assert_eq!(deletion.unwrap(), expected);
    }
    assert_eq!(
        it.github.find_runner(access, &org(), &name).await.unwrap(),
        None
    );
    it.assert_as_described();
}

#[tokio::test]
async fn a_personal_accounts_job_on_its_repositorys_runner() {
    let it = open().await;
    let access = it.access("sandbox-ada");
    assert_eq!(access.kind, EntityKind::User);
    let job = it.queue(USER_REPO);
    let queued = it.github.get_job(access, USER_REPO, job).await.unwrap();
    assert_eq!(
        (queued.status, queued.runner_name.clone()),
        (JobStatus::Queued, None)
    );
    let runs = it.github.list_queued_runs(access, USER_REPO).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| run.id).collect::<Vec<_>>(),
        [queued.run_id]
    );

    let name = "rise-riscv-runner-user00001".into();
    let jit = it
        .github
        .create_jit_config(access, &user_repo(), &name, RunnerGroupId(77), &labels())
        .await
        .unwrap();
    it.start_runner(jit.encoded.expose_secret());

    let runner = it
        .github
        .get_runner(access, &user_repo(), jit.runner_id)
        .await
        .unwrap();
    assert_eq!((runner.status, runner.busy), (RunnerStatus::Online, true));
    let deletion = it
        .github
        .delete_runner(access, &user_repo(), runner.id)
        .await
        .unwrap();
    assert_eq!(deletion, RunnerDeletion::Busy);
    let running = it.github.get_job(access, USER_REPO, job).await.unwrap();
    assert_eq!(running.status, JobStatus::InProgress);
    assert_eq!(running.runner_name.as_deref(), Some(name.as_str()));
    for attempts in [Attempts::Latest, Attempts::All] {
        let jobs = it
            .github
            .list_run_jobs(access, USER_REPO, running.run_id, attempts)
            .await
            .unwrap();
        assert_eq!(jobs, std::slice::from_ref(&running));
    }
    let run = it
        .github
        .get_run(access, USER_REPO, running.run_id)
        .await
        .unwrap();
    assert!(!run.is_over());
    it.assert_as_described();
}

#[tokio::test]
async fn installations_are_found_by_id_and_by_what_they_cover() {
    let it = open().await;
    let access = it.access(ORG);
    let by_id = it
        .github
        .installation(access.kind, access.installation)
        .await
        .unwrap();
    let account = by_id.account.clone().unwrap();
    assert_eq!(
        (account.login.as_str(), account.entity_kind()),
        (ORG, Some(access.kind))
    );
    assert_eq!(by_id, it.github.org_installation(ORG).await.unwrap());
    assert_eq!(
        by_id,
        it.github
            .repo_installation(access.kind, ORG_REPO)
            .await
            .unwrap()
    );
    let other_app = it
        .github
        .installation(EntityKind::User, access.installation)
        .await;
    assert!(is_not_found(other_app.unwrap_err().kind()));
    let unknown = it.github.org_installation("nobody").await.unwrap_err();
    assert!(is_not_found(unknown.kind()));
    it.assert_as_described();
}

#[tokio::test]
async fn a_plan_without_groups_means_the_default_group() {
    let mut world = GitHubConfig::quiet();
    world.accounts[0].custom_groups = false;
    let it = open_with(world, Span::seconds(10)).await;
    let group = it
        .github
        .ensure_runner_group(it.access(ORG), ORG, GROUP)
        .await
        .unwrap();
    assert_eq!(
        (group.id, group.choice),
        (RunnerGroupId(1), GroupChoice::Default)
    );
}

#[tokio::test]
async fn a_missing_permission_is_no_plan_without_groups() {
    let it = open().await;
    let refusal = json!({"message": "Resource not accessible by integration"});
    let _armed = it.doors.github().faults().arm(
        "create_runner_group",
        Fault::Refuse(StatusCode::FORBIDDEN, refusal),
        1,
    );
    let error = it
        .github
        .ensure_runner_group(it.access(ORG), ORG, GROUP)
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), GitHubErrorKind::Forbidden { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn two_creators_of_a_group_end_with_one() {
    let it = open().await;
    let access = it.access(ORG);
    let mut held = it
        .doors
        .github()
        .faults()
        .arm("create_runner_group", Fault::Hold, 1);
    let other = async {
        held.met(1).await;
        let made = it.doors.world().with(|world| {
            let id = world.github.account(ORG).unwrap().id;
            let all = GroupVisibility::All;
            world.github.create_group(id, GROUP, all, true).unwrap()
        });
        held.release();
        made
    };
    let ours = it.github.ensure_runner_group(access, ORG, GROUP);
    let (ours, other) = soon(Box::pin(async { tokio::join!(ours, other) })).await;
    assert_eq!(ours.unwrap().id.0, other.id.0);
}

#[tokio::test]
async fn a_lost_answer_is_told_from_a_refusal_and_nothing_is_sent_twice() {
    let it = open().await;
    let access = it.access(ORG);
    let name = "rise-riscv-runner-lost00001".into();
    let _lost = it
        .doors
        .github()
        .faults()
        .arm("create_jit_config", Fault::LoseAnswer, 1);
    let error = it
        .github
        .create_jit_config(access, &org(), &name, RunnerGroupId(1), &labels())
        .await
        .unwrap_err();
    assert!(
        error.answer_unknown() && error.is_dependency_trouble(),
        "{error:?}"
    );
    assert_eq!(error.operation(), Operation::CreateJitConfig);
    assert_eq!(it.asked("create_jit_config"), 1);
    let there = it.github.find_runner(access, &org(), &name).await.unwrap();
    assert!(there.is_some(), "it had happened");
}

#[tokio::test]
async fn a_call_without_answer_ends_in_time() {
    let it = open_with(GitHubConfig::quiet(), Span::seconds(1)).await;
    let access = it.access(ORG);
    soon(it.github.check_token(access)).await.unwrap();
    let _held = it.doors.github().faults().arm("get_job", Fault::Hold, 1);
    let error = soon(it.github.get_job(access, ORG_REPO, JobId(1)))
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), GitHubErrorKind::TimedOut), "{error}");
}

#[tokio::test]
async fn an_answer_of_5xx_leaves_doubt_and_is_not_asked_again() {
    let it = open().await;
    let refusal = Fault::Refuse(StatusCode::BAD_GATEWAY, json!({}));
    let _armed = it
        .doors
        .github()
        .faults()
        .arm("create_jit_config", refusal, 1);
    let error = it
        .github
        .create_jit_config(
            it.access(ORG),
            &org(),
            &"r".into(),
            RunnerGroupId(1),
            &labels(),
        )
        .await
        .unwrap_err();
    assert!(matches!(
        error.kind(),
        GitHubErrorKind::Server { status: 502 }
    ));
    assert!(error.answer_unknown());
    assert_eq!(it.asked("create_jit_config"), 1);
}

#[tokio::test]
async fn the_budget_is_known_and_its_end_is_told() {
    let it = open().await;
    let access = it.access(ORG);
    let party = Party::Installation(access.kind, access.installation);
    assert_eq!(it.github.budget(party), None);
    it.github.list_runners(access, &org(), None).await.unwrap();
    let budget = it.github.budget(party).unwrap();
    let of_the_app = it.github.budget(Party::App(access.kind)).unwrap();
    assert_eq!(of_the_app.remaining, 4_999, "the token is the App's call");
    assert_eq!((budget.limit, budget.remaining), (5_000, 4_999));
    it.doors
        .world()
        .with(|world| world.github.set_request_limit(1));
    let error = it
        .github
        .list_runners(access, &org(), None)
        .await
        .unwrap_err();
    match error.kind() {
        GitHubErrorKind::RateLimited { until, limit } => {
            assert_eq!(
                (*until, *limit),
                (Some(budget.resets_at), RateLimit::Primary)
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(!error.answer_unknown());
    assert_eq!(it.github.budget(party).unwrap().remaining, 0);
}

#[tokio::test]
async fn too_much_at_once_is_told_with_the_time_to_wait() {
    let it = open().await;
    let access = it.access(ORG);
    // GitHub takes about 180 of these a minute.
    let (org, labels, group) = (org(), labels(), RunnerGroupId(1));
    let mut refused = None;
    for number in 0..300 {
        let name = format!("r-{number}");
        let name = name.as_str().into();
        let made = it
            .github
            .create_jit_config(access, &org, &name, group, &labels)
            .await;
        if let Err(error) = made {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.unwrap();
    match refused.kind() {
        GitHubErrorKind::RateLimited { until, limit } => {
            assert_eq!(*limit, RateLimit::Secondary);
            assert!(until.unwrap() > Time::from(std::time::SystemTime::now()));
        }
        other => panic!("{other:?}"),
    }
    assert!(refused.is_dependency_trouble() && !refused.answer_unknown());
}

#[tokio::test]
async fn a_gone_or_suspended_installation_is_told_at_its_token() {
    let it = open().await;
    let access = it.access(ORG);
    it.doors.world().with(|world| {
        let now = world.now();
        world.github.suspend(ORG, now).unwrap();
    });
    let error = it
        .github
        .list_runners(access, &org(), None)
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), GitHubErrorKind::Suspended),
        "{error}"
    );
    assert_eq!(error.operation(), Operation::CreateInstallationToken);
    it.doors.world().with(|world| {
        let now = world.now();
        world.github.uninstall(ORG, now).unwrap();
    });
    let error = it.github.check_token(access).await.unwrap_err();
    assert!(is_not_found(error.kind()), "{error}");
    let wrong_app = Access {
        kind: EntityKind::User,
        installation: InstallationId(access.installation.0),
    };
    let error = it.github.check_token(wrong_app).await.unwrap_err();
    assert!(is_not_found(error.kind()), "{error}");
}

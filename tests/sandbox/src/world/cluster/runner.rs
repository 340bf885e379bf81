//! The process in a pod's container: the runner, which connects to GitHub with its JIT configuration, asks for work,
//! runs one job and ends; or something else (a probe), which prints a few lines and ends.

use std::collections::VecDeque;

use rand::Rng;

use super::Cluster;
use super::config::Span;
use super::events::nanos;
use super::pod::{Behaviour, PodId, Process, Work};
use super::report::{BusyKill, KillCause};
use super::timers::Step;
use crate::world::Time;
use crate::world::github::{Assigned, ConnectRefused, GitHub, JobId, Poll, RunnerId};

/// What dockerd says when it cannot start.
const NO_DOCKER: &str =
    "failed to start daemon: error initializing graphdriver: no space left on device";

/// How the runner's own process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Well,
    Error,
}

impl Cluster {
    /// How the container that starts now will behave: what was ordered for the next pod, else for its board, else chance.
    pub(super) fn draw_behaviour(&mut self, id: PodId) -> Behaviour {
        let Some(pod) = self.pods.get(&id) else {
            return Behaviour::Normal;
        };
        if pod.jit_config.is_none() {
            return Behaviour::Normal;
        }
        let ordered = VecDeque::pop_front(&mut self.next_behaviours);
        let of_board = || {
            pod.node()
                .and_then(|node| self.boards.get(node))
                .and_then(|board| board.behaviour)
        };
        if let Some(behaviour) = ordered.or_else(of_board) {
            return behaviour;
        }
        match self
            .rng
            .random_bool(self.config.fail_before_job.clamp(0.0, 1.0))
        {
            true => Behaviour::FailsBeforeJob,
            false => Behaviour::Normal,
        }
    }

    /// The container runs: its process begins.
    pub(super) fn process_begins(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        if pod.jit_config.is_none() {
            let after = self.takes(id, self.config.timings.plain);
            return self.plain_output(id, after, now);
        }
        let behaviour = pod.behaviour;
        for (level, message) in [
            ("info", "starting containerd"),
            ("info", "containerd successfully booted"),
            ("info", "Starting up"),
            ("info", "Loading containers: done."),
            ("info", "API listen on /var/run/docker.sock"),
        ] {
            self.say(
                id,
                format!("time=\"{}\" level={level} msg=\"{message}\"", nanos(now)),
                now,
            );
        }
        let after = self.takes(id, self.config.timings.connect);
        match behaviour {
            Behaviour::Normal | Behaviour::HangsAfterJob => {
                self.next_step(id, Step::Connect, after, now);
            }
            Behaviour::FailsBeforeJob => {
                self.say(id, NO_DOCKER, now);
                self.next_step(id, Step::Exit(1), after, now);
            }
            Behaviour::DockerNotReady => {
                self.say(id, NO_DOCKER, now);
                self.say(id, "Waiting for docker to be ready.", now);
                self.next_step(id, Step::Exit(0), after, now);
            }
            Behaviour::NeverRegisters => {}
        }
    }

    fn plain_output(&mut self, id: PodId, after: chrono::TimeDelta, now: Time) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        let of_board = pod
            .node()
            .and_then(|node| self.boards.get(node))
            .and_then(|board| board.plain.clone());
        let (lines, exit) = of_board.unwrap_or_else(|| (self.config.plain_output.clone(), 0));
        for line in lines {
            self.say(id, line, now);
        }
        self.next_step(id, Step::Exit(exit), after, now);
    }

    pub(super) fn runner_connects(&mut self, id: PodId, github: &mut GitHub, now: Time) {
        let Some(jit_config) = self.pods.get(&id).and_then(|pod| pod.jit_config.clone()) else {
            return;
        };
        let version = self.config.runner_version.clone();
        self.say(id, "Waiting for docker to be ready.", now);
        self.say(id, "Docker is ready.", now);
        let answer = github.runner_connect(&jit_config, now);
        self.say(id, "√ Connected to GitHub", now);
        match answer {
            Ok(runner) => {
                self.say(id, "", now);
                self.say(id, format!("Current runner version: '{version}'"), now);
                if let Some(day) = self.version_ends.clone() {
                    self.say(
                        id,
                        format!(
                            "Runner Version {version} will no longer be able to run jobs on {day}, \
                             please update your runner version"
                        ),
                        now,
                    );
                }
                self.say(id, format!("{}: Listening for Jobs", second(now)), now);
                if let Some(pod) = self.pods.get_mut(&id) {
                    pod.process = Process::Idle { runner };
                }
                self.runner_asks(id, github, now);
            }
            Err(refused) => {
                self.say(id, refusal(refused, &version), now);
                self.runner_exits(id, Exit::Error, now);
            }
        }
    }

    /// An idle runner asks for work.
    pub(super) fn runner_asks(&mut self, id: PodId, github: &mut GitHub, now: Time) {
        let Some(Process::Idle { runner }) = self.pods.get(&id).map(|pod| pod.process.clone())
        else {
            return;
        };
        match github.runner_poll(runner, now) {
            Poll::Idle => self.next_step(id, Step::Poll, self.config.timings.poll, now),
            Poll::Removed => {
                self.say(id, refusal(ConnectRefused::NotRegistered, ""), now);
                self.runner_exits(id, Exit::Well, now);
            }
            Poll::Job(job) => self.job_begins(id, runner, job, now),
        }
    }

    fn job_begins(&mut self, id: PodId, runner: RunnerId, job: Assigned, now: Time) {
        self.say(
            id,
            format!("{}: Running job: {}", second(now), job.name),
            now,
        );
        let ends = now + job.runs_for * self.slowness(id);
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.process = Process::Busy(Work {
                runner,
                job_id: JobId(job.job_id),
                name: job.name,
                conclusion: job.conclusion,
                ends,
            });
        }
        self.next_step(
            id,
            Step::Work,
            (ends - now).min(self.config.timings.heartbeat),
            now,
        );
    }

    /// A busy runner gets on: its job has ended, was cancelled meanwhile, or goes on.
    pub(super) fn runner_works(&mut self, id: PodId, github: &mut GitHub, now: Time) {
        let Some(Process::Busy(work)) = self.pods.get(&id).map(|pod| pod.process.clone()) else {
            return;
        };
        let cancelled = github.job_of(work.runner) != Some(work.job_id);
        if !cancelled && now < work.ends {
            let pause = (work.ends - now).min(self.config.timings.heartbeat);
            return self.next_step(id, Step::Work, pause, now);
        }
        if !cancelled {
            github.runner_finish(work.runner, &work.conclusion, now);
        }
        let result = match work.conclusion.as_str() {
            _ if cancelled => "Canceled",
            "success" => "Succeeded",
            "cancelled" => "Canceled",
            _ => "Failed",
        };
        self.say(
            id,
            format!(
                "{}: Job {} completed with result: {result}",
                second(now),
                work.name
            ),
            now,
        );
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.process = Process::Other;
        if pod.behaviour != Behaviour::HangsAfterJob {
            self.say(id, "√ Removed .credentials", now);
            self.say(id, "√ Removed .runner", now);
            self.runner_exits(id, Exit::Well, now);
        }
    }

    /// The runner is done. The image's entrypoint ends well whatever the runner's own exit status was.
    fn runner_exits(&mut self, id: PodId, how: Exit, now: Time) {
        let word = match how {
            Exit::Well => "0 return code",
            Exit::Error => "terminated error",
        };
        self.say(
            id,
            format!("Runner listener exit with {word}, stop the service, no retry needed."),
            now,
        );
        self.say(id, "Exiting runner...", now);
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.process = Process::Other;
        }
        let after = self.takes(id, self.config.timings.exit);
        self.next_step(id, Step::Exit(0), after, now);
    }

    /// The process dies without a word to GitHub.
    pub(super) fn process_lost(
        &mut self,
        id: PodId,
        cause: KillCause,
        github: &mut GitHub,
        now: Time,
    ) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        let process = std::mem::replace(&mut pod.process, Process::None);
        let (name, node) = (
            pod.key.name.clone(),
            pod.node().unwrap_or_default().to_owned(),
        );
        let runner = match process {
            Process::None | Process::Other => return,
            Process::Idle { runner } => runner,
            Process::Busy(Work { runner, job_id, .. }) => {
                // A job that was cancelled before is not lost by this.
                if github.job_of(runner) == Some(job_id) {
                    let (pod, job_id) = (name, job_id.0);
                    self.report.jobs_killed.push(BusyKill {
                        pod,
                        node,
                        job_id,
                        cause,
                        at: now,
                    });
                }
                runner
            }
        };
        github.runner_lost(runner, now);
    }

    fn say(&mut self, id: PodId, line: impl Into<String>, now: Time) {
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.log.write(now, line);
        }
    }

    /// How long something takes on the board of this pod.
    pub(super) fn takes(&mut self, id: PodId, span: Span) -> chrono::TimeDelta {
        span.sample(&mut self.rng) * self.slowness(id)
    }

    fn slowness(&self, id: PodId) -> i32 {
        let board = self
            .pods
            .get(&id)
            .and_then(|pod| pod.node())
            .and_then(|node| self.boards.get(node));
        board.map_or(1, |board| board.slow)
    }
}

/// What a runner prints that is not let in.
fn refusal(why: ConnectRefused, version: &str) -> String {
    match why {
        ConnectRefused::NotRegistered => {
            "Failed to create a session. The runner registration has been deleted from the server, please re-configure."
                .to_owned()
        }
        ConnectRefused::AlreadyUsed => "A session for this runner already exists.".to_owned(),
        ConnectRefused::VersionDeprecated => {
            format!("An error occurred: Runner version v{version} is deprecated and cannot receive messages.")
        }
    }
}

/// The time at the beginning of a runner's own lines.
fn second(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

//! What a runner's log proves: whether a job began and whether it ended.
//!
//! The runner and the container engine write to one stream, so a log is long and full of foreign lines. It is read
//! piece by piece in bounded memory. The scanner leans to one side: a line that might be a job's beginning counts as one, a line
//! that might be a job's end does not, because a pod is killed on the strength of what was not found.

use serde::{Deserialize, Serialize};

use crate::Time;

/// The part of a line that is looked at. The runner's marks stand at a line's beginning; a job's name may be long.
const LINE_BYTES: usize = 4096;
/// A log whose first line is at most this much younger than its container begins at the container's start.
const FIRST_LINE_WITHIN: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

const RUNNING: &str = "Running job: ";
const COMPLETED: &str = " completed with result: ";

/// What the log says of jobs. A just-in-time runner takes one; the last one counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoggedJob {
    /// No job began.
    #[default]
    None,
    /// A job began and its end is not there.
    Running {
        /// The job's name.
        name: String,
        /// When the line was written.
        at: Option<Time>,
    },
    /// A job ended.
    Completed {
        /// The job's name.
        name: String,
        /// The runner's word: `Succeeded`, `Failed`, `Canceled`.
        result: String,
        /// When the line was written.
        at: Option<Time>,
    },
}

/// What the log says of the container engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoggedDocker {
    /// Nothing.
    #[default]
    Unmentioned,
    /// The runner waits for it.
    Awaited,
    /// It answered.
    Ready,
}

/// Why a runner ended without a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// GitHub refuses this version of the runner.
    RunnerVersionRefused,
    /// GitHub removed its registration.
    RunnerRemovedByGithub,
    /// GitHub did not let it connect.
    RegistrationRefused,
    /// The container engine did not start.
    DockerNotReady,
}

impl ExitCause {
    /// The reason in `failure_info`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunnerVersionRefused => "runner_version_refused",
            Self::RunnerRemovedByGithub => "runner_removed_by_github",
            Self::RegistrationRefused => "registration_refused",
            Self::DockerNotReady => "docker_not_ready",
        }
    }
}

/// Lines of the runner and the container engine that tell why it ends, as they write them.
const CAUSES: [(&str, ExitCause); 8] = [
    (
        "is deprecated and cannot receive messages",
        ExitCause::RunnerVersionRefused,
    ),
    (
        "runner registration has been deleted from the server",
        ExitCause::RunnerRemovedByGithub,
    ),
    ("Failed to create session.", ExitCause::RegistrationRefused),
    (
        "A session for this runner already exists",
        ExitCause::RegistrationRefused,
    ),
    (
        "Http response code: NotFound from",
        ExitCause::RegistrationRefused,
    ),
    (
        "Http response code: Unauthorized from",
        ExitCause::RegistrationRefused,
    ),
    ("failed to start daemon:", ExitCause::DockerNotReady),
    (
        "Cannot connect to the Docker daemon",
        ExitCause::DockerNotReady,
    ),
];

/// What a whole reading of a log found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogEvidence {
    /// How much was read.
    pub bytes: u64,
    /// When the first line was written.
    pub first_line_at: Option<Time>,
    /// When the last line was written.
    pub last_line_at: Option<Time>,
    /// When the runner said that it listens for jobs, if its log still has that line.
    pub listening_at: Option<Time>,
    /// Whether a line was found that the runner writes before it can have a job.
    pub preamble: bool,
    /// What it says of jobs.
    pub job: LoggedJob,
    /// What it says of the container engine.
    pub docker: LoggedDocker,
    /// Whether the runner warned that its version will be refused.
    pub version_warning: bool,
    /// The last line that tells why the runner ends.
    pub cause: Option<ExitCause>,
}

impl LogEvidence {
    /// The job that began without an end in this log.
    #[must_use]
    pub fn unfinished_job(&self) -> Option<&str> {
        match &self.job {
            LoggedJob::Running { name, .. } => Some(name),
            LoggedJob::None | LoggedJob::Completed { .. } => None,
        }
    }

    /// Whether nothing can be missing that tells of a job: the log begins with the container, or has a line that comes
    /// before every job. A rotated log lacks its beginning; an empty one may have been rotated just now.
    #[must_use]
    pub fn is_whole(&self, container_started_at: Option<Time>) -> bool {
        if self.preamble {
            return true;
        }
        match (self.first_line_at, container_started_at) {
            (Some(first), Some(started)) => first - started <= FIRST_LINE_WITHIN,
            (None, _) | (_, None) => false,
        }
    }

    /// Why a runner that had no job ended, as far as its lines tell.
    #[must_use]
    pub fn exit_cause(&self) -> Option<ExitCause> {
        if self.cause.is_some() {
            return self.cause;
        }
        if self.docker == LoggedDocker::Awaited {
            return Some(ExitCause::DockerNotReady);
        }
        if self.version_warning {
            return Some(ExitCause::RunnerVersionRefused);
        }
        // It listened, had no job and ended by itself: that is how the runner leaves when GitHub removes it.
        self.listening_at
            .is_some()
            .then_some(ExitCause::RunnerRemovedByGithub)
    }
}

/// Reads a log piece by piece. Lines may carry the kubelet's time in front (`timestamps=true`).
#[derive(Debug, Default)]
pub struct LogScan {
    line: Vec<u8>,
    found: LogEvidence,
}

impl LogScan {
    /// Takes the next piece, of any length and cut anywhere.
    pub fn feed(&mut self, mut piece: &[u8]) {
        self.found.bytes += piece.len() as u64;
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (rest, next) = piece.split_at(end);
            self.keep(rest);
            self.line_ended();
            piece = next.get(1..).unwrap_or_default();
        }
        self.keep(piece);
    }

    /// The end of the log.
    #[must_use]
    pub fn finish(mut self) -> LogEvidence {
        if !self.line.is_empty() {
            self.line_ended();
        }
        self.found
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = LINE_BYTES.saturating_sub(self.line.len());
        self.line
            .extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    fn line_ended(&mut self) {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let (at, text) = kubelet_time(line.trim_end_matches('\r'));
        self.found.note(at, text);
        self.line = bytes;
        self.line.clear();
    }
}

impl LogEvidence {
    fn note(&mut self, at: Option<Time>, text: &str) {
        if self.first_line_at.is_none() {
            self.first_line_at = at;
        }
        self.last_line_at = at.or(self.last_line_at);
        let own = runner_line(text);
        if let Some((_, name)) = text.split_once(RUNNING) {
            let name = name.to_owned();
            self.job = LoggedJob::Running { name, at };
            return;
        }
        if let Some((name, result)) = own.and_then(completion) {
            // Only the end of the job that began ends it.
            if self.unfinished_job().is_none_or(|running| running == name) {
                let (name, result) = (name.to_owned(), result.to_owned());
                self.job = LoggedJob::Completed { name, result, at };
            }
            return;
        }
        self.note_runner(at, own.unwrap_or(text), text);
    }

    fn note_runner(&mut self, at: Option<Time>, own: &str, text: &str) {
        let before_jobs = self.job == LoggedJob::None;
        if own == "Listening for Jobs" {
            self.preamble |= before_jobs;
            self.listening_at = self.listening_at.or(at);
        } else if text == "Waiting for docker to be ready." {
            self.preamble |= before_jobs;
            self.docker = LoggedDocker::Awaited;
        } else if text == "Docker is ready." {
            self.docker = LoggedDocker::Ready;
        } else if text.contains("will no longer be able to run jobs") {
            self.version_warning = true;
        } else if let Some((_, cause)) = CAUSES.iter().find(|(mark, _)| text.contains(mark)) {
            self.cause = Some(*cause);
        }
    }
}

/// Splits the time that the kubelet puts before a line from the line.
fn kubelet_time(line: &str) -> (Option<Time>, &str) {
    let Some((first, rest)) = line.split_once(' ') else {
        return match parse_time(line) {
            Some(at) => (Some(at), ""),
            None => (None, line),
        };
    };
    match parse_time(first) {
        Some(at) => (Some(at), rest),
        None => (None, line),
    }
}

fn parse_time(word: &str) -> Option<Time> {
    chrono::DateTime::parse_from_rfc3339(word)
        .ok()
        .map(|at| at.to_utc())
}

/// The text of a line that the runner itself wrote: `2026-11-24 10:00:00Z: text`.
fn runner_line(text: &str) -> Option<&str> {
    let (stamp, rest) = (text.get(..20)?, text.get(20..)?);
    chrono::NaiveDateTime::parse_from_str(stamp, "%Y-%m-%d %H:%M:%SZ").ok()?;
    rest.strip_prefix(": ")
}

/// The job and result of the runner's closing line. The name may itself hold the words that follow it.
fn completion(own: &str) -> Option<(&str, &str)> {
    own.strip_prefix("Job ")?.rsplit_once(COMPLETED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(log: &str) -> LogEvidence {
        let mut scan = LogScan::default();
        scan.feed(log.as_bytes());
        scan.finish()
    }

    const STORY: &str = "\
2026-11-24T10:00:01.5Z time=\"2026-11-24T10:00:01Z\" level=info msg=\"Starting up\"
2026-11-24T10:00:02Z Waiting for docker to be ready.
2026-11-24T10:00:05Z Docker is ready.
2026-11-24T10:00:09Z
2026-11-24T10:00:09Z √ Connected to GitHub
2026-11-24T10:00:10Z 2026-11-24 10:00:10Z: Listening for Jobs
2026-11-24T10:01:00Z 2026-11-24 10:01:00Z: Running job: build / riscv
2026-11-24T10:02:00Z time=\"2026-11-24T10:02:00Z\" level=warning msg=\"exec failed\"
";
    const END: &str = "2026-11-24T10:03:00Z 2026-11-24 10:03:00Z: Job build / riscv completed with result: Succeeded\n";

    fn time(text: &str) -> Time {
        parse_time(text).unwrap()
    }

    #[test]
    fn a_job_runs_until_its_own_end_is_written() {
        let running = scan(STORY);
        assert_eq!(running.unfinished_job(), Some("build / riscv"));
        assert_eq!(running.first_line_at, Some(time("2026-11-24T10:00:01.5Z")));
        assert_eq!(running.listening_at, Some(time("2026-11-24T10:00:10Z")));
        assert_eq!(running.docker, LoggedDocker::Ready);
        let ended = scan(&format!("{STORY}{END}"));
        assert_eq!(ended.unfinished_job(), None);
        assert_eq!(
            ended.job,
            LoggedJob::Completed {
                name: "build / riscv".to_owned(),
                result: "Succeeded".to_owned(),
                at: Some(time("2026-11-24T10:03:00Z")),
            }
        );
    }

    #[test]
    fn what_only_looks_like_an_end_ends_nothing() {
        for line in [
            // Not written by the runner itself.
            "Job build / riscv completed with result: Succeeded\n",
            "level=info msg=\"Job build / riscv completed with result: Succeeded\"\n",
            // Another job.
            "2026-11-24 10:03:00Z: Job lint completed with result: Succeeded\n",
        ] {
            let log = format!("{STORY}{line}");
            assert_eq!(scan(&log).unfinished_job(), Some("build / riscv"), "{line}");
        }
    }

    #[test]
    fn a_job_may_be_named_like_an_end() {
        let name = "Job x completed with result: Succeeded";
        let began = format!("2026-11-24 10:00:00Z: Running job: {name}\n");
        assert_eq!(scan(&began).unfinished_job(), Some(name));
        let ended =
            format!("{began}2026-11-24 10:00:09Z: Job {name} completed with result: Failed\n");
        assert_eq!(scan(&ended).unfinished_job(), None);
    }

    #[test]
    fn a_beginning_inside_a_foreign_line_still_counts() {
        let log = "level=info msg=half2026-11-24 10:00:00Z: Running job: build\n";
        assert_eq!(scan(log).unfinished_job(), Some("build"));
    }

    #[test]
    fn only_a_log_with_its_beginning_is_whole() {
        let started = Some(time("2026-11-24T10:00:00Z"));
        assert!(
            scan(STORY).is_whole(None),
            "it has the line before all jobs"
        );
        let early = scan("2026-11-24T10:00:03Z something\n");
        assert!(early.is_whole(started));
        assert!(!early.is_whole(None));
        let rotated = scan("2026-11-24T12:00:00Z something\n");
        assert!(!rotated.is_whole(started));
        assert!(!scan("").is_whole(started), "an empty log tells nothing");
        let again = scan(
            "2026-11-24 11:00:00Z: Running job: a\n2026-11-24 11:00:01Z: Listening for Jobs\n",
        );
        assert!(!again.is_whole(started), "listening again is no beginning");
    }

    #[test]
    fn the_last_lines_tell_why_a_runner_ended_without_a_job() {
        let listening = "2026-11-24T10:00:10Z 2026-11-24 10:00:10Z: Listening for Jobs\n";
        for (log, cause) in [
            (
                format!(
                    "{listening}An error occured: Runner version v2.330.0 is deprecated and cannot receive messages.\n"
                ),
                Some(ExitCause::RunnerVersionRefused),
            ),
            (
                "Failed to create a session. The runner registration has been deleted from the server, please re-configure.\n".to_owned(),
                Some(ExitCause::RunnerRemovedByGithub),
            ),
            (
                "A session for this runner already exists.\n".to_owned(),
                Some(ExitCause::RegistrationRefused),
            ),
            (
                "Waiting for docker to be ready.\n".to_owned(),
                Some(ExitCause::DockerNotReady),
            ),
            (listening.to_owned(), Some(ExitCause::RunnerRemovedByGithub)),
            ("nothing known\n".to_owned(), None),
        ] {
            assert_eq!(scan(&log).exit_cause(), cause, "{log}");
        }
    }

    #[test]
    fn memory_stays_bounded_on_a_line_without_end() {
        let mut scan = LogScan::default();
        for _ in 0..1000 {
            scan.feed(&[b'x'; 16 * 1024]);
        }
        assert!(scan.line.capacity() <= 2 * LINE_BYTES);
        scan.feed(b"\n2026-11-24 10:00:00Z: Running job: after\n");
        assert_eq!(scan.finish().unfinished_job(), Some("after"));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_pieces_are_cut(cuts in proptest::collection::vec(0usize..1200, 0..20)) {
            let log = format!("{STORY}{END}");
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut pieces = LogScan::default();
            let mut from = 0;
            for cut in cuts {
                let to = cut.min(log.len());
                pieces.feed(&log.as_bytes()[from..to]);
                from = to;
            }
            pieces.feed(&log.as_bytes()[from..]);
            prop_assert_eq!(pieces.finish(), scan(&log));
        }
    }
}

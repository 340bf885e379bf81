//! What a runner's log proves: the marks that the runner prints when it takes and ends a job.

use serde::{Deserialize, Serialize};

/// What was found in a pod's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvidence {
    /// The log was read from the container's start to its end. Without it the absence of a mark proves nothing.
    pub whole: bool,
    /// `Running job:` was there.
    pub job_began: bool,
    /// `completed with result` was there after the last `Running job:`.
    pub job_ended: bool,
    /// The result, GitHub's word (`Succeeded`, `Failed`, `Canceled`).
    pub result: Option<String>,
    /// Why the runner stopped without a job, as far as its lines tell.
    pub exit: Option<RunnerExit>,
}

/// Why a runner stopped without a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerExit {
    /// GitHub refuses the runner's version.
    VersionRefused,
    /// GitHub removed the registration while it was idle.
    RemovedByGitHub,
    /// GitHub refused the registration.
    RegistrationRefused,
    /// The Docker daemon in the pod did not come up.
    DockerNotReady,
}

/// Reads a log line by line, in bounded memory.
#[derive(Debug, Clone, Default)]
pub struct LogScanner {
    job_began: bool,
    job_ended: bool,
    result: Option<String>,
    exit: Option<RunnerExit>,
}

const RUNNING_JOB: &str = "Running job:";
const COMPLETED: &str = " completed with result: ";

impl LogScanner {
    /// Takes the next line.
    pub fn line(&mut self, line: &str) {
        if line.contains(RUNNING_JOB) {
            self.job_began = true;
            self.job_ended = false;
            self.result = None;
        } else if let Some((before, result)) = line.rsplit_once(COMPLETED)
            && before.contains("Job ")
        {
            self.job_ended = true;
            self.result = Some(result.trim().to_owned());
        } else if let Some(exit) = classify(line) {
            self.exit = Some(exit);
        }
    }

    /// What was found. `whole` says whether the lines began at the container's start and none is missing.
    #[must_use]
    pub fn finish(self, whole: bool) -> LogEvidence {
        LogEvidence {
            whole,
            job_began: self.job_began,
            job_ended: self.job_ended,
            result: self.result,
            exit: self.exit,
        }
    }
}

fn classify(line: &str) -> Option<RunnerExit> {
    let lower = line.to_lowercase();
    if lower.contains("no longer be able to run jobs")
        || lower.contains("is deprecated and cannot receive messages")
    {
        Some(RunnerExit::VersionRefused)
    } else if lower.contains("registration") && lower.contains("has been deleted") {
        Some(RunnerExit::RemovedByGitHub)
    } else if lower.contains("registration was not found")
        || lower.contains("failed to create a session")
    {
        Some(RunnerExit::RegistrationRefused)
    } else if lower.contains("docker")
        && (lower.contains("not ready") || lower.contains("did not become ready"))
    {
        Some(RunnerExit::DockerNotReady)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> LogEvidence {
        let mut scanner = LogScanner::default();
        for line in lines {
            scanner.line(line);
        }
        scanner.finish(true)
    }

    #[test]
    fn marks_are_seen_between_other_lines() {
        let idle = read(&[
            "dockerd started",
            "2026-11-24 10:00:00Z: Listening for Jobs",
        ]);
        assert!(!idle.job_began && !idle.job_ended);

        let busy = read(&[
            "2026-11-24 10:00:00Z: Running job: build (gcc)",
            "pulling image",
        ]);
        assert!(busy.job_began && !busy.job_ended);

        let done = read(&[
            "2026-11-24 10:00:00Z: Running job: build",
            "2026-11-24 10:05:00Z: Job build completed with result: Failed",
        ]);
        assert!(done.job_began && done.job_ended);
        assert_eq!(done.result.as_deref(), Some("Failed"));
    }

    #[test]
    fn a_refused_version_is_told_apart() {
        let refused = read(&["Runner version v2.1 is deprecated and cannot receive messages."]);
        assert_eq!(refused.exit, Some(RunnerExit::VersionRefused));
    }
}

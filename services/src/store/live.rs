//! What a screen that stays open reads again and again: the rows at work and the latest finished ones without their long
//! parts, failures by what they have in common, and the last hour minute by minute. Reads only, each bounded.

use rise_model::Time;
use serde::Serialize;

use super::operator::Overview;
use super::{Store, StoreError};

/// How much is read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLimits {
    /// Rows of a table that are at work.
    pub at_work: i64,
    /// Rows of a table that are over, the newest.
    pub over: i64,
    /// Groups of failures.
    pub groups: i64,
}

/// A worker in one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiveWorker {
    /// The pod's name, which is the runner's too.
    pub pod_name: String,
    /// Where it stands.
    pub status: String,
    /// The account's id.
    pub entity_id: i64,
    /// The account's login.
    pub entity_name: String,
    /// The repository, for a personal account's worker.
    pub repo_full_name: Option<String>,
    /// The labels as sent.
    pub job_labels: serde_json::Value,
    /// The pool.
    pub k8s_pool: String,
    /// The image.
    pub k8s_image: String,
    /// The board.
    pub k8s_node: Option<String>,
    /// Why it failed, in a word.
    pub reason: Option<String>,
    /// Why it failed, in a sentence.
    pub message: Option<String>,
    /// Why it was given up before it ended.
    pub condemned_reason: Option<String>,
    /// When the row was made.
    pub created_at: Time,
    /// When its container ran.
    pub running_at: Option<Time>,
    /// When it ended.
    pub completed_at: Option<Time>,
    /// The job that names it.
    pub job_id: Option<i64>,
    /// That job's repository.
    pub job_repo: Option<String>,
    /// Where that job stands.
    pub job_status: Option<String>,
}

/// A job in one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiveJob {
    /// GitHub's id of the job.
    pub job_id: i64,
    /// Where it stands.
    pub status: String,
    /// The account's id.
    pub entity_id: i64,
    /// The account's login.
    pub entity_name: String,
    /// The account's kind.
    pub entity_type: String,
    /// `owner/name`.
    pub repo_full_name: String,
    /// Its name in the workflow.
    pub job_name: Option<String>,
    /// The labels as sent.
    pub job_labels: serde_json::Value,
    /// The pool.
    pub k8s_pool: String,
    /// The image.
    pub k8s_image: String,
    /// The worker that took it.
    pub k8s_pod: Option<String>,
    /// That worker's board.
    pub k8s_node: Option<String>,
    /// Its page.
    pub html_url: Option<String>,
    /// Why it waits, as code and subject.
    pub waiting_reason: Option<String>,
    /// How GitHub says it ended.
    pub conclusion: Option<String>,
    /// Why it failed, in a word.
    pub reason: Option<String>,
    /// Why it failed, in a sentence.
    pub message: Option<String>,
    /// When it came into the queue.
    pub queued_at: Time,
    /// When GitHub says it began.
    pub started_at: Option<Time>,
    /// When it was over, as far as that is known.
    pub finished_at: Option<Time>,
}

/// Failures that have reason and message in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailedTogether {
    /// `worker` or `job`.
    pub kind: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, in a sentence, without what differs from one to the next.
    pub message: String,
    /// How many.
    pub count: i64,
    /// The first of them.
    pub first: Time,
    /// The last of them.
    pub last: Time,
    /// The pools.
    pub pools: Vec<String>,
    /// The boards.
    pub boards: Vec<String>,
    /// The images.
    pub images: Vec<String>,
    /// The accounts.
    pub entities: Vec<String>,
    /// The last worker or job of them.
    pub latest: String,
}

/// How many jobs waited and ran at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Minute {
    /// The moment.
    pub at: Time,
    /// Jobs in the queue.
    pub waiting: i64,
    /// Jobs on boards.
    pub running: i64,
}

/// How long jobs that began in the last hour had waited.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QueueTimes {
    /// How many began.
    pub jobs: i64,
    /// Half of them waited no longer, in seconds.
    pub p50: Option<f64>,
    /// Nineteen of twenty waited no longer, in seconds.
    pub p95: Option<f64>,
}

/// Everything that a screen shows without being asked for more.
#[derive(Debug, Clone, Serialize)]
pub struct Live {
    /// The one screen of everything.
    pub overview: Overview,
    /// Workers: those at work, then the latest others.
    pub workers: Vec<LiveWorker>,
    /// Jobs: those that wait or run, then the latest others.
    pub jobs: Vec<LiveJob>,
    /// Failures of the last seven days, the latest first.
    pub failures: Vec<FailedTogether>,
}

/// The last hour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastHour {
    /// Minute by minute, the oldest first.
    pub minutes: Vec<Minute>,
    /// How long jobs waited.
    pub queue: QueueTimes,
}

impl Store {
    /// Everything that is shown without being asked for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn live(&self, limits: LiveLimits) -> Result<Live, StoreError> {
        Ok(Live {
            overview: self.overview().await?,
            workers: self.workers_in_lines(limits).await?,
            jobs: self.jobs_in_lines(limits).await?,
            failures: self.failed_together(limits).await?,
        })
    }

    /// Those at work by the index rise_workers_live, the others by rise_workers_created, their jobs by rise_jobs_pod.
    async fn workers_in_lines(&self, limits: LiveLimits) -> Result<Vec<LiveWorker>, StoreError> {
        let rows = sqlx::query_as!(
            LiveWorker,
            r#"WITH shown AS (
                 (SELECT pod_name FROM workers WHERE status IN ('pending', 'running')
                  ORDER BY created_at DESC LIMIT $1)
                 UNION ALL
                 (SELECT pod_name FROM workers WHERE status IN ('completed', 'failed')
                  ORDER BY created_at DESC LIMIT $2))
               SELECT w.pod_name, w.status::text AS "status!", w.entity_id, w.entity_name,
                      w.repo_full_name, w.job_labels, w.k8s_pool, w.k8s_image, w.k8s_node,
                      w.failure_info ->> 'reason' AS reason, left(w.failure_info ->> 'message', 300) AS message,
                      w.condemned_reason, w.created_at, w.running_at, w.completed_at,
                      j.job_id AS "job_id?", j.repo_full_name AS "job_repo?", j.status::text AS "job_status?"
               FROM shown JOIN workers AS w ON w.pod_name = shown.pod_name
               LEFT JOIN LATERAL (SELECT job_id, repo_full_name, status FROM jobs WHERE k8s_pod = w.pod_name
                                  ORDER BY created_at DESC LIMIT 1) AS j ON true
               ORDER BY w.created_at DESC, w.pod_name"#,
            limits.at_work,
            limits.over,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Those at work by the index rise_jobs_live, the others by idx_jobs_created.
    async fn jobs_in_lines(&self, limits: LiveLimits) -> Result<Vec<LiveJob>, StoreError> {
        let rows = sqlx::query_as!(
            LiveJob,
            r#"WITH shown AS (
                 (SELECT job_id FROM jobs WHERE status IN ('pending', 'running') ORDER BY created_at LIMIT $1)
                 UNION ALL
                 (SELECT job_id FROM jobs WHERE status IN ('completed', 'failed') ORDER BY created_at DESC LIMIT $2))
               SELECT j.job_id, j.status::text AS "status!", j.entity_id, j.entity_name, j.entity_type,
                      j.repo_full_name, j.job_name, j.job_labels, j.k8s_pool, j.k8s_image,
                      nullif(j.k8s_pod, '') AS k8s_pod, w.k8s_node AS "k8s_node?", j.html_url,
                      CASE WHEN j.status = 'pending' THEN j.waiting_reason END AS waiting_reason, j.conclusion,
                      j.failure_info ->> 'reason' AS reason, left(j.failure_info ->> 'message', 300) AS message,
                      coalesce(j.queued_at, j.created_at) AS "queued_at!", j.started_at,
                      CASE WHEN j.status IN ('completed', 'failed') THEN coalesce(j.finished_at, j.updated_at) END
                        AS finished_at
               FROM shown JOIN jobs AS j ON j.job_id = shown.job_id
               LEFT JOIN workers AS w ON w.pod_name = j.k8s_pod
               ORDER BY coalesce(j.queued_at, j.created_at) DESC, j.job_id DESC"#,
            limits.at_work,
            limits.over,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Numbers differ from one failure to the next, so that they do not keep apart what belongs together. Workers by the
    /// index rise_workers_failed; jobs by idx_jobs_created, as none lives longer than a day before it fails.
    async fn failed_together(&self, limits: LiveLimits) -> Result<Vec<FailedTogether>, StoreError> {
        let rows = sqlx::query_as!(
            FailedTogether,
            r#"WITH failed AS (
                 SELECT 'worker' AS kind, pod_name AS name, failure_info, k8s_pool, k8s_node, k8s_image, entity_name,
                        completed_at AS at
                 FROM workers WHERE status = 'failed' AND completed_at > now() - interval '7 days'
                 UNION ALL
                 SELECT 'job', j.job_id::text, j.failure_info, j.k8s_pool, NULL, j.k8s_image, j.entity_name, j.updated_at
                 FROM jobs AS j WHERE j.status = 'failed' AND j.updated_at > now() - interval '7 days'
                   AND j.created_at > now() - interval '8 days'),
               told AS (
                 SELECT kind, name, k8s_pool, k8s_node, k8s_image, entity_name, at,
                        coalesce(failure_info ->> 'reason', 'unknown') AS reason,
                        left(regexp_replace(coalesce(failure_info ->> 'message', ''), '[0-9]+', '#', 'g'), 200) AS message
                 FROM failed)
               SELECT kind AS "kind!", reason AS "reason!", message AS "message!", count(*) AS "count!",
                      min(at) AS "first!", max(at) AS "last!",
                      (array_agg(DISTINCT k8s_pool))[1:20] AS "pools!: Vec<String>",
                      coalesce((array_agg(DISTINCT k8s_node) FILTER (WHERE k8s_node IS NOT NULL))[1:20], '{}')
                        AS "boards!: Vec<String>",
                      (array_agg(DISTINCT k8s_image))[1:20] AS "images!: Vec<String>",
                      (array_agg(DISTINCT entity_name))[1:20] AS "entities!: Vec<String>",
                      (array_agg(name ORDER BY at DESC))[1] AS "latest!"
               FROM told GROUP BY kind, reason, message ORDER BY max(at) DESC, kind, reason, message LIMIT $1"#,
            limits.groups,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Sixty moments, a minute apart, up to now, and the waits of the hour.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_hour(&self) -> Result<LastHour, StoreError> {
        // Half a day before the hour: what waited or ran longer is not counted, and idx_jobs_created bounds the read.
        let minutes = sqlx::query_as!(
            Minute,
            r#"WITH recent AS (
                 SELECT coalesce(queued_at, created_at) AS queued, coalesce(started_at, finished_at,
                          CASE WHEN status <> 'pending' THEN updated_at END) AS began,
                        CASE WHEN status IN ('completed', 'failed') THEN coalesce(finished_at, updated_at) END AS ended
                 FROM jobs WHERE created_at > now() - interval '13 hours')
               SELECT m AS "at!",
                      count(*) FILTER (WHERE queued <= m AND (began IS NULL OR began > m)) AS "waiting!",
                      count(*) FILTER (WHERE began <= m AND (ended IS NULL OR ended > m)) AS "running!"
               FROM generate_series(now() - interval '59 minutes', now(), interval '1 minute') AS m
               LEFT JOIN recent ON queued <= m AND (ended IS NULL OR ended > m)
               GROUP BY m ORDER BY m"#
        )
        .fetch_all(&self.pool)
        .await?;
        let queue = sqlx::query_as!(
            QueueTimes,
            r#"SELECT count(*) AS "jobs!",
                      percentile_cont(0.5) WITHIN GROUP (ORDER BY waited) AS p50,
                      percentile_cont(0.95) WITHIN GROUP (ORDER BY waited) AS p95
               FROM (SELECT greatest(0, extract(epoch FROM started_at - coalesce(queued_at, created_at)))::float8 AS waited
                     FROM jobs WHERE created_at > now() - interval '13 hours' AND started_at > now() - interval '1 hour')
                    AS began"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(LastHour { minutes, queue })
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;

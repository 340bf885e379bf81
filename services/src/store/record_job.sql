-- One delivery of a job: its row and the log's, in one statement.
-- prev locks the job's row and is looked at before j writes, so that two deliveries of one job wait for each other and
-- each knows what it found. e takes its number after j, so that the log has a job's deliveries in the order in which
-- they took effect. Status moves forward only; what was not known is recorded, also of a job that was given up before.
-- A queued delivery changes nothing that is there. $27 to $29 are the outcomes for a new, a failed and any other job.
WITH prev AS MATERIALIZED (SELECT status FROM jobs WHERE job_id = $1 FOR UPDATE),
j AS (
  INSERT INTO jobs AS t (job_id, status, provider, entity_id, entity_name, entity_type, repo_full_name,
      installation_id, job_labels, k8s_pool, k8s_image, k8s_pod, html_url, run_id, run_attempt, repo_id,
      workflow_name, job_name, head_branch, sender_id, sender_login, private, queued_at, started_at,
      finished_at, conclusion)
  SELECT $1, $2::text::status_enum, 'github', $3, $4, $5, $6, $7, to_jsonb($8::text[]), $9, $10, $11::text, $12::text,
      $13::bigint, $14::int, $15::bigint, $16::text, $17::text, $18::text, $19::bigint, $20::text, $21::boolean,
      $22::timestamptz, $23::timestamptz, $24::timestamptz, $25::text
  FROM (SELECT count(*) FROM prev) AS looked
  ON CONFLICT (job_id) DO UPDATE SET
      status = CASE WHEN t.status IN ('pending', 'running') AND EXCLUDED.status > t.status
               THEN EXCLUDED.status ELSE t.status END,
      k8s_pod = coalesce(nullif(t.k8s_pod, ''), EXCLUDED.k8s_pod),
      html_url = coalesce(t.html_url, EXCLUDED.html_url),
      run_id = coalesce(t.run_id, EXCLUDED.run_id),
      run_attempt = coalesce(t.run_attempt, EXCLUDED.run_attempt),
      repo_id = coalesce(t.repo_id, EXCLUDED.repo_id),
      workflow_name = coalesce(t.workflow_name, EXCLUDED.workflow_name),
      job_name = coalesce(t.job_name, EXCLUDED.job_name),
      head_branch = coalesce(t.head_branch, EXCLUDED.head_branch),
      sender_id = coalesce(t.sender_id, EXCLUDED.sender_id),
      sender_login = coalesce(t.sender_login, EXCLUDED.sender_login),
      private = coalesce(t.private, EXCLUDED.private),
      queued_at = coalesce(t.queued_at, EXCLUDED.queued_at),
      started_at = coalesce(t.started_at, EXCLUDED.started_at),
      finished_at = coalesce(t.finished_at, EXCLUDED.finished_at),
      conclusion = coalesce(t.conclusion, EXCLUDED.conclusion),
      updated_at = now()
  WHERE EXCLUDED.status > 'pending' AND (
      (t.status IN ('pending', 'running') AND EXCLUDED.status > t.status)
      OR (nullif(t.k8s_pod, '') IS NULL AND EXCLUDED.k8s_pod IS NOT NULL)
      OR (t.started_at IS NULL AND EXCLUDED.started_at IS NOT NULL)
      OR (t.finished_at IS NULL AND EXCLUDED.finished_at IS NOT NULL)
      OR (t.conclusion IS NULL AND EXCLUDED.conclusion IS NOT NULL))
  RETURNING (xmax = 0) AS inserted
),
e AS (
  INSERT INTO installation_events (source, event, outcome, installation_id, app_id, entity_type, entity_id,
      entity_name, payload, delivery_id, job_id)
  SELECT 'webhook', $26,
      CASE WHEN (SELECT inserted FROM j) THEN $27
           WHEN (SELECT status FROM prev) = 'failed' THEN $28
           ELSE $29 END,
      $7, $30, $5::text::entity_type_enum, $3, $4, $31, $32::uuid, $1
  FROM (SELECT count(*) FROM j) AS settled
  ON CONFLICT (delivery_id) WHERE delivery_id IS NOT NULL DO NOTHING
  RETURNING id
)
SELECT (SELECT status::text FROM prev) AS previous, (SELECT inserted FROM j) AS inserted,
       (SELECT id FROM e) AS event

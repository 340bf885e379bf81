UPDATE jobs SET k8s_pod = '' WHERE job_id = 3;
UPDATE jobs SET k8s_pod = 'w-busy' WHERE job_id = 2;
UPDATE jobs SET failure_info = '{"version": 1, "message": "installation not found for installation_id=20 entity_type=User"}' WHERE job_id = 4;
INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id, repo_full_name, job_labels,
  k8s_pool, k8s_image, k8s_node, status, failure_info, created_at, running_at, completed_at, updated_at)
VALUES
  ('w-pending', 'github', 1, 'org', 'Organization', 12, NULL, '["ubuntu-24.04-riscv"]', 'scw-em-rv1', 'i', NULL, 'pending', NULL, '2026-01-02T03:00:00Z', NULL, NULL, '2026-01-02T03:00:00Z'),
  ('w-busy', 'github', 1, 'org', 'Organization', 12, NULL, '["ubuntu-24.04-riscv"]', 'cloudv10x-jupiter', 'i', 'board-1', 'running', NULL, '2026-01-02T03:00:00Z', '2026-01-02T03:01:00Z', NULL, '2026-01-02T03:01:00Z'),
  ('w-done', 'github', 1, 'org', 'Organization', 12, NULL, '[]', 'scw-em-rv1', 'i', NULL, 'completed', NULL, '2026-01-02T03:00:00Z', NULL, '2026-01-02T03:30:00Z', '2026-01-02T03:30:00Z'),
  ('w-failed', 'github', 500, 'ada', 'User', 20, 'ada/engine', '[]', 'scw-em-rv1', 'i', 'board-2', 'failed', '{"version": 2, "reason": "runner_never_registered"}', '2026-01-02T03:00:00Z', NULL, '2026-01-02T03:30:00Z', '2026-01-02T03:30:00Z'),
  ('w-third', 'github', 1, 'org', 'Organization', 12, NULL, '[]', 'scw-em-rv1', 'i', NULL, 'failed', '{"version": 1, "containers": {"runner": {"exit_code": null, "logs": "x"}}, "events": [], "pod_message": null, "pod_reason": "DeadlineExceeded"}', '2026-01-02T03:00:00Z', NULL, '2026-01-02T03:30:00Z', '2026-01-02T03:30:00Z');
INSERT INTO installation_events (source, event, outcome, installation_id, app_id, entity_type, entity_id, entity_name, payload, received_at)
VALUES
  ('webhook', 'ping', 'ok', NULL, 2167633, NULL, NULL, NULL, '{"zen": "hi"}', '2026-01-02T03:00:00Z'),
  ('webhook', 'installation.created', 'ok', 12, 2167633, 'Organization', 1, 'org', '{"action": "created"}', '2026-01-02T03:00:01Z'),
  ('webhook', 'workflow_job.queued', 'job_stored', 12, 2167633, 'Organization', 1, 'org', '{"workflow_job": {"id": 1}, "repository": {"full_name": "org/a"}}', '2026-01-02T03:00:02Z'),
  ('scheduler', 'auth_attempt.404', 'auth_404', 20, 3131217, 'User', 500, 'ada', '{"installation_id": 20, "http_status": 404}', '2026-01-02T03:00:03Z');

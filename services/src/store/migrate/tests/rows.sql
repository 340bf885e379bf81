INSERT INTO jobs (job_id, status, provider, entity_id, entity_name, entity_type, repo_full_name, installation_id,
  job_labels, k8s_pool, k8s_image, html_url, created_at, updated_at)
VALUES
  (1, 'pending', 'github', 1, 'org', 'Organization', 'org/a', 11, '["ubuntu-24.04-riscv"]', 'scw-em-rv1', 'i', 'https://example.com/1', '2026-01-02T03:00:00.123456Z', '2026-01-02T03:00:00Z'),
  (2, 'running', 'github', 1, 'org', 'Organization', 'org/a', 12, '["ubuntu-24.04-riscv"]', 'cloudv10x-jupiter', 'i', NULL, '2026-01-02T03:10:00Z', '2026-01-02T03:11:00Z'),
  (3, 'completed', 'github', 1, 'org', 'Organization', 'org/b', 12, '[]', 'scw-em-rv1', 'i', '', '2026-01-02T03:05:00Z', '2026-01-02T03:12:00Z'),
  (4, 'failed', 'github', 500, 'ada', 'User', 'ada/engine', 20, '["B", "a", "a"]', 'scw-em-rv1', 'i', NULL, '2026-01-02T03:05:00Z', '2026-01-02T03:12:00Z');
INSERT INTO workers (pod_name, provider, entity_id, entity_name, job_labels, k8s_pool, k8s_image, k8s_node, status,
  failure_info, created_at, updated_at)
SELECT 'w-' || name, 'github', entity, 'somebody', '["ubuntu-24.04-riscv"]', 'scw-em-rv1', 'i', node, status::status_enum,
  failure::jsonb, '2026-01-02T03:00:00Z', '2026-01-02T04:00:00Z'
FROM (VALUES
  ('pending', 1, NULL, 'pending', NULL), ('busy', 1, 'board-1', 'running', NULL), ('done', 1, 'board-1', 'completed', NULL),
  ('failed', 500, NULL, 'failed', '{"version": 2, "reason": "pod_failed", "containers": {"runner": {"exit_code": 137}}}'),
  ('third', 1, NULL, 'failed', '{"version": 1, "containers": {}, "events": [], "pod_message": null, "pod_reason": null}'),
  ('orphan', 77, NULL, 'completed', NULL)) AS w (name, entity, node, status, failure)
WHERE NOT EXISTS (SELECT FROM information_schema.columns
  WHERE table_schema = 'staging' AND table_name = 'workers' AND column_name = 'installation_id');

-- The ancestor's tables: no log of events, no type for kinds of accounts, and workers without kind, installation,
-- repository and times.
CREATE TYPE status_enum AS ENUM ('pending', 'running', 'completed', 'failed');
CREATE TYPE provider_enum AS ENUM ('github', 'gitlab', 'azdo');
CREATE TABLE jobs (
  job_id bigint PRIMARY KEY, status status_enum NOT NULL DEFAULT 'pending',
  provider provider_enum NOT NULL, entity_id bigint NOT NULL, entity_name text NOT NULL, entity_type text NOT NULL,
  repo_full_name text NOT NULL, installation_id bigint NOT NULL, job_labels jsonb NOT NULL DEFAULT '[]',
  k8s_pool text NOT NULL, k8s_image text NOT NULL, html_url text,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX idx_jobs_active ON jobs (entity_id, job_labels, created_at) WHERE status != 'completed';
CREATE TABLE workers (
  pod_name text PRIMARY KEY, provider provider_enum NOT NULL, entity_id bigint NOT NULL, entity_name text NOT NULL,
  job_labels jsonb NOT NULL DEFAULT '[]', k8s_pool text NOT NULL, k8s_image text NOT NULL, k8s_node text,
  status status_enum NOT NULL DEFAULT 'pending', failure_info jsonb, created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX idx_workers_active ON workers (entity_id, job_labels, k8s_pool) WHERE status != 'completed';

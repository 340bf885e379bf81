-- The replaced service's tables, column by column as its document lists them.
CREATE TYPE status_enum AS ENUM ('pending', 'running', 'completed', 'failed');
CREATE TYPE provider_enum AS ENUM ('github', 'gitlab', 'azdo');
CREATE TYPE entity_type_enum AS ENUM ('Organization', 'User');
CREATE TABLE jobs (
  job_id bigint PRIMARY KEY, status status_enum NOT NULL DEFAULT 'pending', failure_info jsonb,
  provider provider_enum NOT NULL, entity_id bigint NOT NULL, entity_name text NOT NULL, entity_type text NOT NULL,
  repo_full_name text NOT NULL, installation_id bigint NOT NULL, job_labels jsonb NOT NULL DEFAULT '[]',
  k8s_pool text NOT NULL, k8s_image text NOT NULL, k8s_pod text, html_url text,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX idx_jobs_active ON jobs (entity_id, job_labels, created_at) WHERE status != 'completed';
CREATE INDEX idx_jobs_reconcile ON jobs (installation_id) WHERE status != 'completed';
CREATE INDEX idx_jobs_created ON jobs (created_at DESC);
CREATE TABLE workers (
  pod_name text PRIMARY KEY, provider provider_enum NOT NULL, entity_id bigint NOT NULL, entity_name text NOT NULL,
  entity_type text NOT NULL, installation_id bigint NOT NULL, repo_full_name text,
  job_labels jsonb NOT NULL DEFAULT '[]', k8s_pool text NOT NULL, k8s_image text NOT NULL, k8s_node text,
  status status_enum NOT NULL DEFAULT 'pending', failure_info jsonb, created_at timestamptz NOT NULL DEFAULT now(),
  running_at timestamptz, completed_at timestamptz, updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX idx_workers_active ON workers (entity_id, job_labels, k8s_pool) WHERE status != 'completed';
CREATE TABLE installation_events (
  id bigserial PRIMARY KEY, source text NOT NULL, event text NOT NULL, outcome text NOT NULL, installation_id bigint,
  app_id bigint, entity_type entity_type_enum, entity_id bigint, entity_name text, payload jsonb NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX idx_install_events_installation ON installation_events (installation_id, entity_id);
CREATE INDEX idx_install_events_entity ON installation_events (entity_id, received_at DESC);

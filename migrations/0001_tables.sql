-- The tables of the replaced service, as its own document describes them, and what rise adds to them.
-- Everything is added, nothing is changed or dropped: the replaced service can run again on the result.

DO $$ BEGIN
  IF to_regtype('status_enum') IS NULL THEN
    CREATE TYPE status_enum AS ENUM ('pending', 'running', 'completed', 'failed');
  END IF;
  IF to_regtype('provider_enum') IS NULL THEN
    CREATE TYPE provider_enum AS ENUM ('github', 'gitlab', 'azdo');
  END IF;
  IF to_regtype('entity_type_enum') IS NULL THEN
    CREATE TYPE entity_type_enum AS ENUM ('Organization', 'User');
  END IF;
END $$;

CREATE TABLE IF NOT EXISTS jobs (
  job_id          bigint PRIMARY KEY,
  status          status_enum NOT NULL DEFAULT 'pending',
  failure_info    jsonb,
  provider        provider_enum NOT NULL,
  entity_id       bigint NOT NULL,
  entity_name     text NOT NULL,
  entity_type     text NOT NULL,
  repo_full_name  text NOT NULL,
  installation_id bigint NOT NULL,
  job_labels      jsonb NOT NULL DEFAULT '[]',
  k8s_pool        text NOT NULL,
  k8s_image       text NOT NULL,
  k8s_pod         text,
  html_url        text,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS idx_jobs_active ON jobs (entity_id, job_labels, created_at) WHERE status != 'completed';
CREATE INDEX IF NOT EXISTS idx_jobs_reconcile ON jobs (installation_id) WHERE status != 'completed';
CREATE INDEX IF NOT EXISTS idx_jobs_created ON jobs (created_at DESC);

CREATE TABLE IF NOT EXISTS workers (
  pod_name        text PRIMARY KEY,
  provider        provider_enum NOT NULL,
  entity_id       bigint NOT NULL,
  entity_name     text NOT NULL,
  entity_type     text NOT NULL,
  installation_id bigint NOT NULL,
  repo_full_name  text,
  job_labels      jsonb NOT NULL DEFAULT '[]',
  k8s_pool        text NOT NULL,
  k8s_image       text NOT NULL,
  k8s_node        text,
  status          status_enum NOT NULL DEFAULT 'pending',
  failure_info    jsonb,
  created_at      timestamptz NOT NULL DEFAULT now(),
  running_at      timestamptz,
  completed_at    timestamptz,
  updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS idx_workers_active ON workers (entity_id, job_labels, k8s_pool) WHERE status != 'completed';

CREATE TABLE IF NOT EXISTS installation_events (
  id              bigserial PRIMARY KEY,
  source          text NOT NULL,
  event           text NOT NULL,
  outcome         text NOT NULL,
  installation_id bigint,
  app_id          bigint,
  entity_type     entity_type_enum,
  entity_id       bigint,
  entity_name     text,
  payload         jsonb NOT NULL,
  received_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS idx_install_events_installation ON installation_events (installation_id, entity_id);
CREATE INDEX IF NOT EXISTS idx_install_events_entity ON installation_events (entity_id, received_at DESC);

-- History that is not kept cannot be made up later, so every added column comes now. All may be NULL: the replaced
-- service does not write them.
ALTER TABLE jobs
  ADD COLUMN IF NOT EXISTS run_id          bigint,
  ADD COLUMN IF NOT EXISTS run_attempt     int,
  ADD COLUMN IF NOT EXISTS repo_id         bigint,
  ADD COLUMN IF NOT EXISTS workflow_name   text,
  ADD COLUMN IF NOT EXISTS job_name        text,
  ADD COLUMN IF NOT EXISTS head_branch     text,
  ADD COLUMN IF NOT EXISTS sender_id       bigint,
  ADD COLUMN IF NOT EXISTS sender_login    text,
  ADD COLUMN IF NOT EXISTS private         boolean,
  ADD COLUMN IF NOT EXISTS queued_at       timestamptz,
  ADD COLUMN IF NOT EXISTS started_at      timestamptz,
  ADD COLUMN IF NOT EXISTS finished_at     timestamptz,
  ADD COLUMN IF NOT EXISTS conclusion      text,
  ADD COLUMN IF NOT EXISTS waiting_reason  text,
  ADD COLUMN IF NOT EXISTS waiting_since   timestamptz,
  ADD COLUMN IF NOT EXISTS last_checked_at timestamptz;

ALTER TABLE workers
  ADD COLUMN IF NOT EXISTS runner_id        bigint,
  ADD COLUMN IF NOT EXISTS epoch            bigint,
  ADD COLUMN IF NOT EXISTS image_digest     text,
  ADD COLUMN IF NOT EXISTS repo_id          bigint,
  ADD COLUMN IF NOT EXISTS condemned_at     timestamptz,
  ADD COLUMN IF NOT EXISTS condemned_reason text,
  ADD COLUMN IF NOT EXISTS deregistered_at  timestamptz,
  ADD COLUMN IF NOT EXISTS pod_created_at   timestamptz,
  ADD COLUMN IF NOT EXISTS scheduled_at     timestamptz,
  ADD COLUMN IF NOT EXISTS pulled_at        timestamptz,
  ADD COLUMN IF NOT EXISTS registered_at    timestamptz,
  ADD COLUMN IF NOT EXISTS busy_at          timestamptz,
  ADD COLUMN IF NOT EXISTS slot_free_at     timestamptz;

ALTER TABLE installation_events
  ADD COLUMN IF NOT EXISTS delivery_id uuid,
  ADD COLUMN IF NOT EXISTS job_id      bigint;

-- What operators change while everything runs. scope: global | pool:P | entity:ID | sender:ID | image:NAME |
-- board:NODE | repo:ID.
CREATE TABLE IF NOT EXISTS settings (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scope    text NOT NULL,
  key      text NOT NULL,
  value    jsonb NOT NULL,
  author   text NOT NULL,
  reason   text NOT NULL,
  set_at   timestamptz NOT NULL DEFAULT now(),
  until    timestamptz,
  ended_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS settings_in_force ON settings (scope, key) WHERE ended_at IS NULL;

-- Who leads. One row.
CREATE TABLE IF NOT EXISTS scheduler_lease (
  id          boolean PRIMARY KEY DEFAULT true CHECK (id),
  epoch       bigint NOT NULL DEFAULT 0,
  holder      uuid,
  acquired_at timestamptz NOT NULL DEFAULT '-infinity',
  expires_at  timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO scheduler_lease DEFAULT VALUES ON CONFLICT DO NOTHING;

-- What only the leader knows, for everybody else. One row.
CREATE TABLE IF NOT EXISTS scheduler_state (
  id    boolean PRIMARY KEY DEFAULT true CHECK (id),
  epoch bigint NOT NULL,
  round bigint NOT NULL,
  at    timestamptz NOT NULL,
  state jsonb NOT NULL
);

CREATE TABLE IF NOT EXISTS board_states (
  board  text NOT NULL,
  pool   text NOT NULL,
  state  text NOT NULL,
  since  timestamptz NOT NULL,
  detail text,
  PRIMARY KEY (board, since)
);

CREATE TABLE IF NOT EXISTS delivery_cursor (
  app_id     bigint PRIMARY KEY,
  seen_until timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS delivery_retry (
  guid        uuid PRIMARY KEY,
  app_id      bigint NOT NULL,
  delivery_id bigint NOT NULL,
  event       text NOT NULL,
  tries       int NOT NULL DEFAULT 0,
  last_try    timestamptz,
  given_up_at timestamptz
);

CREATE TABLE IF NOT EXISTS alerts (
  name      text NOT NULL,
  subject   text NOT NULL DEFAULT '',
  opened_at timestamptz NOT NULL DEFAULT now(),
  posted_at timestamptz,
  closed_at timestamptz,
  text      text NOT NULL,
  PRIMARY KEY (name, subject, opened_at)
);

CREATE TABLE IF NOT EXISTS ghfe_stats (
  instance uuid NOT NULL,
  minute   timestamptz NOT NULL,
  counters jsonb NOT NULL,
  PRIMARY KEY (instance, minute)
);

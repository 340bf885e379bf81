-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_events_job ON installation_events (job_id) WHERE job_id IS NOT NULL;

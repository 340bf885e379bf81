-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_jobs_live ON jobs (created_at) WHERE status IN ('pending', 'running');

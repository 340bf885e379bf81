-- no-transaction
-- Who has few finished jobs behind it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_jobs_completed ON jobs (entity_id) WHERE status = 'completed';

-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_workers_live ON workers (created_at) WHERE status IN ('pending', 'running');

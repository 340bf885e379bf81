-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_workers_failed ON workers (completed_at DESC) WHERE status = 'failed';

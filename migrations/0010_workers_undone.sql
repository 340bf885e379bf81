-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_workers_undone ON workers (completed_at) WHERE deregistered_at IS NULL AND epoch IS NOT NULL AND status IN ('completed', 'failed');

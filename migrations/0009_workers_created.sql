-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_workers_created ON workers (created_at DESC);

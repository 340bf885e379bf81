-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_events_time ON installation_events (received_at DESC);

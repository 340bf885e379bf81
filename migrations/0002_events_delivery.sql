-- no-transaction
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS rise_events_delivery ON installation_events (delivery_id) WHERE delivery_id IS NOT NULL;

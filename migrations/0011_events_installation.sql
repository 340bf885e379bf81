-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_events_installation ON installation_events (installation_id, id) WHERE event IN ('installation.created', 'installation.deleted', 'installation.suspend', 'installation.unsuspend', 'installation_repositories.added', 'installation_repositories.removed');

-- no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS rise_jobs_pod ON jobs (k8s_pod) WHERE k8s_pod IS NOT NULL;

-- What this gateway runs with now. reported_by is the login itself, by default and by policy. Returns the version of the
-- row, and the one that it had before: when it was seen and where, which nobody writes but who says what the gateway runs
-- with; its runtime writes the same row.
WITH earlier AS (
    SELECT format('%s %s', seen_at, host) AS version FROM gateway_status WHERE account_id = $1 AND gateway = $2
)
INSERT INTO gateway_status AS known (
    account_id, gateway, host, gateway_version, plugin_version, roster, state, error, warnings, snapshot, content_hash,
    latency_ms, resync_interval
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::pg_snapshot, $11, $12, make_interval(secs => $13))
ON CONFLICT (account_id, gateway) DO UPDATE SET
    host = excluded.host,
    gateway_version = excluded.gateway_version,
    plugin_version = excluded.plugin_version,
    roster = excluded.roster,
    state = excluded.state,
    error = excluded.error,
    warnings = excluded.warnings,
    snapshot = excluded.snapshot,
    content_hash = excluded.content_hash,
    latency_ms = excluded.latency_ms,
    resync_interval = excluded.resync_interval,
    changed_at = CASE
        WHEN (known.state, known.error, known.content_hash)
            IS DISTINCT FROM (excluded.state, excluded.error, excluded.content_hash) THEN now()
        ELSE known.changed_at
    END,
    seen_at = now()
RETURNING format('%s %s', known.seen_at, known.host) AS version, (SELECT version FROM earlier) AS before

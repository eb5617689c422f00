-- How this runtime is. Its row may not be there yet, before the first report of what the gateway runs with. Returns when
-- the process began, which the first report says ($6 null).
INSERT INTO gateway_status AS known (
    account_id, gateway, plugin_version, state, resync_interval, runtime_status, runtime_version, runtime_error,
    runtime_started_at, runtime_seen_at
) VALUES ($1, $2, $4::text, 'pending', make_interval(secs => $7), $3, $4::text, $5, coalesce($6::timestamptz, now()), now())
ON CONFLICT (account_id, gateway) DO UPDATE SET
    runtime_status = excluded.runtime_status,
    runtime_version = excluded.runtime_version,
    runtime_error = excluded.runtime_error,
    runtime_started_at = excluded.runtime_started_at,
    runtime_seen_at = excluded.runtime_seen_at
RETURNING runtime_started_at

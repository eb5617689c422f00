-- Every gateway of the account, as it last reported.
SELECT gateway, host, gateway_version, plugin_version, roster, state, error, warnings, content_hash, latency_ms,
       reported_by, changed_at, seen_at,
       now() - seen_at > 3 * resync_interval AS stale
FROM gateway_status
WHERE account_id = $1
ORDER BY gateway

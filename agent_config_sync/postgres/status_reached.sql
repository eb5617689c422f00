-- Which gateways have in force, or were offered, whatever the snapshot $2 sees? Theirs must see each transaction that $2
-- sees: none that theirs knows as running is visible in $2, and each that began after theirs is still running in $2.
SELECT gateway, state, error, seen_at,
       now() - seen_at > 3 * resync_interval AS stale,
       coalesce(state IN ('applied', 'offered')
                AND NOT EXISTS (SELECT FROM pg_snapshot_xip(snapshot) AS running WHERE pg_visible_in_snapshot(running, wanted))
                AND (SELECT count(*) FROM pg_snapshot_xip(wanted) AS running WHERE running >= pg_snapshot_xmax(snapshot))
                    >= pg_snapshot_xmax(wanted)::text::bigint - pg_snapshot_xmax(snapshot)::text::bigint, false) AS reached
FROM gateway_status, CAST($2::text AS pg_snapshot) AS wanted
WHERE account_id = $1
ORDER BY gateway

-- Which gateways have in force, or were offered, whatever the snapshot $2 sees? A snapshot contains another if it sees
-- each transaction that the other sees: none that it knows as running was visible there, and of those that began after
-- it each was still running there.
SELECT gateway, state, error, seen_at,
       now() - seen_at > 3 * resync_interval AS stale,
       coalesce(state IN ('applied', 'offered')
                AND NOT EXISTS (SELECT FROM pg_snapshot_xip(snapshot) AS running WHERE pg_visible_in_snapshot(running, wanted))
                AND (SELECT count(*) FROM pg_snapshot_xip(wanted) AS running WHERE running >= pg_snapshot_xmax(snapshot))
                    >= pg_snapshot_xmax(wanted)::text::bigint - pg_snapshot_xmax(snapshot)::text::bigint, false) AS reached
FROM gateway_status, CAST($2::text AS pg_snapshot) AS wanted
WHERE account_id = $1
ORDER BY gateway

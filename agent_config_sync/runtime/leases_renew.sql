-- Keep the leases of a process ($1) for another $3; return of these sessions ($2) those that it has lost. A lease that
-- another transaction of this process has in hand is passed over: it stands.
WITH kept AS (
    UPDATE session_leases SET expires_at = clock_timestamp() + $3::interval
    WHERE session_id IN (SELECT session_id FROM session_leases
                         WHERE session_id = ANY ($2::uuid[]) AND holder = $1 FOR NO KEY UPDATE SKIP LOCKED)
)
SELECT session AS session_id FROM unnest($2::uuid[]) AS session
WHERE NOT EXISTS (SELECT FROM session_leases WHERE session_id = session AND holder = $1)

-- Keep the leases of a process ($1) for another $4; return of these turns ($2: their sessions, $3: their fences) those that
-- it has lost. A lease that another transaction of this process has in hand is passed over: it stands.
WITH turns AS MATERIALIZED (
    SELECT session_id, fence FROM unnest($2::uuid[], $3::bigint[]) AS turns (session_id, fence)
), kept AS (
    UPDATE session_leases SET expires_at = clock_timestamp() + $4::interval
    WHERE session_id IN (SELECT leases.session_id FROM session_leases AS leases JOIN turns USING (session_id, fence)
                         WHERE leases.holder = $1 FOR NO KEY UPDATE OF leases SKIP LOCKED)
)
SELECT session_id, fence FROM turns
WHERE NOT EXISTS (SELECT FROM session_leases AS leases
                  WHERE leases.session_id = turns.session_id AND leases.fence = turns.fence AND leases.holder = $1)

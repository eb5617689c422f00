-- Begin up to $8 heartbeats of an account ($1) at a gateway ($2), held by a process ($3) for $6 unless renewed: of these
-- agents ($4), where each had its last one at $5; a session stays with a gateway that was seen within $7.
SELECT session_id, session_key, fence, agent, failures
FROM begin_heartbeats($1, $2, $3, $4::text[], $5::timestamptz[], $6, $7, $8)

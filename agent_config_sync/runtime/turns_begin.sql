-- Begin up to $7 turns of agents ($4) of an account ($1) at a gateway ($2), held by a process ($3) for $5 unless renewed; a
-- session stays with a gateway that was seen within $6.
SELECT session_id, session_key, fence, notification_id, agent, task_id, failures
FROM begin_turns($1, $2, $3, $4::text[], $5, $6, $7)

-- Begin up to $7 turns of agents ($4) of an account ($1) at a gateway ($2), held by a process ($3) for $5 unless renewed; a
-- session stays with a gateway that was seen within $6. Each comes with what it is about, with $8 messages of its thread.
SELECT begun.*, turn_context($1, $2, notification_id, $8) AS told
FROM begin_turns($1, $2, $3, $4::text[], $5, $6, $7) AS begun

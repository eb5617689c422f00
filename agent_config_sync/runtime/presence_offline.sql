-- These agents ($2) of an account ($1) are not there any more, and neither is who was not seen for $3. Who is reported by
-- somebody else at this moment is passed over.
UPDATE agent_presence SET status = 'offline', current_task_id = NULL, updated_at = clock_timestamp()
WHERE account_id = $1 AND agent IN (
    SELECT gone.agent FROM agent_presence AS gone
    WHERE gone.account_id = $1 AND gone.status <> 'offline'
      AND (gone.agent = ANY ($2::text[]) OR gone.updated_at < clock_timestamp() - $3::interval)
    FOR NO KEY UPDATE SKIP LOCKED)

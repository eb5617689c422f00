-- These agents ($2) of an account ($1) are not there any more, and neither is who was not seen for $3.
UPDATE agent_presence SET status = 'offline', current_task_id = NULL, updated_at = clock_timestamp()
WHERE account_id = $1 AND status <> 'offline'
  AND (agent = ANY ($2::text[]) OR updated_at < clock_timestamp() - $3::interval)

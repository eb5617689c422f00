-- What these agents ($2) of an account ($1) are busy with, as the turns that are under way tell; seen now.
INSERT INTO agent_presence AS known (account_id, agent, status, current_task_id, updated_at)
SELECT $1, agents.name, CASE WHEN turn.session_id IS NULL THEN 'idle' ELSE 'busy' END, turn.task_id, clock_timestamp()
FROM board_agents($1) AS agents
LEFT JOIN LATERAL (
    SELECT held.session_id, session.task_id FROM session_leases AS held
    LEFT JOIN agent_sessions AS session ON session.id = held.session_id
    WHERE held.account_id = $1 AND held.agent = agents.name AND held.expires_at > clock_timestamp()
    ORDER BY session.task_id IS NULL, held.expires_at DESC LIMIT 1
) AS turn ON true
WHERE agents.name = ANY ($2::text[])
ORDER BY agents.name
ON CONFLICT (account_id, agent) DO UPDATE
SET status = excluded.status, current_task_id = excluded.current_task_id, updated_at = excluded.updated_at

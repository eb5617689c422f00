-- How often do these agents ($2) of an account ($1) want a heartbeat, when had each its last one, how many seconds ago was
-- that, and for how many more does its standing session pause?
SELECT agents.name::text AS agent, agents.heartbeat_every::text AS every, known.last_heartbeat_at AS last,
       extract(epoch FROM clock_timestamp() - known.last_heartbeat_at)::float8 AS idle,
       extract(epoch FROM had.not_before - clock_timestamp())::float8 AS pause
FROM agents
JOIN board_agents($1) AS working ON working.name = agents.name::text
LEFT JOIN agent_presence AS known ON known.account_id = $1 AND known.agent = working.name
LEFT JOIN agent_sessions AS session
    ON session.account_id = $1 AND session.agent = working.name AND session.task_id IS NULL AND session.closed_at IS NULL
LEFT JOIN session_leases AS had ON had.session_id = session.id
WHERE agents.account_id::text = $1 AND working.name = ANY ($2::text[])
ORDER BY working.name

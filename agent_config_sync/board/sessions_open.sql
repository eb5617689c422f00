-- Open the standing session of each of these agents ($2) of an account ($1) that has none.
INSERT INTO agent_sessions (account_id, agent, session_key)
SELECT $1, agents.name, 'agent:' || agents.name || ':' || $1
FROM board_agents($1) AS agents WHERE agents.name = ANY ($2::text[])
ON CONFLICT DO NOTHING

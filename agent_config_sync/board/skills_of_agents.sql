-- The skills of one agent ($2) of an account ($1), or of all of them where that is null.
SELECT agents.name AS agent,
       ARRAY(SELECT skill FROM agent_skills JOIN skills ON skills.account_id = $1 AND skills.slug = agent_skills.skill
             WHERE agent_skills.account_id = $1 AND agent_skills.agent = agents.name AND skills.enabled
             ORDER BY position, skill) AS skills,
       (SELECT last_heartbeat_at FROM agent_presence
        WHERE agent_presence.account_id = $1 AND agent_presence.agent = agents.name) AS seen_at
FROM board_agents($1) AS agents
WHERE $2::text IS NULL OR agents.name = $2
ORDER BY agents.name

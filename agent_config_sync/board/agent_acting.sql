-- Who acts in a session ($3) at a gateway ($2) of an account ($1)? Where a token's hash ($4) is given, it must be of the
-- same agent, who then is known by a standing session that nobody has opened yet too.
WITH claimed AS (
    SELECT agent, task_id FROM agent_sessions
    WHERE account_id = $1 AND session_key = $3 AND closed_at IS NULL
    UNION ALL
    SELECT name::text, NULL FROM agents
    WHERE account_id::text = $1 AND name::text = split_part($3, ':', 2) AND $3 = 'agent:' || name || ':' || $1
      AND $4::text IS NOT NULL
    LIMIT 1
)
SELECT agents.name, claimed.task_id AS task, agents.is_orchestrator, agents.can_create_tasks, agents.can_modify_task_status,
       agents.can_create_documents, agents.can_mention_agents, agents.can_review_tasks, agents.can_mark_done
FROM claimed JOIN board_agents($1) AS agents ON agents.name = claimed.agent
WHERE $4::text IS NULL OR EXISTS (
    SELECT FROM agent_tokens
    WHERE token_hash = $4 AND account_id = $1 AND gateway = $2 AND agent_tokens.agent = claimed.agent AND revoked_at IS NULL)

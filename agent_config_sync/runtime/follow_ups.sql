-- The tasks of an account ($1) that are under way or blocked and on which agents work beside one ($2): each with these,
-- and with the latest $3 messages that they wrote, newest first, as JSON. changed: seconds since it was last changed.
SELECT cards.id, cards.title, cards.status, others.agents,
       extract(epoch FROM clock_timestamp() - cards.updated_at)::float8 AS changed,
       (SELECT json_agg(json_build_array(left(latest.content, 2000),
                                         extract(epoch FROM clock_timestamp() - latest.created_at)::float8)
                        ORDER BY latest.seq DESC)
        FROM (SELECT * FROM board_messages AS said
              WHERE said.account_id = $1 AND said.task_id = cards.id AND said.author_type = 'agent'
                AND said.author_id = ANY (others.agents)
              ORDER BY said.seq DESC LIMIT $3) AS latest) AS said
FROM board_cards($1) AS cards
CROSS JOIN LATERAL (
    SELECT array_agg(working.name ORDER BY working.name) AS agents FROM board_agents($1) AS working
    WHERE working.name = ANY (cards.agents) AND working.name <> $2
) AS others
WHERE cards.status IN ('in_progress', 'review', 'assigned', 'blocked') AND others.agents IS NOT NULL
  AND NOT 'system:orchestrator-chat' = ANY (cards.labels)
ORDER BY cards.id

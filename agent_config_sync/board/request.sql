-- Ask agents ($3) in the name of another ($4) to respond ($5) to a task ($2) of an account ($1).
INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body)
SELECT $1, 'response_request', asked.agent, 'agent', $4, $2,
       board_name_of($1, 'agent', $4) || ' requested a response', $5
FROM unnest($3::text[]) WITH ORDINALITY AS asked (agent, place)
ORDER BY place
RETURNING id

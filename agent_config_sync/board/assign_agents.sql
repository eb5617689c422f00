-- Assign a task ($2) of an account ($1) to agents ($3) as well; who is new?
INSERT INTO board_assignees (account_id, task_id, agent)
SELECT $1, $2, agent FROM unnest($3::text[]) AS agent
ON CONFLICT DO NOTHING
RETURNING agent

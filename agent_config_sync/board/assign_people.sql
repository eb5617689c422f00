-- Assign a task ($2) of an account ($1) to people ($3) as well.
INSERT INTO board_assignees (account_id, task_id, user_id)
SELECT $1, $2, person FROM unnest($3::text[]) AS person
ON CONFLICT DO NOTHING

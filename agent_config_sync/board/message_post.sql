-- A new message in the thread of a task ($2) of an account ($1); $4: it wakes no agent.
INSERT INTO board_messages (account_id, task_id, content, quiet) VALUES ($1, $2, $3, $4)
RETURNING id

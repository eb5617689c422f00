-- A new task of an account ($1).
INSERT INTO board_tasks (account_id, title, description, status, priority, labels, due_at, blocked_reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id

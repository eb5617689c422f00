-- The first $4 tasks of an account ($1) whose ids are $2 to $3.
SELECT id, title FROM board_tasks WHERE account_id = $1 AND id BETWEEN $2 AND $3 ORDER BY id LIMIT $4

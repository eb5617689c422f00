-- Write a document ($2) of an account ($1) anew; without a task ($3) it stays with the one that it has.
UPDATE board_documents SET task_id = coalesce($3, task_id), title = $4, content = $5, type = $6
WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL
RETURNING id

-- A new document of an account ($1), of a task ($2) or none.
INSERT INTO board_documents (account_id, task_id, title, content, type) VALUES ($1, $2, $3, $4, $5) RETURNING id

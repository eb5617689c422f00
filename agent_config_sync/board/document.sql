-- A document ($2) of an account ($1), who wrote it, and the task to which it belongs.
SELECT documents.id, documents.title, type, content, version, author_type, author_id,
       board_name_of($1, author_type, author_id) AS author_name, documents.updated_at, tasks.id AS task_id,
       tasks.title AS task_title
FROM board_documents AS documents LEFT JOIN board_tasks AS tasks ON tasks.account_id = $1 AND tasks.id = task_id
WHERE documents.account_id = $1 AND documents.id = $2 AND deleted_at IS NULL

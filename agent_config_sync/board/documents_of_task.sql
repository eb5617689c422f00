-- The documents of a task ($2) of an account ($1), the newest first, without their contents.
SELECT id, title, type, version, updated_at FROM board_documents
WHERE account_id = $1 AND task_id = $2 AND deleted_at IS NULL
ORDER BY updated_at DESC, id

-- The newest $2 tasks of an account ($1) on which an agent ($3) works, of one status ($4) or, where that is null, any.
SELECT id, account_id, title, description, status, priority, labels, due_at, blocked_reason, archived_at, pr_number,
       created_by_type, created_by, created_at, updated_at, last_message_at, agents, people
FROM board_cards($1)
WHERE ($4::text IS NULL OR status = $4)
  AND id IN (SELECT task_id FROM board_assignees WHERE account_id = $1 AND agent = $3)
ORDER BY created_at DESC LIMIT $2

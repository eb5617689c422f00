-- The first $2 tasks of an account ($1) that have one of these statuses ($3), in the order of these, of each status the
-- most urgent and then the newest first; those on which an agent ($4) works or, where that is null, all.
SELECT id, account_id, title, description, status, priority, labels, due_at, blocked_reason, archived_at, pr_number,
       created_by_type, created_by, created_at, updated_at, last_message_at, agents, people
FROM board_cards($1)
WHERE status = ANY ($3::text[])
  AND ($4::text IS NULL OR id IN (SELECT task_id FROM board_assignees WHERE account_id = $1 AND agent = $4))
ORDER BY array_position($3::text[], status), priority, created_at DESC LIMIT $2

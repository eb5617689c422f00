-- A task ($2) of an account ($1).
SELECT id, account_id, title, description, status, priority, labels, due_at, blocked_reason, archived_at, pr_number,
       created_by_type, created_by, created_at, updated_at, last_message_at, agents, people
FROM board_cards($1) WHERE id = $2

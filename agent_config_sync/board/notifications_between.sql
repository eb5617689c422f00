-- The first $4 notifications of an account ($1) that were given up and whose ids are $2 to $3.
SELECT id, agent FROM board_notifications
WHERE account_id = $1 AND dead_at IS NOT NULL AND id BETWEEN $2 AND $3
ORDER BY id LIMIT $4

-- The reply to a notification ($2) of an account ($1).
SELECT id FROM board_messages WHERE account_id = $1 AND source_notification_id = $2

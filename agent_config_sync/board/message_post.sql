-- A new message in the thread of a task ($2) of an account ($1); $4: it wakes no agent; $5: the notification to which it
-- replies, of which there is one reply.
INSERT INTO board_messages (account_id, task_id, content, quiet, source_notification_id)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (source_notification_id) DO NOTHING
RETURNING id

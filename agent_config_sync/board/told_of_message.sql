-- Who is told of a message ($2) of an account ($1), and as what? Who is mentioned comes first.
SELECT type, agent, user_id FROM board_notifications
WHERE account_id = $1 AND message_id = $2
ORDER BY type, agent, user_id

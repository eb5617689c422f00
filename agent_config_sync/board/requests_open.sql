-- Of these agents ($3), those whom nobody need ask about a task ($2) of an account ($1): they have not answered the last
-- request, and it still waits for them or is younger than $4.
SELECT asked.agent
FROM unnest($3::text[]) AS asked (agent)
CROSS JOIN LATERAL (
    SELECT created_at, delivered_at FROM board_notifications
    WHERE account_id = $1 AND task_id = $2 AND board_notifications.agent = asked.agent AND type = 'response_request'
    ORDER BY created_at DESC LIMIT 1
) AS last
WHERE NOT EXISTS (
    SELECT FROM board_messages
    WHERE task_id = $2 AND author_type = 'agent' AND author_id = asked.agent AND board_messages.created_at > last.created_at
) AND (last.delivered_at IS NULL OR last.created_at > clock_timestamp() - $4::interval)

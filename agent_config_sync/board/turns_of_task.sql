-- How it stands with what agents are to be told of a task ($2) of an account ($1): of each, how much waits, and of the
-- oldest of that since when, what its turns came to, whether one is under way, and until when there is none.
SELECT waiting.agent, board_name_of($1, 'agent', waiting.agent) AS agent_name, waiting.count AS waiting,
       oldest.created_at AS since, oldest.attempts, oldest.failures + oldest.silences AS failed, oldest.last_error,
       oldest.read_at IS NOT NULL AND oldest.delivery_ended_at IS NULL AND EXISTS (
           SELECT FROM session_leases AS held
           WHERE held.account_id = $1 AND held.notification_id = oldest.id AND held.holder IS NOT NULL
             AND held.expires_at > clock_timestamp()) AS under_way,
       (SELECT had.not_before FROM agent_sessions AS session JOIN session_leases AS had ON had.session_id = session.id
        WHERE session.task_id = $2 AND session.agent = waiting.agent AND session.closed_at IS NULL
          AND had.not_before > clock_timestamp()) AS not_before
FROM (
    SELECT agent, count(*) FROM board_notifications
    WHERE account_id = $1 AND task_id = $2 AND agent IS NOT NULL AND delivered_at IS NULL AND dead_at IS NULL
    GROUP BY agent
) AS waiting
CROSS JOIN LATERAL (
    SELECT * FROM board_notifications AS told
    WHERE told.task_id = $2 AND told.agent = waiting.agent AND told.agent IS NOT NULL
      AND told.delivered_at IS NULL AND told.dead_at IS NULL
    ORDER BY told.created_at, told.id LIMIT 1
) AS oldest
ORDER BY waiting.agent

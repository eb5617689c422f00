-- What agents of an account ($1) are still to be told, the oldest first; at most $2.
SELECT told.id, told.agent, board_name_of(told.account_id, 'agent', told.agent) AS agent_name, told.task_id,
       task.title AS task_title, told.type, told.created_at AS since, told.attempts, told.last_error
FROM board_notifications AS told
JOIN board_tasks AS task ON task.id = told.task_id
WHERE told.account_id = $1 AND told.agent IS NOT NULL AND told.delivered_at IS NULL AND told.dead_at IS NULL
ORDER BY told.created_at, told.id
LIMIT $2

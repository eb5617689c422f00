-- What was given up of what agents of an account ($1) were to be told, the last first: of one task ($2) or, where it is
-- null, of all; at most $3.
SELECT told.id, told.agent, board_name_of(told.account_id, 'agent', told.agent) AS agent_name, told.task_id,
       task.title AS task_title, told.type, told.dead_at AS since, told.attempts, told.last_error
FROM board_notifications AS told
JOIN board_tasks AS task ON task.id = told.task_id
WHERE told.account_id = $1 AND told.dead_at IS NOT NULL AND ($2::uuid IS NULL OR told.task_id = $2)
ORDER BY told.dead_at DESC, told.id
LIMIT $3

-- The task ($2) of an account ($1) into whose thread an agent ($3) may write: one that it works on, or any where it leads.
SELECT task.id FROM board_tasks AS task
JOIN board_agents($1) AS acting ON acting.name = $3
WHERE task.account_id = $1 AND task.id = $2
  AND (acting.is_orchestrator
       OR EXISTS (SELECT FROM board_assignees AS assigned WHERE assigned.task_id = task.id AND assigned.agent = $3))

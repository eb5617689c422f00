-- What an agent ($2) of an account ($1) has to look at, as of one instant: the tasks that it works on, or all where it
-- leads, the first $3 of them; the end of the thread of the first one, $4 messages; $5: the gateway. What may be several
-- is JSON.
WITH acting AS MATERIALIZED (SELECT * FROM board_agents($1) AS every WHERE every.name = $2),
tracked AS MATERIALIZED (
    SELECT task.id, task.title, task.status, left(task.description, 2000) AS description,
           row_number() OVER (ORDER BY
               CASE task.status WHEN 'in_progress' THEN 1 WHEN 'review' THEN 2 ELSE 3 END,
               CASE WHEN acting.is_orchestrator THEN task.updated_at END,
               task.updated_at DESC, task.id) AS place
    FROM acting JOIN board_tasks AS task ON task.account_id = $1
    WHERE NOT 'system:orchestrator-chat' = ANY (task.labels)
      AND CASE WHEN acting.is_orchestrator THEN task.status IN ('in_progress', 'review', 'assigned')
               ELSE task.status IN ('in_progress', 'assigned')
                    AND EXISTS (SELECT FROM board_assignees AS assigned
                                WHERE assigned.task_id = task.id AND assigned.agent = acting.name) END
)
SELECT acting.name AS agent, acting.display_name, acting.role, acting.is_orchestrator, acting.can_create_tasks,
       acting.can_modify_task_status, acting.can_create_documents, acting.can_mention_agents, acting.can_review_tasks,
       acting.can_mark_done,
       (SELECT json_agg(json_build_array(id, title, status, description) ORDER BY place)
        FROM tracked WHERE place <= $3) AS tasks,
       (SELECT count(*) FROM tracked) AS tracked,
       (SELECT json_agg(json_build_array(latest.id, latest.author_type, latest.author_id,
                                         board_name_of($1, latest.author_type, latest.author_id), left(latest.content, 2000),
                                         latest.created_at) ORDER BY latest.seq)
        FROM (SELECT * FROM board_messages AS said
              WHERE said.account_id = $1 AND said.task_id = (SELECT id FROM tracked WHERE place = 1)
              ORDER BY said.seq DESC LIMIT $4) AS latest) AS thread,
       (SELECT nullif(gateways.base_url, '') FROM gateways
        WHERE gateways.account_id::text = $1 AND gateways.name::text = $5 LIMIT 1) AS base_url
FROM acting

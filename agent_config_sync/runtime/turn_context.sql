-- All that the turn about a notification ($2) of an account ($1) is about, as of one instant. $3: messages of the thread
-- that are shown; $4: the gateway. What may be several is JSON.
SELECT told.id AS notification_id, told.type, told.actor_type, told.actor_id,
       board_name_of(told.account_id, told.actor_type, told.actor_id) AS actor_name, told.task_id, told.message_id,
       told.title AS told_title, told.body, told.created_at AS told_at, told.attempts, told.silences,
       cards.*,
       acting.name AS agent, acting.display_name, acting.role, acting.is_orchestrator, acting.can_create_tasks,
       acting.can_modify_task_status, acting.can_create_documents, acting.can_mention_agents, acting.can_review_tasks,
       acting.can_mark_done,
       (SELECT json_build_array(said.id, said.author_type, said.author_id,
                                board_name_of(said.account_id, said.author_type, said.author_id), said.content,
                                said.created_at)
        FROM board_messages AS said WHERE said.id = told.message_id) AS message,
       (SELECT json_agg(json_build_array(latest.id, latest.author_type, latest.author_id,
                                         board_name_of($1, latest.author_type, latest.author_id), latest.content,
                                         latest.created_at) ORDER BY latest.seq)
        FROM (SELECT * FROM board_messages AS any_message WHERE any_message.account_id = $1 AND any_message.task_id = told.task_id
              ORDER BY any_message.seq DESC LIMIT $3) AS latest) AS thread,
       (SELECT count(*) FROM board_messages AS any_message
        WHERE any_message.account_id = $1 AND any_message.task_id = told.task_id) AS said,
       told.type = 'thread_update' AND EXISTS (
           SELECT FROM board_notifications AS later
           WHERE later.task_id = told.task_id AND later.agent = told.agent AND later.message_id IS NOT NULL
             AND later.actor_type = 'user' AND (later.created_at, later.id) > (told.created_at, told.id)
             AND later.delivered_at IS NULL AND later.dead_at IS NULL) AS superseded,
       (SELECT source.type FROM board_messages AS said
        JOIN board_notifications AS source ON source.id = said.source_notification_id
        WHERE said.id = told.message_id) AS source,
       (SELECT leader.name FROM board_agents($1) AS leader WHERE leader.is_orchestrator) AS orchestrator,
       (SELECT json_agg(json_build_array(others.name, others.display_name, others.role, others.name = ANY (cards.agents))
                        ORDER BY others.name)
        FROM board_agents($1) AS others WHERE others.name <> told.agent) AS colleagues,
       (SELECT coalesce(nullif(memberships.name, ''), memberships.user_id) FROM memberships
        WHERE memberships.account_id = $1 AND memberships.user_id = coalesce(
            (SELECT said.author_id FROM board_messages AS said
             WHERE said.account_id = $1 AND said.task_id = told.task_id AND said.author_type = 'user'
             ORDER BY said.seq DESC LIMIT 1),
            CASE cards.created_by_type WHEN 'user' THEN cards.created_by END)) AS person,
       (SELECT json_build_array(document.title, left(document.content, 50000)) FROM board_documents AS document
        WHERE document.account_id = $1 AND document.task_id IS NULL AND document.deleted_at IS NULL
          AND document.type = 'reference' AND document.title ILIKE 'repository%'
        ORDER BY document.updated_at DESC LIMIT 1) AS repository,
       CASE WHEN 'system:orchestrator-chat' = ANY (cards.labels) THEN (
           SELECT json_build_array(document.title, left(document.content, 50000)) FROM board_documents AS document
           WHERE document.account_id = $1 AND document.task_id IS NULL AND document.deleted_at IS NULL
             AND document.type = 'reference' AND document.title ILIKE '%briefing%'
           ORDER BY document.updated_at DESC LIMIT 1) END AS briefing,
       CASE WHEN 'system:orchestrator-chat' = ANY (cards.labels) THEN (
           SELECT json_object_agg(counted.status, json_build_array(counted.tasks, (
               SELECT json_agg(json_build_array(urgent.id, urgent.title, urgent.priority, urgent.agents,
                                                cardinality(urgent.people)))
               FROM (SELECT * FROM board_cards($1) AS each
                     WHERE each.status = counted.status AND each.id <> told.task_id
                     ORDER BY each.priority, each.created_at DESC LIMIT 3) AS urgent)))
           FROM (SELECT each.status, count(*) AS tasks FROM board_tasks AS each
                 WHERE each.account_id = $1 AND each.status NOT IN ('done', 'archived') AND each.id <> told.task_id
                 GROUP BY each.status) AS counted) END AS overview,
       (SELECT json_agg(json_build_array(done.tool, done.arguments, done.result) ORDER BY done.done_at)
        FROM delivery_effects AS done WHERE done.notification_id = told.id) AS effects,
       (SELECT nullif(gateways.base_url, '') FROM gateways
        WHERE gateways.account_id::text = $1 AND gateways.name::text = $4 LIMIT 1) AS base_url
FROM board_notifications AS told
JOIN board_cards($1) AS cards ON cards.id = told.task_id
LEFT JOIN board_agents($1) AS acting ON acting.name = told.agent
WHERE told.account_id = $1 AND told.id = $2

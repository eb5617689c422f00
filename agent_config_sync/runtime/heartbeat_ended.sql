-- An agent ($2) of an account ($1) has had its heartbeat, after which it has this task ($3) in hand, null: none. Where it
-- has a turn beside, it is busy with that.
INSERT INTO agent_presence AS known (account_id, agent, status, current_task_id, last_heartbeat_at, updated_at)
SELECT $1, $2, CASE WHEN task.id IS NULL THEN 'idle' ELSE 'online' END, task.id, clock_timestamp(), clock_timestamp()
FROM (SELECT $3::uuid AS id) AS wanted LEFT JOIN board_tasks AS task ON task.account_id = $1 AND task.id = wanted.id
ON CONFLICT (account_id, agent) DO UPDATE
SET last_heartbeat_at = excluded.last_heartbeat_at, updated_at = excluded.updated_at,
    (status, current_task_id) = (
        SELECT CASE WHEN busy THEN known.status ELSE excluded.status END,
               CASE WHEN busy THEN known.current_task_id ELSE excluded.current_task_id END
        FROM (SELECT EXISTS (SELECT FROM session_leases AS held
                             WHERE held.account_id = $1 AND held.agent = $2
                               AND held.expires_at > clock_timestamp()) AS busy) AS beside)

-- What these agents ($2) of an account ($1) are busy with, as the turns that are under way tell; seen now. Who has none is
-- idle, or has in hand what its last heartbeat says. True if all of them were told of. $3: whoever watches is told that
-- there is news; of the begin of a turn nobody else tells them.
--
-- Whoever deletes a task or an agent changes these rows too: so it waits for no row, and passes over what another
-- transaction has in hand.
WITH busy AS MATERIALIZED (
    SELECT agents.name, turn.session_id, turn.task_id
    FROM board_agents($1) AS agents
    LEFT JOIN LATERAL (
        SELECT held.session_id, session.task_id FROM session_leases AS held
        LEFT JOIN agent_sessions AS session ON session.id = held.session_id
        WHERE held.account_id = $1 AND held.agent = agents.name AND held.expires_at > clock_timestamp()
        ORDER BY session.task_id IS NULL, held.expires_at DESC LIMIT 1
    ) AS turn ON true
    WHERE agents.name = ANY ($2::text[])
), standing AS MATERIALIZED (
    SELECT tasks.id FROM board_tasks AS tasks
    WHERE tasks.account_id = $1 AND tasks.id IN (SELECT task_id FROM busy) FOR KEY SHARE SKIP LOCKED
), free AS MATERIALIZED (
    SELECT known.agent FROM agent_presence AS known
    WHERE known.account_id = $1 AND known.agent IN (SELECT name FROM busy) FOR NO KEY UPDATE SKIP LOCKED
), told AS (
    INSERT INTO agent_presence AS known (account_id, agent, status, current_task_id, updated_at)
    SELECT $1, busy.name, CASE WHEN busy.session_id IS NULL THEN 'idle' ELSE 'busy' END, busy.task_id, clock_timestamp()
    FROM busy
    WHERE (busy.task_id IS NULL OR busy.task_id IN (SELECT id FROM standing))
      AND (busy.name IN (SELECT agent FROM free)
           OR NOT EXISTS (SELECT FROM agent_presence AS one WHERE one.account_id = $1 AND one.agent = busy.name))
    ORDER BY busy.name
    ON CONFLICT (account_id, agent) DO UPDATE
    SET status = CASE WHEN excluded.status = 'idle' AND known.status = 'online' THEN 'online' ELSE excluded.status END,
        current_task_id = CASE WHEN excluded.status = 'idle' AND known.status = 'online' THEN known.current_task_id
                               ELSE excluded.current_task_id END,
        updated_at = excluded.updated_at
    -- What a heartbeat has said since this statement began to look is newer.
    WHERE known.last_heartbeat_at IS NOT DISTINCT FROM (
        SELECT before.last_heartbeat_at FROM agent_presence AS before
        WHERE before.account_id = known.account_id AND before.agent = known.agent)
    RETURNING known.agent
)
SELECT (SELECT count(*) FROM told) = (SELECT count(*) FROM busy) AS all_told,
       CASE WHEN $3 THEN pg_notify('agent_work_changed', '{"source" : "agent_presence"}') END

-- Turns take less time of the database. One is begun and told in one call, and settled in one: what the agent said, what
-- became of its task and its notification, and the end of its lease were a statement each, and many turns at once waited
-- for each other's. And what is asked for each row keeps its plan: a function in SQL is planned anew at each call, one in
-- PL/pgSQL is not.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

-- As before, and with one look where few wait: it looks again only where there may be more than it saw. A look takes
-- 0.2 ms, for which somebody's notification waits.
CREATE OR REPLACE FUNCTION begin_turns(
    account text, at_gateway text, process uuid, agents text[], lease interval, alive interval, most integer)
    RETURNS TABLE (session_id uuid, session_key text, fence bigint, notification_id uuid, agent text, task_id uuid,
                   failures integer)
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    waiting record;
    held record;
    oldest uuid;
    head uuid;
    begun integer := 0;
    tried text[] := '{}';
    next_fence bigint;
    looked_at integer := 16;
BEGIN
    -- Nobody waits for the disk: what a crash of the server takes back was not begun. A fence that it takes back is not
    -- had by another turn, for it is taken from the clock.
    PERFORM set_config('synchronous_commit', 'off', true);
    LOCK TABLE board_tasks IN ROW SHARE MODE;
    WHILE begun < most AND looked_at = 16 LOOP
        looked_at := 0;
        FOR waiting IN
            SELECT told.task_id, told.agent, session.id AS session, had.session_id AS leased
            FROM board_notifications AS told
            LEFT JOIN agent_sessions AS session
                ON session.task_id = told.task_id AND session.agent = told.agent AND session.closed_at IS NULL
            LEFT JOIN session_leases AS had ON had.session_id = session.id
            WHERE told.account_id = account AND told.agent IS NOT NULL
              AND told.delivered_at IS NULL AND told.dead_at IS NULL AND told.agent = ANY (agents)
              AND NOT told.task_id || '/' || told.agent = ANY (tried)
              AND (had.session_id IS NULL OR (
                  (had.holder IS NULL OR had.expires_at < clock_timestamp())
                  AND (had.not_before IS NULL OR had.not_before <= clock_timestamp())
                  AND (had.gateway = at_gateway OR NOT EXISTS (
                      SELECT FROM gateway_status AS other
                      WHERE other.account_id = account AND other.gateway = had.gateway
                        AND other.seen_at > clock_timestamp() - alive))))
            ORDER BY told.created_at, told.id
            LIMIT 16  -- a figure, for which there is another plan than for a variable
        LOOP
            looked_at := looked_at + 1;
            EXIT WHEN begun >= most;
            CONTINUE WHEN waiting.task_id || '/' || waiting.agent = ANY (tried);
            tried := tried || (waiting.task_id || '/' || waiting.agent);
            -- Two who make the same row wait for each other, and each may have made another one that the other wants.
            CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtextextended(waiting.task_id || '/' || waiting.agent, 10));
            IF waiting.session IS NULL THEN
                PERFORM FROM board_tasks WHERE id = waiting.task_id FOR KEY SHARE SKIP LOCKED;
                CONTINUE WHEN NOT FOUND;  -- somebody is deleting it
                INSERT INTO agent_sessions (account_id, agent, task_id, generation, session_key)
                SELECT account, waiting.agent, waiting.task_id, coalesce(max(earlier.generation), 0) + 1,
                       format('agent:%s:%s:task:%s:v%s', waiting.agent, account, waiting.task_id,
                              coalesce(max(earlier.generation), 0) + 1)
                FROM agent_sessions AS earlier
                WHERE earlier.task_id = waiting.task_id AND earlier.agent = waiting.agent
                ON CONFLICT DO NOTHING;
            END IF;
            IF waiting.leased IS NULL THEN
                INSERT INTO session_leases (session_id, account_id, agent, session_key, gateway)
                SELECT session.id, account, waiting.agent, session.session_key, at_gateway FROM agent_sessions AS session
                WHERE session.task_id = waiting.task_id AND session.agent = waiting.agent AND session.closed_at IS NULL
                ON CONFLICT DO NOTHING;
            END IF;
            SELECT had.*, session.generation INTO held FROM session_leases AS had
            JOIN agent_sessions AS session ON session.id = had.session_id
            WHERE session.task_id = waiting.task_id AND session.agent = waiting.agent AND session.closed_at IS NULL
              AND (had.holder IS NULL OR had.expires_at < clock_timestamp())
              AND (had.not_before IS NULL OR had.not_before <= clock_timestamp())
            FOR NO KEY UPDATE OF had SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
            -- Now that nobody else can begin one here: what is the oldest?
            SELECT told.id INTO oldest FROM board_notifications AS told
            WHERE told.task_id = waiting.task_id AND told.agent = waiting.agent AND told.agent IS NOT NULL
              AND told.delivered_at IS NULL AND told.dead_at IS NULL
            ORDER BY told.created_at, told.id LIMIT 1;
            -- It may have its turn in an earlier session of the two, which was closed meanwhile.
            IF held.generation > 1 THEN
                CONTINUE WHEN EXISTS (
                    SELECT FROM session_leases AS earlier
                    WHERE earlier.account_id = account AND earlier.notification_id = oldest AND earlier.holder IS NOT NULL
                      AND earlier.session_id <> held.session_id AND earlier.expires_at >= clock_timestamp());
            END IF;
            SELECT told.id INTO head FROM board_notifications AS told
            WHERE told.id = oldest AND told.delivered_at IS NULL AND told.dead_at IS NULL
            FOR NO KEY UPDATE SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
            UPDATE board_notifications AS told
            SET attempts = told.attempts + 1, read_at = coalesce(told.read_at, clock_timestamp()),
                delivery_ended_at = NULL
            WHERE told.id = head;
            next_fence := greatest(held.fence + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
            UPDATE session_leases AS had
            SET gateway = at_gateway, holder = process, fence = next_fence, expires_at = clock_timestamp() + lease,
                notification_id = head
            WHERE had.session_id = held.session_id;
            session_id := held.session_id;
            session_key := held.session_key;
            fence := next_fence;
            notification_id := head;
            agent := waiting.agent;
            task_id := waiting.task_id;
            failures := held.failures;
            RETURN NEXT;
            begun := begun + 1;
        END LOOP;
    END LOOP;
END $$;

-- What few turns need is asked for by functions: a part of a query costs time where it is not needed too.

-- The newest document of an account, of no task, whose title is like this: its title and the begin of its text.
CREATE OR REPLACE FUNCTION turn_reference(account text, title_like text) RETURNS json
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT json_build_array(document.title, left(document.content, 50000)) FROM board_documents AS document
        WHERE document.account_id = account AND document.task_id IS NULL AND document.deleted_at IS NULL
          AND document.type = 'reference' AND document.title ILIKE title_like
        ORDER BY document.updated_at DESC LIMIT 1);
END $$;

-- The board besides one of its tasks: of each status how many there are, and the most urgent three.
CREATE OR REPLACE FUNCTION turn_overview(account text, besides uuid) RETURNS json
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT json_object_agg(counted.status, json_build_array(counted.tasks, (
            SELECT json_agg(json_build_array(urgent.id, urgent.title, urgent.priority, urgent.agents,
                                             cardinality(urgent.people)))
            FROM (SELECT * FROM board_cards(account) AS each
                  WHERE each.status = counted.status AND each.id <> besides
                  ORDER BY each.priority, each.created_at DESC LIMIT 3) AS urgent)))
        FROM (SELECT each.status, count(*) AS tasks FROM board_tasks AS each
              WHERE each.account_id = account AND each.status NOT IN ('done', 'archived') AND each.id <> besides
              GROUP BY each.status) AS counted);
END $$;

-- All that the turn about a notification is about, as of one instant; null where its agent is gone, or works on the board no
-- more. shown: messages of its thread that come along; at_gateway: whose agents are told where to reach it.
--
-- Volatile, for so it sees what the statement has done that asks for it: a turn is begun and told in one.
CREATE OR REPLACE FUNCTION turn_context(account text, at_gateway text, notification uuid, shown integer) RETURNS json
    LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT row_to_json(found) FROM (
            SELECT told.id AS notification_id, told.type, told.actor_type, told.actor_id,
                   board_name_of(told.account_id, told.actor_type, told.actor_id) AS actor_name, told.task_id,
                   told.message_id, told.title AS told_title, told.body, told.created_at AS told_at, told.attempts,
                   told.silences,
                   cards.*,
                   acting.name AS agent, acting.display_name, acting.role, acting.is_orchestrator,
                   acting.can_create_tasks, acting.can_modify_task_status, acting.can_create_documents,
                   acting.can_mention_agents, acting.can_review_tasks, acting.can_mark_done,
                   (SELECT json_build_array(said.id, said.author_type, said.author_id,
                                            board_name_of(said.account_id, said.author_type, said.author_id),
                                            said.content, said.created_at)
                    FROM board_messages AS said WHERE said.id = told.message_id) AS message,
                   (SELECT json_agg(json_build_array(latest.id, latest.author_type, latest.author_id,
                                                     board_name_of(account, latest.author_type, latest.author_id),
                                                     latest.content, latest.created_at) ORDER BY latest.seq)
                    FROM (SELECT * FROM board_messages AS any_message
                          WHERE any_message.account_id = account AND any_message.task_id = told.task_id
                          ORDER BY any_message.seq DESC LIMIT shown) AS latest) AS thread,
                   (SELECT count(*) FROM board_messages AS any_message
                    WHERE any_message.account_id = account AND any_message.task_id = told.task_id) AS said,
                   told.type = 'thread_update' AND EXISTS (
                       SELECT FROM board_notifications AS later
                       WHERE later.task_id = told.task_id AND later.agent = told.agent AND later.message_id IS NOT NULL
                         AND later.actor_type = 'user' AND (later.created_at, later.id) > (told.created_at, told.id)
                         AND later.delivered_at IS NULL AND later.dead_at IS NULL) AS superseded,
                   (SELECT source.type FROM board_messages AS said
                    JOIN board_notifications AS source ON source.id = said.source_notification_id
                    WHERE said.id = told.message_id) AS source,
                   team.colleagues, team.orchestrator,
                   (SELECT coalesce(nullif(memberships.name, ''), memberships.user_id) FROM memberships
                    WHERE memberships.account_id = account AND memberships.user_id = coalesce(
                        (SELECT said.author_id FROM board_messages AS said
                         WHERE said.account_id = account AND said.task_id = told.task_id AND said.author_type = 'user'
                         ORDER BY said.seq DESC LIMIT 1),
                        CASE cards.created_by_type WHEN 'user' THEN cards.created_by END)) AS person,
                   turn_reference(account, 'repository%') AS repository,
                   CASE WHEN 'system:orchestrator-chat' = ANY (cards.labels)
                        THEN turn_reference(account, '%briefing%') END AS briefing,
                   CASE WHEN 'system:orchestrator-chat' = ANY (cards.labels)
                        THEN turn_overview(account, told.task_id) END AS overview,
                   (SELECT json_agg(json_build_array(done.tool, done.arguments, done.result) ORDER BY done.done_at)
                    FROM delivery_effects AS done WHERE done.notification_id = told.id) AS effects,
                   (SELECT nullif(gateways.base_url, '') FROM gateways
                    WHERE gateways.account_id::text = account AND gateways.name::text = at_gateway LIMIT 1) AS base_url
            FROM board_notifications AS told
            JOIN board_cards(account) AS cards ON cards.id = told.task_id
            JOIN board_agents(account) AS acting ON acting.name = told.agent
            CROSS JOIN LATERAL (
                SELECT max(each.name) FILTER (WHERE each.is_orchestrator) AS orchestrator,
                       json_agg(json_build_array(each.name, each.display_name, each.role, each.name = ANY (cards.agents))
                                ORDER BY each.name) FILTER (WHERE each.name <> told.agent) AS colleagues
                FROM board_agents(account) AS each) AS team
            WHERE told.account_id = account AND told.id = notification
        ) AS found);
END $$;

COMMENT ON FUNCTION turn_context(text, text, uuid, integer) IS 'All that an agent is told in a turn about a notification.';

-- Whoever has a lease settles its turn so, and all that follows from it is there at once, or nothing. acts_as: as
-- agent/NAME; outcome, reason: of the notification; said: what is posted into the thread of its task, null where nothing
-- is, and quietly: waking no agent; begins: with that, a task that is assigned is in progress. Returns false to whoever
-- has lost the lease. Refused with TB409 where the notification was dealt with before.
--
-- A task is had before its notification, as those have both who write into its thread.
CREATE OR REPLACE FUNCTION settle_turn(
    session uuid, process uuid, its_fence bigint, acts_as text, outcome text, reason text, said text, quietly boolean,
    begins boolean)
    RETURNS boolean LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    told record;
BEGIN
    SELECT held.notification_id AS id, about.account_id, about.task_id INTO told
    FROM session_leases AS held LEFT JOIN board_notifications AS about ON about.id = held.notification_id
    WHERE held.session_id = session AND held.holder = process AND held.fence = its_fence
    FOR NO KEY UPDATE OF held;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('agent_config_sync.actor', acts_as, true), set_config('agent_config_sync.reason', '', true);
    IF said IS NOT NULL THEN
        INSERT INTO board_messages (account_id, task_id, content, quiet, source_notification_id)
        VALUES (told.account_id, told.task_id, said, quietly, told.id)
        ON CONFLICT (source_notification_id) DO NOTHING;
        IF begins THEN
            UPDATE board_tasks SET status = 'in_progress', blocked_reason = NULL
            WHERE id = told.task_id AND status = 'assigned';
        END IF;
    END IF;
    UPDATE board_notifications
    SET delivered_at = clock_timestamp(), outcome = settle_turn.outcome, last_error = reason
    WHERE id = told.id AND delivered_at IS NULL AND dead_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB409', MESSAGE = 'Already dealt with: nothing is posted';
    END IF;
    RETURN end_turn(session, process, its_fence, false, NULL);
END $$;

COMMENT ON FUNCTION settle_turn(uuid, uuid, bigint, text, text, text, text, boolean, boolean) IS 'Writes all that follows from a turn of an agent, by whoever has its lease.';

-- Who is at work is told with the presence of agents, once the gateway is asked: to wake all who listen takes a third of a
-- millisecond, for which somebody's notification waits. Said row by row: to gather the rows of a statement takes longer than
-- to say the same of each, of which a transaction passes on one.
CREATE OR REPLACE FUNCTION notify_delivery_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('agent_work_changed', CASE WHEN (NEW.dead_at IS NULL) <> (OLD.dead_at IS NULL)
        THEN '{"source" : "board_notifications"}' ELSE '{"source" : "session_leases"}' END);
    RETURN NULL;
END $$;

-- Whatever ends a turn writes one of these columns; what begins one writes none of them.
DROP TRIGGER IF EXISTS delivery_changed ON board_notifications;
CREATE TRIGGER delivery_changed AFTER UPDATE OF failures, delivered_at, dead_at ON board_notifications
    FOR EACH ROW WHEN (
        NEW.agent IS NOT NULL
        AND (NEW.delivery_ended_at, NEW.delivered_at, NEW.dead_at)
            IS DISTINCT FROM (OLD.delivery_ended_at, OLD.delivered_at, OLD.dead_at))
    EXECUTE FUNCTION notify_delivery_changed();

-- Of those that wait, board_notifications_waiting is the index; each turn had written into this one too.
DROP INDEX IF EXISTS board_notifications_queue;

-- What is asked for each row, as before ------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION board_actor(OUT type text, OUT id text)
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    said text := current_setting('agent_config_sync.actor', true);
BEGIN
    IF said ~ '^(agent|user|system)/.' THEN
        type := split_part(said, '/', 1);
        id := substr(said, strpos(said, '/') + 1);
    ELSE
        type := 'user';
        id := session_user;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION board_name_of(account text, type text, id text) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    name text;
BEGIN
    IF type = 'agent' THEN
        name := (SELECT agents.display_name::text FROM agents
                 WHERE agents.account_id::text = account AND agents.name::text = board_name_of.id);
    ELSIF type = 'user' THEN
        name := (SELECT memberships.name FROM memberships
                 WHERE memberships.account_id = account AND memberships.user_id = board_name_of.id);
    END IF;
    RETURN coalesce(nullif(name, ''), id);
END $$;

CREATE OR REPLACE FUNCTION board_record(account text, what text, target_type text, target text, meta jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO activities (account_id, type, actor_type, actor_id, target_type, target_id, meta)
    SELECT account, what, actor.type, actor.id, board_record.target_type, target, board_record.meta
    FROM board_actor() AS actor;
END $$;

CREATE OR REPLACE FUNCTION board_subscribe(account text, task uuid, type text, id text)
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF type = 'agent' THEN
        INSERT INTO board_subscriptions (account_id, task_id, agent)
        SELECT account, task, agents.name FROM agents
        WHERE agents.account_id::text = account AND agents.name::text = board_subscribe.id
        ON CONFLICT DO NOTHING;
    ELSIF type = 'user' THEN
        INSERT INTO board_subscriptions (account_id, task_id, user_id)
        SELECT account, task, memberships.user_id FROM memberships
        WHERE memberships.account_id = account AND memberships.user_id = board_subscribe.id
        ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE
    ours text;
BEGIN
    FOREACH ours IN ARRAY ARRAY[
        'begin_turns(text, text, uuid, text[], interval, interval, integer)', 'board_actor()',
        'notify_delivery_changed()', 'turn_context(text, text, uuid, integer)', 'turn_overview(text, uuid)',
        'turn_reference(text, text)',
        'settle_turn(uuid, uuid, bigint, text, text, text, text, boolean, boolean)',
        'board_name_of(text, text, text)', 'board_record(text, text, text, text, jsonb)',
        'board_subscribe(text, uuid, text, text)']
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', ours, current_schema());
    END LOOP;
    REVOKE ALL ON FUNCTION turn_context(text, text, uuid, integer), turn_overview(text, uuid), turn_reference(text, text),
        settle_turn(uuid, uuid, bigint, text, text, text, text, boolean, boolean) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        GRANT EXECUTE ON FUNCTION turn_context(text, text, uuid, integer), turn_overview(text, uuid),
            turn_reference(text, text),
            settle_turn(uuid, uuid, bigint, text, text, text, text, boolean, boolean) TO agent_config_runtime;
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0013_turns') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0013_turns", "operation": "INSERT"}';

COMMIT;

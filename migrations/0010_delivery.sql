-- Delivery: notifications of agents become turns at their gateways. Who is at which of them, what its attempts have done
-- already, and how each ended, stands here, so that a crash at any moment loses nothing and does nothing twice.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

DO $$
DECLARE
    wanted record;
    known record;
    lacking text;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('session_leases', '{session_id,account_id,agent,session_key,gateway,holder,fence,expires_at,notification_id,failures,not_before}'::text[]),
            ('delivery_effects', '{notification_id,account_id,fingerprint,occurrence,attempt,tool,arguments,result,done_at}')
        ) AS tables (name, columns)
    LOOP
        SELECT pg_class.oid, relkind, relispartition, reloftype, nspname AS schema, rolname AS owner,
               pg_has_role(current_user, relowner, 'USAGE') AS ours_to_change INTO known
        FROM pg_catalog.pg_class
        JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
        JOIN pg_catalog.pg_roles ON pg_roles.oid = relowner
        WHERE pg_class.oid = to_regclass(wanted.name);
        CONTINUE WHEN NOT FOUND;
        SELECT string_agg(name, ', ' ORDER BY place) INTO lacking
        FROM unnest(wanted.columns) WITH ORDINALITY AS needed (name, place)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                          WHERE attrelid = known.oid AND attname = name AND NOT attisdropped);
        IF known.schema <> current_schema() THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('%s is in schema %s, but search_path creates tables in %s', wanted.name, known.schema,
                                 current_schema()),
                HINT = format('put %s first in search_path to use that table, or leave it out for one of our own',
                              known.schema);
        ELSIF known.relkind NOT IN ('r', 'p') OR known.relispartition OR known.reloftype <> 0 THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('%s.%s is no table that takes columns and triggers of ours', known.schema, wanted.name),
                HINT = 'rename it, or give us a schema of our own with search_path';
        ELSIF lacking IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('table %s.%s is not the one we know: it has no column %s', known.schema, wanted.name,
                                 lacking),
                HINT = 'rename it, or give us a schema of our own with search_path';
        ELSIF NOT known.ours_to_change THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
                MESSAGE = format('table %s.%s belongs to %s, and only its owner may change it', known.schema, wanted.name,
                                 known.owner),
                HINT = format('run this as %1$s, or GRANT %1$I TO %2$I first', known.owner, current_user);
        END IF;
    END LOOP;
END $$;

-- How each notification of an agent ends ----------------------------------------------------------------------------

ALTER TABLE board_notifications
    ADD COLUMN IF NOT EXISTS attempts   integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS failures   integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS silences   integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_error text,
    ADD COLUMN IF NOT EXISTS outcome    text,
    ADD COLUMN IF NOT EXISTS dead_at    timestamptz;

DO $$
BEGIN
    ALTER TABLE board_notifications
        ADD CONSTRAINT board_notifications_outcome CHECK (
            outcome IN ('replied', 'acted', 'silent', 'fallback', 'skipped', 'dead')),
        ADD CONSTRAINT board_notifications_ends_once CHECK (
            (dead_at IS NULL OR delivered_at IS NULL)
            AND (dead_at IS NOT NULL) = (coalesce(outcome, '') = 'dead'));
EXCEPTION
    WHEN duplicate_object THEN
        NULL;
END $$;

COMMENT ON COLUMN board_notifications.attempts IS 'Turns that were begun for it.';
COMMENT ON COLUMN board_notifications.failures IS 'Those of them that failed for its own sake, and not because the gateway was away.';
COMMENT ON COLUMN board_notifications.silences IS 'Those in which nothing was said, though somebody waits for it.';
COMMENT ON COLUMN board_notifications.last_error IS 'Why the last attempt failed, or why it was skipped or is dead.';
COMMENT ON COLUMN board_notifications.outcome IS 'How it ended. replied; acted: by tools, without a word; silent: the agent chose to say nothing; fallback: a reply was needed and none came, so the thread says that; skipped: not worth a turn, or nothing came and nothing was needed; dead: it failed too often.';
COMMENT ON COLUMN board_notifications.dead_at IS 'When it was given up. requeue_notification() lets it be tried again.';

-- What waits, oldest first, and within a session.
CREATE INDEX IF NOT EXISTS board_notifications_waiting ON board_notifications (account_id, created_at, id)
    INCLUDE (task_id, agent) WHERE agent IS NOT NULL AND delivered_at IS NULL AND dead_at IS NULL;
CREATE INDEX IF NOT EXISTS board_notifications_of_a_session ON board_notifications (task_id, agent, created_at, id)
    WHERE agent IS NOT NULL AND delivered_at IS NULL AND dead_at IS NULL;
CREATE INDEX IF NOT EXISTS board_notifications_dead ON board_notifications (account_id, dead_at)
    WHERE dead_at IS NOT NULL;

-- The tables --------------------------------------------------------------------------------------------------------
--
-- Neither refers to what the board deletes and moves: whoever holds a task may wait for nobody who waits for that task.

CREATE TABLE IF NOT EXISTS session_leases (
    session_id      uuid        PRIMARY KEY,
    account_id      text        NOT NULL,
    agent           text        NOT NULL,
    session_key     text        NOT NULL,
    gateway         text        NOT NULL,
    holder          uuid,
    fence           bigint      NOT NULL DEFAULT 0,
    expires_at      timestamptz,
    notification_id uuid,
    failures        integer     NOT NULL DEFAULT 0,
    not_before      timestamptz,
    CONSTRAINT session_leases_held CHECK ((holder IS NULL) = (expires_at IS NULL))
);

CREATE INDEX IF NOT EXISTS session_leases_by_key ON session_leases (account_id, session_key);
CREATE INDEX IF NOT EXISTS session_leases_by_gateway ON session_leases (account_id, gateway) WHERE holder IS NOT NULL;

COMMENT ON TABLE session_leases IS 'Which process has a turn in which session of an agent: one at a time.';
COMMENT ON COLUMN session_leases.gateway IS 'Which gateway has the session, and what was said in it.';
COMMENT ON COLUMN session_leases.holder IS 'The process, by a number that it has drawn; null: none.';
COMMENT ON COLUMN session_leases.fence IS 'A larger one with each turn: who comes with an earlier one has lost the lease.';
COMMENT ON COLUMN session_leases.notification_id IS 'What the turn is about; null: a heartbeat, or none.';
COMMENT ON COLUMN session_leases.failures IS 'Turns that failed, in a row.';
COMMENT ON COLUMN session_leases.not_before IS 'Until then no turn is begun.';

CREATE TABLE IF NOT EXISTS delivery_effects (
    notification_id uuid        NOT NULL REFERENCES board_notifications (id) ON DELETE CASCADE,
    account_id      text        NOT NULL,
    fingerprint     bytea       NOT NULL,
    occurrence      integer     NOT NULL,
    attempt         integer     NOT NULL,
    tool            text        NOT NULL,
    arguments       text        NOT NULL,
    result          text        NOT NULL,
    done_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (notification_id, fingerprint, occurrence)
);

COMMENT ON TABLE delivery_effects IS 'What tools have changed in the turns of a notification, in the transaction of the change: an attempt after a crash is answered from here, and nothing is done twice.';
COMMENT ON COLUMN delivery_effects.fingerprint IS 'SHA-256 of the tool and its arguments.';
COMMENT ON COLUMN delivery_effects.occurrence IS 'The how manieth such call, from 1.';
COMMENT ON COLUMN delivery_effects.attempt IS 'Which of its turns was told of it last, from 1; a fence would begin anew with another session.';

-- Turns -------------------------------------------------------------------------------------------------------------

-- Begin up to `most` turns of these agents: each for the oldest that waits in its session, the longest waiting session
-- first, and none where somebody has one, or where it is too early. A session stays with the gateway that has it, as long
-- as that one lives. alive: for how long a gateway is believed to be there after it was seen.
--
-- It waits for nobody who has rows in hand, or one open transaction of a person would hold up everybody's turns: what is
-- in hand is passed over, and looked for again. And it has the lock of whoever makes a row that refers to a task before it
-- has any row, as those who delete and rename agents have theirs (board_waits), so that neither can wait for the other.
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
BEGIN
    -- Nobody waits for the disk: what a crash of the server takes back was not begun. A fence that it takes back is not
    -- had by another turn, for it is taken from the clock.
    PERFORM set_config('synchronous_commit', 'off', true);
    LOCK TABLE board_tasks IN ROW SHARE MODE;
    WHILE begun < most LOOP
        SELECT told.task_id, told.agent, session.id AS session INTO waiting
        FROM board_notifications AS told
        LEFT JOIN agent_sessions AS session
            ON session.task_id = told.task_id AND session.agent = told.agent AND session.closed_at IS NULL
        LEFT JOIN session_leases AS had ON had.session_id = session.id
        WHERE told.account_id = account AND told.agent IS NOT NULL AND told.delivered_at IS NULL AND told.dead_at IS NULL
          AND told.agent = ANY (agents)
          AND NOT told.task_id || '/' || told.agent = ANY (tried)
          AND (had.session_id IS NULL OR (
              (had.holder IS NULL OR had.expires_at < clock_timestamp())
              AND (had.not_before IS NULL OR had.not_before <= clock_timestamp())
              AND (had.gateway = at_gateway OR NOT EXISTS (
                  SELECT FROM gateway_status AS other
                  WHERE other.account_id = account AND other.gateway = had.gateway
                    AND other.seen_at > clock_timestamp() - alive))))
        ORDER BY told.created_at, told.id
        LIMIT 1;
        EXIT WHEN NOT FOUND;
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
        INSERT INTO session_leases (session_id, account_id, agent, session_key, gateway)
        SELECT session.id, account, waiting.agent, session.session_key, at_gateway FROM agent_sessions AS session
        WHERE session.task_id = waiting.task_id AND session.agent = waiting.agent AND session.closed_at IS NULL
        ON CONFLICT DO NOTHING;
        SELECT had.* INTO held FROM session_leases AS had
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
        CONTINUE WHEN EXISTS (
            SELECT FROM session_leases AS earlier
            WHERE earlier.account_id = account AND earlier.notification_id = oldest AND earlier.holder IS NOT NULL
              AND earlier.session_id <> held.session_id AND earlier.expires_at >= clock_timestamp());
        SELECT told.id INTO head FROM board_notifications AS told
        WHERE told.id = oldest AND told.delivered_at IS NULL AND told.dead_at IS NULL
        FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        UPDATE board_notifications AS told
        SET attempts = told.attempts + 1, read_at = coalesce(told.read_at, clock_timestamp()), delivery_ended_at = NULL
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
END $$;

COMMENT ON FUNCTION begin_turns(text, text, uuid, text[], interval, interval, integer) IS 'Gives a process of agent-config-sync the next turns of agents, each with a lease.';

-- Whoever has a lease ends it so, in the transaction that says how its turn ended. failed: null where it was given back,
-- and says nothing about the session. Returns false to whoever has lost it.
CREATE OR REPLACE FUNCTION end_turn(session uuid, process uuid, its_fence bigint, failed boolean, pause interval)
    RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE session_leases
    SET holder = NULL, expires_at = NULL, notification_id = NULL,
        failures = CASE WHEN failed THEN failures + 1 WHEN NOT failed THEN 0 ELSE failures END,
        not_before = clock_timestamp() + pause
    WHERE session_id = session AND holder = process AND fence = its_fence;
    RETURN FOUND;
END $$;

-- Let what was given up be tried again, from the beginning; what was done for it stays done.
CREATE OR REPLACE FUNCTION requeue_notification(notification uuid) RETURNS boolean
    LANGUAGE plpgsql AS $$
BEGIN
    UPDATE board_notifications SET dead_at = NULL, outcome = NULL, failures = 0, silences = 0, last_error = NULL
    WHERE id = notification AND dead_at IS NOT NULL;
    RETURN FOUND;
END $$;

COMMENT ON FUNCTION requeue_notification(uuid) IS 'Tries a notification again that was given up; false where there is none.';

-- What was given up is queued again by somebody, and their history says so.
CREATE OR REPLACE FUNCTION board_requeued() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM board_record(NEW.account_id, 'notification_requeued', 'notification', NEW.id::text,
                         jsonb_build_object('taskId', NEW.task_id, 'agent', NEW.agent, 'type', NEW.type));
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_requeued ON board_notifications;
CREATE TRIGGER board_requeued AFTER UPDATE OF dead_at ON board_notifications
    FOR EACH ROW WHEN (OLD.dead_at IS NOT NULL AND NEW.dead_at IS NULL)
    EXECUTE FUNCTION board_requeued();

-- Whoever waits for work is woken when a notification is queued again, and people when one is given up. That a turn has
-- begun or ended concerns people alone: it names another table, so that nobody looks for work then.
CREATE OR REPLACE FUNCTION notify_delivery_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    changed text;
BEGIN
    SELECT CASE WHEN bool_or((new_rows.dead_at IS NULL) <> (old_rows.dead_at IS NULL)) THEN TG_TABLE_NAME
                WHEN bool_or((new_rows.attempts, new_rows.delivery_ended_at, new_rows.delivered_at)
                    IS DISTINCT FROM (old_rows.attempts, old_rows.delivery_ended_at, old_rows.delivered_at))
                    THEN 'session_leases' END INTO changed
    FROM new_rows JOIN old_rows USING (id) WHERE new_rows.agent IS NOT NULL;
    IF changed IS NOT NULL THEN
        PERFORM pg_notify('agent_work_changed', json_build_object('source', changed)::text);
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS delivery_changed ON board_notifications;
CREATE TRIGGER delivery_changed AFTER UPDATE ON board_notifications
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION notify_delivery_changed();

-- Whoever takes an assignee away has the board's lock before the row of the assignee, as those who delete and rename agents
-- have theirs (board_waits): with the row alone each would wait for the other.
CREATE OR REPLACE FUNCTION board_unassigning() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    LOCK TABLE board_tasks IN ROW EXCLUSIVE MODE;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_unassigning ON board_assignees;
CREATE TRIGGER board_unassigning BEFORE DELETE ON board_assignees
    FOR EACH STATEMENT EXECUTE FUNCTION board_unassigning();

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE
    ours record;
BEGIN
    FOR ours IN
        SELECT pg_proc.oid::regprocedure::text AS signature
        FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = current_schema() AND proname IN (
            'begin_turns', 'board_requeued', 'board_unassigning', 'end_turn', 'notify_delivery_changed',
            'requeue_notification')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', ours.signature, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', ours.signature);
    END LOOP;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON session_leases TO agent_config_runtime;
        GRANT SELECT, INSERT ON delivery_effects TO agent_config_runtime;
        GRANT UPDATE (attempt) ON delivery_effects TO agent_config_runtime;
        GRANT UPDATE (read_at, delivered_at, delivery_ended_at, attempts, failures, silences, last_error, outcome,
                      dead_at)
            ON board_notifications TO agent_config_runtime;
        GRANT INSERT, UPDATE ON agent_presence TO agent_config_runtime;
        GRANT EXECUTE ON FUNCTION begin_turns(text, text, uuid, text[], interval, interval, integer),
            end_turn(uuid, uuid, bigint, boolean, interval), requeue_notification(uuid) TO agent_config_runtime;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator') THEN
        GRANT SELECT, DELETE ON session_leases, delivery_effects TO agent_config_operator;
        GRANT EXECUTE ON FUNCTION requeue_notification(uuid) TO agent_config_operator;
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0010_delivery') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0010_delivery", "operation": "INSERT"}';

COMMIT;

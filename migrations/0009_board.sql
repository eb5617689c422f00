-- The board: tasks, who works on them, their threads and documents, and what agents and people are told of it. Its rules
-- hold for every statement, whoever sends it; what follows from one is written in its transaction.

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
            ('board_tasks', '{id,account_id,title,description,status,priority,labels,due_at,blocked_reason,archived_at,pr_number,created_by_type,created_by,created_at,updated_at,last_message_at,search}'::text[]),
            ('board_assignees', '{account_id,task_id,agent,user_id,assigned_at}'),
            ('board_messages', '{id,seq,account_id,task_id,author_type,author_id,content,mentions,quiet,source_notification_id,created_at}'),
            ('board_documents', '{id,account_id,task_id,title,content,type,version,author_type,author_id,created_at,updated_at,deleted_at}'),
            ('board_subscriptions', '{account_id,task_id,agent,user_id,subscribed_at}'),
            ('board_notifications', '{id,account_id,type,agent,user_id,actor_type,actor_id,task_id,message_id,title,body,created_at,read_at,delivered_at,delivery_ended_at}'),
            ('agent_sessions', '{id,account_id,agent,task_id,generation,session_key,opened_at,closed_at,closed_reason}'),
            ('agent_presence', '{account_id,agent,status,current_task_id,last_heartbeat_at,updated_at}')
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

-- What agents may do, and who leads them ----------------------------------------------------------------------------

ALTER TABLE accounts
    ADD COLUMN IF NOT EXISTS can_create_tasks       boolean,
    ADD COLUMN IF NOT EXISTS can_modify_task_status boolean,
    ADD COLUMN IF NOT EXISTS can_create_documents   boolean,
    ADD COLUMN IF NOT EXISTS can_mention_agents     boolean,
    ADD COLUMN IF NOT EXISTS can_review_tasks       boolean,
    ADD COLUMN IF NOT EXISTS can_mark_done          boolean;

ALTER TABLE agents
    ADD COLUMN IF NOT EXISTS is_orchestrator        boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS can_create_tasks       boolean,
    ADD COLUMN IF NOT EXISTS can_modify_task_status boolean,
    ADD COLUMN IF NOT EXISTS can_create_documents   boolean,
    ADD COLUMN IF NOT EXISTS can_mention_agents     boolean,
    ADD COLUMN IF NOT EXISTS can_review_tasks       boolean,
    ADD COLUMN IF NOT EXISTS can_mark_done          boolean;

COMMENT ON COLUMN agents.is_orchestrator IS 'Leads the agents of its account on the board; one an account.';
COMMENT ON COLUMN agents.can_create_tasks IS 'Null, as of the next five: as its row of accounts says, else no.';
COMMENT ON COLUMN agents.can_modify_task_status IS 'Else yes.';
COMMENT ON COLUMN agents.can_create_documents IS 'Else yes.';
COMMENT ON COLUMN agents.can_mention_agents IS 'Whether its mentions and requests reach other agents; else yes.';
COMMENT ON COLUMN agents.can_review_tasks IS 'Whether it hears of every review, and may end one with done; else no.';
COMMENT ON COLUMN agents.can_mark_done IS 'Whether it may end a review with done; else no.';

DO $$
BEGIN
    CREATE UNIQUE INDEX IF NOT EXISTS agents_one_orchestrator ON agents (account_id) WHERE is_orchestrator;
EXCEPTION
    WHEN feature_not_supported OR unique_violation THEN
        RAISE WARNING 'nothing keeps agents to one orchestrator an account: %', SQLERRM;
END $$;

-- The tables --------------------------------------------------------------------------------------------------------
--
-- A row of another table says of itself which task it is of; its account may be left out and is the task's then.

CREATE TABLE IF NOT EXISTS board_tasks (
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id      text        NOT NULL DEFAULT 'default',
    title           text        NOT NULL
        CONSTRAINT board_tasks_title CHECK (title ~ '[^[:space:]]' AND char_length(title) <= 2000),
    description     text
        CONSTRAINT board_tasks_description CHECK (char_length(description) <= 100000),
    status          text        NOT NULL DEFAULT 'inbox'
        CONSTRAINT board_tasks_status
            CHECK (status IN ('inbox', 'assigned', 'in_progress', 'review', 'done', 'blocked', 'archived')),
    priority        smallint    NOT NULL DEFAULT 3
        CONSTRAINT board_tasks_priority CHECK (priority BETWEEN 1 AND 5),
    labels          text[]      NOT NULL DEFAULT '{}'
        CONSTRAINT board_tasks_labels CHECK (
            array_position(labels, NULL) IS NULL AND cardinality(labels) <= 100
            AND char_length(array_to_string(labels, '')) <= 10000),
    due_at          timestamptz
        CONSTRAINT board_tasks_due_at CHECK (due_at >= '0001-01-01 00:00Z' AND due_at < '10000-01-01 00:00Z'),  -- who reads it may count no further
    blocked_reason  text
        CONSTRAINT board_tasks_blocked_reason CHECK (char_length(blocked_reason) <= 2000)
        CONSTRAINT board_tasks_blocked_for_a_reason
            CHECK ((status = 'blocked') = (coalesce(blocked_reason, '') ~ '[^[:space:]]')),
    archived_at     timestamptz
        CONSTRAINT board_tasks_archived_once CHECK ((status = 'archived') = (archived_at IS NOT NULL)),
    pr_number       integer
        CONSTRAINT board_tasks_pr_number CHECK (pr_number > 0),
    created_by_type text        NOT NULL CHECK (created_by_type IN ('user', 'agent', 'system')),
    created_by      text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_message_at timestamptz,
    search          tsvector    GENERATED ALWAYS AS (
        setweight(to_tsvector('pg_catalog.english', title), 'A')
        || setweight(to_tsvector('pg_catalog.english', coalesce(description, '')), 'B')
        || setweight(to_tsvector('pg_catalog.english', coalesce(blocked_reason, '')), 'C')) STORED,
    CONSTRAINT board_tasks_of_an_account UNIQUE (account_id, id)
);

CREATE INDEX IF NOT EXISTS board_tasks_by_status ON board_tasks (account_id, status, created_at);
CREATE INDEX IF NOT EXISTS board_tasks_by_priority ON board_tasks (account_id, status, priority, created_at DESC);
CREATE INDEX IF NOT EXISTS board_tasks_by_time ON board_tasks (account_id, created_at);
CREATE INDEX IF NOT EXISTS board_tasks_by_words ON board_tasks USING gin (search);

COMMENT ON TABLE board_tasks IS 'What is to be done. Rules of who may move it where hold for every statement; docs/board.md has them.';
COMMENT ON COLUMN board_tasks.priority IS '1 is the most urgent.';
COMMENT ON COLUMN board_tasks.created_by IS 'Name of an agent, or user_id of a person.';
COMMENT ON COLUMN board_tasks.pr_number IS 'The pull request that does it.';

CREATE TABLE IF NOT EXISTS board_assignees (
    account_id  text        NOT NULL,
    task_id     uuid        NOT NULL,
    agent       text,
    user_id     text,
    assigned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT board_assignees_is_one CHECK (num_nonnulls(agent, user_id) = 1),
    CONSTRAINT board_assignees_task_is_there FOREIGN KEY (account_id, task_id)
        REFERENCES board_tasks (account_id, id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX IF NOT EXISTS board_assignees_once ON board_assignees (task_id, agent) WHERE agent IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS board_assignees_person_once ON board_assignees (task_id, user_id)
    WHERE user_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS board_assignees_of_an_agent ON board_assignees (account_id, agent, task_id);
CREATE INDEX IF NOT EXISTS board_assignees_of_a_person ON board_assignees (account_id, user_id, task_id);

COMMENT ON TABLE board_assignees IS 'Who works on a task. The first one moves it out of the inbox, the last one leaves it there.';

CREATE TABLE IF NOT EXISTS board_messages (
    id                     uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    seq                    bigint      GENERATED ALWAYS AS IDENTITY,
    account_id             text        NOT NULL,
    task_id                uuid        NOT NULL,
    author_type            text        NOT NULL CHECK (author_type IN ('user', 'agent', 'system')),
    author_id              text        NOT NULL,
    content                text        NOT NULL
        CONSTRAINT board_messages_content CHECK (content ~ '[^[:space:]]' AND char_length(content) <= 100000),
    mentions               jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(mentions) = 'array'),
    quiet                  boolean     NOT NULL DEFAULT false,
    source_notification_id uuid        CONSTRAINT board_messages_one_reply UNIQUE,
    created_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT board_messages_task_is_there FOREIGN KEY (account_id, task_id)
        REFERENCES board_tasks (account_id, id) ON DELETE CASCADE
);

CREATE INDEX IF NOT EXISTS board_messages_of_a_task ON board_messages (task_id, seq);
CREATE INDEX IF NOT EXISTS board_messages_of_an_author ON board_messages (task_id, author_type, author_id, seq);

COMMENT ON TABLE board_messages IS 'The thread of each task.';
COMMENT ON COLUMN board_messages.seq IS 'Their order in a thread.';
COMMENT ON COLUMN board_messages.mentions IS 'Whom the text means by @: type, id, name, and of agents slug; made by the database.';
COMMENT ON COLUMN board_messages.quiet IS 'Wakes no agent.';
COMMENT ON COLUMN board_messages.source_notification_id IS 'To what an agent replies; there is one reply to each.';

CREATE TABLE IF NOT EXISTS board_documents (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id  text        NOT NULL DEFAULT 'default',
    task_id     uuid        REFERENCES board_tasks (id) ON DELETE SET NULL,
    title       text        NOT NULL
        CONSTRAINT board_documents_title CHECK (title ~ '[^[:space:]]' AND char_length(title) <= 2000),
    content     text        NOT NULL DEFAULT ''
        CONSTRAINT board_documents_content CHECK (char_length(content) <= 1000000),
    type        text        NOT NULL
        CONSTRAINT board_documents_type CHECK (type IN ('deliverable', 'note', 'template', 'reference')),
    version     integer     NOT NULL DEFAULT 1,
    author_type text        NOT NULL CHECK (author_type IN ('user', 'agent', 'system')),
    author_id   text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at  timestamptz
);

CREATE INDEX IF NOT EXISTS board_documents_of_a_task ON board_documents (task_id) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS board_documents_by_time ON board_documents (account_id, updated_at) WHERE deleted_at IS NULL;

COMMENT ON TABLE board_documents IS 'What tasks need or produce.';

CREATE TABLE IF NOT EXISTS board_subscriptions (
    account_id    text        NOT NULL,
    task_id       uuid        NOT NULL,
    agent         text,
    user_id       text,
    subscribed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT board_subscriptions_is_one CHECK (num_nonnulls(agent, user_id) = 1),
    CONSTRAINT board_subscriptions_task_is_there FOREIGN KEY (account_id, task_id)
        REFERENCES board_tasks (account_id, id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX IF NOT EXISTS board_subscriptions_once ON board_subscriptions (task_id, agent)
    WHERE agent IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS board_subscriptions_person_once ON board_subscriptions (task_id, user_id)
    WHERE user_id IS NOT NULL;

COMMENT ON TABLE board_subscriptions IS 'Who hears of new messages in a thread.';

CREATE TABLE IF NOT EXISTS board_notifications (
    id                uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id        text        NOT NULL,
    type              text        NOT NULL
        CONSTRAINT board_notifications_type
            CHECK (type IN ('mention', 'assignment', 'thread_update', 'status_change', 'response_request')),
    agent             text,
    user_id           text,
    actor_type        text        NOT NULL CHECK (actor_type IN ('user', 'agent', 'system')),
    actor_id          text        NOT NULL,
    task_id           uuid        NOT NULL,
    message_id        uuid        REFERENCES board_messages (id) ON DELETE CASCADE,
    title             text        NOT NULL,
    body              text        NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    read_at           timestamptz,
    delivered_at      timestamptz,
    delivery_ended_at timestamptz,
    CONSTRAINT board_notifications_is_for_one CHECK (num_nonnulls(agent, user_id) = 1),
    CONSTRAINT board_notifications_of_others CHECK (
        (actor_type <> 'agent' OR agent IS DISTINCT FROM actor_id)
        AND (actor_type <> 'user' OR user_id IS DISTINCT FROM actor_id)),
    CONSTRAINT board_notifications_task_is_there FOREIGN KEY (account_id, task_id)
        REFERENCES board_tasks (account_id, id) ON DELETE CASCADE
);

-- News of a thread become one notification until somebody begins to read it.
CREATE UNIQUE INDEX IF NOT EXISTS board_notifications_coalesced ON board_notifications (task_id, agent)
    WHERE type = 'thread_update' AND agent IS NOT NULL AND read_at IS NULL AND delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS board_notifications_queue ON board_notifications (account_id, created_at)
    WHERE agent IS NOT NULL AND delivered_at IS NULL;
CREATE INDEX IF NOT EXISTS board_notifications_of_a_request ON board_notifications (task_id, agent, created_at)
    WHERE type = 'response_request';
CREATE INDEX IF NOT EXISTS board_notifications_of_a_person ON board_notifications (account_id, user_id, created_at)
    WHERE user_id IS NOT NULL AND read_at IS NULL;
CREATE INDEX IF NOT EXISTS board_notifications_of_a_message ON board_notifications (message_id);

COMMENT ON TABLE board_notifications IS 'What agents and people are told, made by the database in the transaction of its cause. Nobody is told of what they did themselves.';
COMMENT ON COLUMN board_notifications.actor_id IS 'Who caused it.';
COMMENT ON COLUMN board_notifications.read_at IS 'When its recipient began with it.';
COMMENT ON COLUMN board_notifications.delivery_ended_at IS 'When the last attempt ended that did not deliver it.';

CREATE TABLE IF NOT EXISTS agent_sessions (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id    text        NOT NULL DEFAULT 'default',
    agent         text        NOT NULL,
    task_id       uuid,
    generation    integer     NOT NULL DEFAULT 1,
    session_key   text        NOT NULL,
    opened_at     timestamptz NOT NULL DEFAULT now(),
    closed_at     timestamptz,
    closed_reason text,
    CONSTRAINT agent_sessions_task_is_there FOREIGN KEY (account_id, task_id)
        REFERENCES board_tasks (account_id, id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX IF NOT EXISTS agent_sessions_key ON agent_sessions (account_id, session_key) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS agent_sessions_standing ON agent_sessions (account_id, agent)
    WHERE task_id IS NULL AND closed_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS agent_sessions_of_a_task ON agent_sessions (task_id, agent) WHERE closed_at IS NULL;

COMMENT ON TABLE agent_sessions IS 'Sessions of agents at their gateways, by the key that names them; without a task it is the agent''s standing one.';

CREATE TABLE IF NOT EXISTS agent_presence (
    account_id        text        NOT NULL DEFAULT 'default',
    agent             text        NOT NULL,
    status            text        NOT NULL DEFAULT 'offline'
        CONSTRAINT agent_presence_status CHECK (status IN ('online', 'busy', 'idle', 'offline', 'error')),
    current_task_id   uuid        REFERENCES board_tasks (id) ON DELETE SET NULL,
    last_heartbeat_at timestamptz,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, agent)
);

COMMENT ON TABLE agent_presence IS 'What agents are busy with, as far as is known.';

-- What belongs to an agent or a member goes with it, and follows when it is renamed. A table agents of yours may have
-- another key, and then its owner keeps these in step.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('board_assignees', 'agent', 'agents', 'name'),
            ('board_assignees', 'user_id', 'memberships', 'user_id'),
            ('board_subscriptions', 'agent', 'agents', 'name'),
            ('board_subscriptions', 'user_id', 'memberships', 'user_id'),
            ('board_notifications', 'agent', 'agents', 'name'),
            ('board_notifications', 'user_id', 'memberships', 'user_id'),
            ('agent_sessions', 'agent', 'agents', 'name'),
            ('agent_presence', 'agent', 'agents', 'name')
        ) AS references_of (source, name, target, key)
    LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = to_regclass(wanted.source) AND conname = format('%s_%s_is_there', wanted.source, wanted.name)
        );
        BEGIN
            EXECUTE format('ALTER TABLE %1$I ADD CONSTRAINT %2$I FOREIGN KEY (account_id, %3$I)'
                           ' REFERENCES %4$I (account_id, %5$I) ON UPDATE CASCADE ON DELETE CASCADE',
                           wanted.source, format('%s_%s_is_there', wanted.source, wanted.name), wanted.name, wanted.target,
                           wanted.key);
        EXCEPTION
            WHEN invalid_foreign_key OR datatype_mismatch OR foreign_key_violation OR feature_not_supported
                 OR invalid_table_definition OR wrong_object_type THEN
                NULL;
        END;
    END LOOP;
END $$;

-- What goes with an agent changes tasks, and who changes a task tells agents of it: each would wait for the other. So
-- whoever deletes or renames one waits first until nobody has a task, and the board stands still until they commit.
CREATE OR REPLACE FUNCTION board_waits() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    LOCK TABLE board_tasks IN EXCLUSIVE MODE;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_waits ON agents;
CREATE TRIGGER board_waits BEFORE DELETE OR UPDATE OF account_id, name ON agents
    FOR EACH STATEMENT EXECUTE FUNCTION board_waits();

DROP TRIGGER IF EXISTS board_waits ON memberships;
CREATE TRIGGER board_waits BEFORE DELETE OR UPDATE OF account_id, user_id ON memberships
    FOR EACH STATEMENT EXECUTE FUNCTION board_waits();

-- Whoever takes the name of one who is gone was told things by them, and by themselves from then on, which cannot be.
CREATE OR REPLACE FUNCTION board_named_anew() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_ARGV[0] = 'agent' THEN
        UPDATE board_notifications SET actor_type = 'system'
        WHERE account_id = OLD.account_id::text AND agent = OLD.name::text
          AND actor_type = 'agent' AND actor_id = NEW.name::text;
    ELSE
        UPDATE board_notifications SET actor_type = 'system'
        WHERE account_id = OLD.account_id AND user_id = OLD.user_id AND actor_type = 'user' AND actor_id = NEW.user_id;
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS board_named_anew ON agents;
CREATE TRIGGER board_named_anew BEFORE UPDATE OF name ON agents
    FOR EACH ROW EXECUTE FUNCTION board_named_anew('agent');

DROP TRIGGER IF EXISTS board_named_anew ON memberships;
CREATE TRIGGER board_named_anew BEFORE UPDATE OF user_id ON memberships
    FOR EACH ROW EXECUTE FUNCTION board_named_anew('user');

-- Each task with its assignees. It is no view, which would read with the rights of its owner, whatever the policies say.
CREATE OR REPLACE FUNCTION board_cards(account text)
    RETURNS TABLE (id uuid, account_id text, title text, description text, status text, priority smallint, labels text[],
                   due_at timestamptz, blocked_reason text, archived_at timestamptz, pr_number integer,
                   created_by_type text, created_by text, created_at timestamptz, updated_at timestamptz,
                   last_message_at timestamptz, agents text[], people text[])
    LANGUAGE sql STABLE AS $$
    SELECT id, account_id, title, description, status, priority, labels, due_at, blocked_reason, archived_at, pr_number,
           created_by_type, created_by, created_at, updated_at, last_message_at,
           ARRAY(SELECT agent FROM board_assignees WHERE task_id = board_tasks.id AND agent IS NOT NULL
                 ORDER BY assigned_at, agent),
           ARRAY(SELECT user_id FROM board_assignees WHERE task_id = board_tasks.id AND user_id IS NOT NULL
                 ORDER BY assigned_at, user_id)
    FROM board_tasks WHERE board_tasks.account_id = board_cards.account
$$;

COMMENT ON FUNCTION board_cards(text) IS 'The tasks of an account, each with its assignees; to change one, write board_tasks and board_assignees.';

-- Who acts ----------------------------------------------------------------------------------------------------------
--
-- What is refused here carries one of our own codes: TB403 they may not, TB404 it is not there, TB409 it stands against
-- what is there, TB422 it makes no sense.

-- Whoever writes for somebody else says so in the setting agent_config_sync.actor, as agent/NAME or user/ID, for a
-- transaction; else it is the login.
CREATE OR REPLACE FUNCTION board_actor(OUT type text, OUT id text)
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN said ~ '^(agent|user|system)/.' THEN split_part(said, '/', 1) ELSE 'user' END,
           CASE WHEN said ~ '^(agent|user|system)/.' THEN substr(said, strpos(said, '/') + 1) ELSE session_user::text END
    FROM (SELECT current_setting('agent_config_sync.actor', true)) AS setting (said)
$$;

CREATE OR REPLACE FUNCTION board_agents(account text)
    RETURNS TABLE (name text, display_name text, role text, is_orchestrator boolean, can_create_tasks boolean,
                   can_modify_task_status boolean, can_create_documents boolean, can_mention_agents boolean,
                   can_review_tasks boolean, can_mark_done boolean)
    LANGUAGE sql STABLE AS $$
    SELECT agents.name::text, coalesce(nullif(agents.display_name::text, ''), agents.name::text), agents.role::text,
           agents.is_orchestrator,
           coalesce(agents.can_create_tasks, accounts.can_create_tasks, false),
           coalesce(agents.can_modify_task_status, accounts.can_modify_task_status, true),
           coalesce(agents.can_create_documents, accounts.can_create_documents, true),
           coalesce(agents.can_mention_agents, accounts.can_mention_agents, true),
           coalesce(agents.can_review_tasks, accounts.can_review_tasks, false),
           coalesce(agents.can_mark_done, accounts.can_mark_done, false)
    FROM agents LEFT JOIN accounts ON accounts.id::text = board_agents.account
    WHERE agents.account_id::text = board_agents.account AND agents.status::text = 'active' AND agents.instance_type::text <> 'peer'
$$;

COMMENT ON FUNCTION board_agents(text) IS 'The agents of an account that work on its board, and what each may do.';

-- How somebody is called in what others are told.
CREATE OR REPLACE FUNCTION board_name_of(account text, type text, id text) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT nullif(agents.display_name::text, '') FROM agents
         WHERE board_name_of.type = 'agent' AND agents.account_id::text = board_name_of.account
           AND agents.name::text = board_name_of.id),
        (SELECT nullif(memberships.name, '') FROM memberships
         WHERE board_name_of.type = 'user' AND memberships.account_id = board_name_of.account
           AND memberships.user_id = board_name_of.id),
        board_name_of.id)
$$;

CREATE OR REPLACE FUNCTION board_record(account text, what text, target_type text, target text, meta jsonb)
    RETURNS void LANGUAGE sql AS $$
    INSERT INTO activities (account_id, type, actor_type, actor_id, target_type, target_id, meta)
    SELECT account, what, actor.type, actor.id, board_record.target_type, target, board_record.meta
    FROM board_actor() AS actor
$$;

CREATE OR REPLACE FUNCTION board_subscribe(account text, task uuid, type text, id text)
    RETURNS void LANGUAGE sql AS $$
    INSERT INTO board_subscriptions (account_id, task_id, agent, user_id)
    SELECT board_subscribe.account, board_subscribe.task, agents.name, NULL FROM agents
    WHERE board_subscribe.type = 'agent' AND agents.account_id::text = board_subscribe.account
      AND agents.name::text = board_subscribe.id
    UNION ALL
    SELECT board_subscribe.account, board_subscribe.task, NULL, memberships.user_id FROM memberships
    WHERE board_subscribe.type = 'user' AND memberships.account_id = board_subscribe.account
      AND memberships.user_id = board_subscribe.id
    ON CONFLICT DO NOTHING
$$;

-- Tasks -------------------------------------------------------------------------------------------------------------

-- What a task may become. Agents pass through in_progress on their way to a review in one step, and people open again
-- what is done.
CREATE OR REPLACE FUNCTION board_may_become(old_status text, new_status text, actor_type text) RETURNS boolean
    LANGUAGE sql IMMUTABLE AS $$
    SELECT new_status = ANY (CASE old_status
        WHEN 'inbox' THEN '{assigned,archived}'::text[]
        WHEN 'assigned' THEN '{in_progress,blocked,inbox,archived}'
        WHEN 'in_progress' THEN '{review,blocked,archived}'
        WHEN 'review' THEN '{done,in_progress,blocked,archived}'
        WHEN 'done' THEN '{archived}'
        WHEN 'blocked' THEN '{assigned,in_progress,archived}'
        ELSE '{}'
    END)
    OR (actor_type = 'agent' AND old_status IN ('assigned', 'blocked') AND new_status = 'review')
    OR (actor_type = 'user' AND old_status = 'done' AND new_status = 'review')
$$;

COMMENT ON FUNCTION board_may_become(text, text, text) IS 'The status machine of the board.';

-- The one place where a status changes.
CREATE OR REPLACE FUNCTION board_check_task() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    actor record;
    may record;
BEGIN
    SELECT * INTO actor FROM board_actor();
    IF TG_OP = 'INSERT' THEN
        NEW.created_by_type := coalesce(NEW.created_by_type, actor.type);
        NEW.created_by := coalesce(NEW.created_by, actor.id);
        IF NEW.status = 'archived' OR (NEW.status = 'done' AND actor.type = 'agent') THEN
            RAISE EXCEPTION USING ERRCODE = 'TB422', MESSAGE = format('Invalid status at creation: %s', NEW.status);
        END IF;
    ELSE
        IF (NEW.id, NEW.account_id, NEW.created_by_type, NEW.created_by, NEW.created_at)
            IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.created_by_type, OLD.created_by, OLD.created_at) THEN
            RAISE EXCEPTION USING ERRCODE = 'TB422', MESSAGE = 'Invalid change: id, account and creation of a task stay';
        END IF;
        IF NEW.status <> OLD.status THEN
            IF NOT board_may_become(OLD.status, NEW.status, actor.type) THEN
                RAISE EXCEPTION USING ERRCODE = CASE OLD.status WHEN 'archived' THEN 'TB409' ELSE 'TB422' END,
                    MESSAGE = format('Invalid transition: %s to %s', OLD.status, NEW.status);
            END IF;
            -- Beneath another trigger it follows from who is assigned.
            IF actor.type = 'agent' AND pg_trigger_depth() = 1 THEN
                SELECT * INTO may FROM board_agents(OLD.account_id) WHERE name = actor.id;
                IF NEW.status = 'archived' THEN
                    IF may.is_orchestrator IS NOT TRUE THEN
                        RAISE EXCEPTION USING ERRCODE = 'TB403',
                            MESSAGE = 'Forbidden: Only the orchestrator can archive/delete tasks';
                    END IF;
                ELSIF may.can_modify_task_status IS NOT TRUE THEN
                    RAISE EXCEPTION USING ERRCODE = 'TB403', MESSAGE = 'Forbidden: Not allowed to change task status';
                ELSIF NEW.status = 'done' AND NOT (may.can_review_tasks OR may.can_mark_done) THEN
                    RAISE EXCEPTION USING ERRCODE = 'TB403', MESSAGE = 'Forbidden: Not allowed to mark tasks as done';
                END IF;
            END IF;
        END IF;
    END IF;
    IF NEW.status IS DISTINCT FROM 'blocked' THEN
        NEW.blocked_reason := NULL;
    ELSIF coalesce(NEW.blocked_reason, '') !~ '[^[:space:]]' THEN
        RAISE EXCEPTION USING ERRCODE = 'TB422', MESSAGE = 'Invalid status: blocked needs a reason';
    END IF;
    NEW.archived_at := CASE WHEN NEW.status = 'archived' THEN coalesce(NEW.archived_at, clock_timestamp()) END;
    IF TG_OP = 'UPDATE' THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS board_task_checked ON board_tasks;
CREATE TRIGGER board_task_checked BEFORE INSERT OR UPDATE ON board_tasks
    FOR EACH ROW EXECUTE FUNCTION board_check_task();

CREATE OR REPLACE FUNCTION board_task_happened() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    actor record;
    changed jsonb;
BEGIN
    SELECT * INTO actor FROM board_actor();
    IF TG_OP = 'INSERT' THEN
        INSERT INTO board_subscriptions (account_id, task_id, agent)
        SELECT NEW.account_id, NEW.id, name FROM board_agents(NEW.account_id) WHERE is_orchestrator
        ON CONFLICT DO NOTHING;
        PERFORM board_record(NEW.account_id, 'task_created', 'task', NEW.id::text,
                             jsonb_build_object('title', left(NEW.title, 200), 'status', NEW.status));
        INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body)
        SELECT NEW.account_id, 'status_change', name, actor.type, actor.id, NEW.id, 'Task status changed to review',
               left(NEW.title, 500)
        FROM board_agents(NEW.account_id)
        WHERE NEW.status = 'review' AND (can_review_tasks OR is_orchestrator)
          AND (actor.type <> 'agent' OR name <> actor.id);
        RETURN NULL;
    END IF;
    SELECT jsonb_agg(field) INTO changed FROM (VALUES
        ('title', NEW.title IS DISTINCT FROM OLD.title),
        ('description', NEW.description IS DISTINCT FROM OLD.description),
        ('priority', NEW.priority IS DISTINCT FROM OLD.priority),
        ('labels', NEW.labels IS DISTINCT FROM OLD.labels),
        ('dueDate', NEW.due_at IS DISTINCT FROM OLD.due_at),
        ('prNumber', NEW.pr_number IS DISTINCT FROM OLD.pr_number),
        ('blockedReason', NEW.status = OLD.status AND NEW.blocked_reason IS DISTINCT FROM OLD.blocked_reason)
    ) AS fields (field, differs) WHERE differs;
    IF changed IS NOT NULL THEN
        PERFORM board_record(NEW.account_id, 'task_updated', 'task', NEW.id::text,
                             jsonb_build_object('changedFields', changed));
    END IF;
    IF NEW.status = OLD.status THEN
        RETURN NULL;
    END IF;
    PERFORM board_record(NEW.account_id, 'task_status_changed', 'task', NEW.id::text, jsonb_strip_nulls(
        jsonb_build_object('oldStatus', OLD.status, 'newStatus', NEW.status, 'reason', coalesce(
            NEW.blocked_reason, nullif(current_setting('agent_config_sync.reason', true), '')))));
    IF NEW.status = 'archived' THEN
        UPDATE agent_sessions SET closed_at = clock_timestamp(), closed_reason = 'task_archived'
        WHERE task_id = NEW.id AND closed_at IS NULL;
    END IF;
    -- Who is assigned is told so anyway. Reviewers hear of a review, and agents nothing of what is put away.
    IF NEW.status = 'inbox' OR (OLD.status = 'inbox' AND NEW.status = 'assigned') THEN
        RETURN NULL;
    END IF;
    INSERT INTO board_notifications (account_id, type, agent, user_id, actor_type, actor_id, task_id, title, body)
    SELECT NEW.account_id, 'status_change', told.agent, told.user_id, actor.type, actor.id, NEW.id,
           format('Task status changed to %s', NEW.status), left(NEW.title, 500)
    FROM (
        SELECT agent, user_id FROM board_assignees WHERE task_id = NEW.id
        UNION
        SELECT name, NULL FROM board_agents(NEW.account_id)
        WHERE NEW.status = 'review' AND (can_review_tasks OR is_orchestrator)
    ) AS told
    WHERE (told.agent IS NULL OR NEW.status <> 'archived')
      AND (actor.type <> 'agent' OR told.agent IS DISTINCT FROM actor.id)
      AND (actor.type <> 'user' OR told.user_id IS DISTINCT FROM actor.id);
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_task_happened ON board_tasks;
CREATE TRIGGER board_task_happened AFTER INSERT OR UPDATE ON board_tasks
    FOR EACH ROW EXECUTE FUNCTION board_task_happened();

CREATE OR REPLACE FUNCTION board_task_removed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM board_record(OLD.account_id, 'task_deleted', 'task', OLD.id::text,
                         jsonb_build_object('title', left(OLD.title, 200), 'status', OLD.status));
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_task_removed ON board_tasks;
CREATE TRIGGER board_task_removed AFTER DELETE ON board_tasks
    FOR EACH ROW EXECUTE FUNCTION board_task_removed();

-- Whoever commits leaves each task with as many assignees as its status wants.
CREATE OR REPLACE FUNCTION board_check_assignees() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    standing text;
    assigned boolean;
BEGIN
    SELECT status, EXISTS (SELECT FROM board_assignees WHERE task_id = board_tasks.id) INTO standing, assigned
    FROM board_tasks WHERE id = NEW.id;
    IF standing IN ('assigned', 'in_progress') AND NOT assigned THEN
        RAISE EXCEPTION USING ERRCODE = 'TB422',
            MESSAGE = format('Invalid assignees: a task that is %s needs one', standing);
    ELSIF standing = 'inbox' AND assigned THEN
        RAISE EXCEPTION USING ERRCODE = 'TB422', MESSAGE = 'Invalid assignees: a task in the inbox has none';
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_task_has_assignees ON board_tasks;
CREATE CONSTRAINT TRIGGER board_task_has_assignees AFTER INSERT OR UPDATE OF status ON board_tasks
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION board_check_assignees();

-- Assignees ---------------------------------------------------------------------------------------------------------

-- A change of who works on a task waits for other changes of it. It writes the task and does not merely lock it: only so
-- does a transaction that sees an older one, at REPEATABLE READ, fail where it would leave the task with nobody.
CREATE OR REPLACE FUNCTION board_lock_task() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    task record;
BEGIN
    UPDATE board_tasks SET updated_at = clock_timestamp()
    WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.task_id ELSE NEW.task_id END
      AND (TG_OP = 'DELETE' OR NEW.account_id IS NULL OR account_id = NEW.account_id)
    RETURNING account_id, status INTO task;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSIF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB404', MESSAGE = format('Not found: task %s', NEW.task_id);
    ELSIF task.status = 'archived' THEN
        RAISE EXCEPTION USING ERRCODE = 'TB409', MESSAGE = format('Archived: task %s', NEW.task_id);
    END IF;
    NEW.account_id := task.account_id;
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS board_assignee_waits ON board_assignees;
CREATE TRIGGER board_assignee_waits BEFORE INSERT OR DELETE ON board_assignees
    FOR EACH ROW EXECUTE FUNCTION board_lock_task();

-- An assignment is another row: whoever is named anew takes theirs along (beneath another trigger), and nobody else does.
CREATE OR REPLACE FUNCTION board_assignee_stays() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 AND (NEW.account_id, NEW.task_id, NEW.agent, NEW.user_id)
        IS DISTINCT FROM (OLD.account_id, OLD.task_id, OLD.agent, OLD.user_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB422',
            MESSAGE = 'Invalid change: DELETE who works on a task no more, and INSERT who does';
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS board_assignee_stays ON board_assignees;
CREATE TRIGGER board_assignee_stays BEFORE UPDATE ON board_assignees
    FOR EACH ROW EXECUTE FUNCTION board_assignee_stays();

CREATE OR REPLACE FUNCTION board_assigned() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    actor record;
    assigned jsonb := jsonb_build_object('type', CASE WHEN NEW.agent IS NOT NULL THEN 'agent' ELSE 'user' END,
                                         'id', coalesce(NEW.agent, NEW.user_id));
BEGIN
    SELECT * INTO actor FROM board_actor();
    INSERT INTO board_subscriptions (account_id, task_id, agent, user_id)
    VALUES (NEW.account_id, NEW.task_id, NEW.agent, NEW.user_id) ON CONFLICT DO NOTHING;
    PERFORM board_record(NEW.account_id, 'task_updated', 'task', NEW.task_id::text,
                         jsonb_build_object('changedFields', '["assignees"]'::jsonb, 'assigned', assigned));
    UPDATE board_tasks SET status = 'assigned' WHERE id = NEW.task_id AND status = 'inbox';
    INSERT INTO board_notifications (account_id, type, agent, user_id, actor_type, actor_id, task_id, title, body)
    SELECT NEW.account_id, 'assignment', NEW.agent, NEW.user_id, actor.type, actor.id, NEW.task_id,
           format('%s assigned you', board_name_of(NEW.account_id, actor.type, actor.id)), left(title, 500)
    FROM board_tasks
    WHERE id = NEW.task_id AND (actor.type, actor.id) IS DISTINCT FROM (assigned ->> 'type', assigned ->> 'id');
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_assigned ON board_assignees;
CREATE TRIGGER board_assigned AFTER INSERT ON board_assignees
    FOR EACH ROW EXECUTE FUNCTION board_assigned();

CREATE OR REPLACE FUNCTION board_unassigned() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM board_tasks WHERE id = OLD.task_id) THEN
        RETURN NULL;
    END IF;
    DELETE FROM board_subscriptions
    WHERE task_id = OLD.task_id AND (agent = OLD.agent OR user_id = OLD.user_id)
      AND NOT EXISTS (SELECT FROM board_agents(OLD.account_id) WHERE name = OLD.agent AND is_orchestrator);
    PERFORM board_record(OLD.account_id, 'task_updated', 'task', OLD.task_id::text, jsonb_build_object(
        'changedFields', '["assignees"]'::jsonb,
        'unassigned', jsonb_build_object('type', CASE WHEN OLD.agent IS NOT NULL THEN 'agent' ELSE 'user' END,
                                         'id', coalesce(OLD.agent, OLD.user_id))));
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_unassigned ON board_assignees;
CREATE TRIGGER board_unassigned AFTER DELETE ON board_assignees
    FOR EACH ROW EXECUTE FUNCTION board_unassigned();

-- A task that nobody works on any more goes back to the inbox, or says so. One statement may replace all assignees.
CREATE OR REPLACE FUNCTION board_left_alone() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    alone uuid;
BEGIN
    IF TG_OP = 'DELETE' THEN
        alone := OLD.task_id;
    END IF;
    UPDATE board_tasks
    SET status = CASE status WHEN 'assigned' THEN 'inbox' ELSE 'blocked' END,
        blocked_reason = CASE status WHEN 'assigned' THEN NULL ELSE 'Nobody is assigned any more.' END
    WHERE (alone IS NULL OR id = alone) AND status IN ('assigned', 'in_progress')
      AND NOT EXISTS (SELECT FROM board_assignees WHERE task_id = board_tasks.id);
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_left_alone ON board_assignees;
CREATE CONSTRAINT TRIGGER board_left_alone AFTER DELETE ON board_assignees
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION board_left_alone();

DROP TRIGGER IF EXISTS board_all_left_alone ON board_assignees;
CREATE TRIGGER board_all_left_alone AFTER TRUNCATE ON board_assignees
    FOR EACH STATEMENT EXECUTE FUNCTION board_left_alone();

-- Messages ----------------------------------------------------------------------------------------------------------

-- Whom does a text mean by @? Not within code or a quotation, and by the longest name that is known: of people their
-- name or what is before the @ of their address, of agents their id or display name, qa for the one who reviews, and
-- all for everybody but the author.
CREATE OR REPLACE FUNCTION board_mentions(account text, content text, author_type text, author_id text) RETURNS jsonb
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    said text := content;
    answer jsonb;
BEGIN
    IF strpos(said, '@') = 0 THEN
        RETURN '[]';
    END IF;
    said := regexp_replace(said, '```.*?(```|$)', ' ', 'g');
    said := regexp_replace(said, '`[^`\n]*`', ' ', 'g');
    said := regexp_replace(said, '(^|\n)[ \t]*>[^\n]*', '\1', 'g');
    WITH spoken AS (
        SELECT words, quoted, min(place) AS place
        FROM regexp_matches(said, '(?<![[:alnum:]_.-])@(?:"([^"\n]{1,200})"|([^\s@"][^@\n]{0,199}))', 'g')
                 WITH ORDINALITY AS spoken (parts, place),
             LATERAL (SELECT lower(coalesce(parts[1], parts[2])), parts[1] IS NOT NULL) AS read (words, quoted)
        GROUP BY words, quoted ORDER BY place LIMIT 500  -- or a text of nothing else would hold its task for minutes
    ), everybody AS (
        SELECT 'user' AS type, user_id AS id, coalesce(nullif(name, ''), user_id) AS name, NULL::text AS slug,
               email, NULL::text AS role
        FROM memberships WHERE memberships.account_id = account
        UNION ALL
        SELECT 'agent', agents.name, agents.display_name, agents.name, NULL, agents.role
        FROM board_agents(account) AS agents
    ), names AS (
        SELECT lower(name) AS key, 1 AS rank, type, id, name, slug FROM everybody WHERE type = 'user'
        UNION ALL
        SELECT lower(split_part(email, '@', 1)), 2, type, id, name, slug FROM everybody WHERE email LIKE '_%@%'
        UNION ALL
        SELECT slug, 3, type, id, name, slug FROM everybody WHERE type = 'agent'
        UNION ALL
        SELECT lower(name), 4, type, id, name, slug FROM everybody WHERE type = 'agent'
        UNION ALL
        (SELECT 'qa', 5, type, id, name, slug FROM everybody
         WHERE role ~* '\mqa\M|quality assurance|quality\M' ORDER BY slug LIMIT 1)
        UNION ALL
        SELECT 'all', 0, 'all', '', '', NULL
    ), meant AS (
        SELECT DISTINCT ON (place) type, id, name, slug
        FROM spoken JOIN names ON key <> '' AND (
            words = key
            OR (NOT quoted AND starts_with(words, key) AND substr(words, length(key) + 1, 1) !~ '[[:alnum:]_-]')
        )
        ORDER BY place, length(key) DESC, rank, id
    ), chosen AS (
        SELECT type, id, name, slug FROM meant WHERE type <> 'all'
        UNION
        SELECT type, id, name, slug FROM everybody
        WHERE EXISTS (SELECT FROM meant WHERE type = 'all')
          AND (type, id) IS DISTINCT FROM (author_type, author_id)
    )
    SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('type', type, 'id', id, 'name', name, 'slug', slug))
                     ORDER BY type, id) INTO answer
    FROM chosen;
    RETURN coalesce(answer, '[]');
END $$;

CREATE OR REPLACE FUNCTION board_check_message() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    actor record;
    task record;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.seq, NEW.account_id, NEW.task_id, NEW.author_type, NEW.author_id, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.seq, OLD.account_id, OLD.task_id, OLD.author_type, OLD.author_id, OLD.created_at) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB422',
            MESSAGE = 'Invalid change: id, task, place and author of a message stay';
    END IF;
    SELECT account_id, status, labels INTO task FROM board_tasks
    WHERE id = NEW.task_id AND (NEW.account_id IS NULL OR account_id = NEW.account_id) FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB404', MESSAGE = format('Not found: task %s', NEW.task_id);
    END IF;
    IF TG_OP = 'INSERT' THEN
        SELECT * INTO actor FROM board_actor();
        NEW.account_id := task.account_id;
        NEW.seq := nextval(pg_get_serial_sequence('board_messages', 'seq'));  -- in the order in which the task was had
        NEW.created_at := clock_timestamp();
        NEW.author_type := coalesce(NEW.author_type, actor.type);
        NEW.author_id := coalesce(NEW.author_id, actor.id);
    END IF;
    NEW.mentions := CASE WHEN 'system:orchestrator-chat' = ANY (task.labels) THEN '[]'
                         ELSE board_mentions(task.account_id, NEW.content, NEW.author_type, NEW.author_id) END;
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS board_message_checked ON board_messages;
CREATE TRIGGER board_message_checked BEFORE INSERT OR UPDATE ON board_messages
    FOR EACH ROW EXECUTE FUNCTION board_check_message();

CREATE OR REPLACE FUNCTION board_message_happened() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    task record;
    leader text;
    author text := board_name_of(NEW.account_id, NEW.author_type, NEW.author_id);
    reaches_agents boolean := NOT NEW.quiet;
    told jsonb;
    in_chat boolean;
BEGIN
    UPDATE board_tasks SET last_message_at = NEW.created_at WHERE id = NEW.task_id RETURNING * INTO task;
    SELECT name INTO leader FROM board_agents(NEW.account_id) WHERE is_orchestrator;
    IF reaches_agents AND NEW.author_type = 'agent' THEN
        SELECT can_mention_agents INTO reaches_agents FROM board_agents(NEW.account_id) WHERE name = NEW.author_id;
    END IF;
    in_chat := 'system:orchestrator-chat' = ANY (task.labels);
    SELECT coalesce(jsonb_agg(mention), '[]') INTO told FROM jsonb_array_elements(NEW.mentions) AS mention
    WHERE (mention ->> 'type', mention ->> 'id') IS DISTINCT FROM (NEW.author_type, NEW.author_id)
      AND (mention ->> 'type' = 'user' OR reaches_agents IS TRUE);

    PERFORM board_subscribe(NEW.account_id, NEW.task_id, NEW.author_type, NEW.author_id);
    PERFORM board_subscribe(NEW.account_id, NEW.task_id, mention ->> 'type', mention ->> 'id')
    FROM jsonb_array_elements(told) AS mention;
    PERFORM board_subscribe(NEW.account_id, NEW.task_id, 'agent', leader) WHERE leader IS NOT NULL;
    PERFORM board_record(NEW.account_id, 'message_created', 'message', NEW.id::text,
                         jsonb_build_object('taskId', NEW.task_id, 'mentionCount', jsonb_array_length(NEW.mentions)));

    INSERT INTO board_notifications
        (account_id, type, agent, user_id, actor_type, actor_id, task_id, message_id, title, body)
    SELECT NEW.account_id, 'mention', mention ->> 'slug', CASE mention ->> 'type' WHEN 'user' THEN mention ->> 'id' END,
           NEW.author_type, NEW.author_id, NEW.task_id, NEW.id, format('%s mentioned you', author), left(task.title, 500)
    FROM jsonb_array_elements(told) AS mention;

    -- Whom a mention reaches hears nothing twice; where it reaches agents, the others are not meant. A task that is done
    -- wakes no agent. In one that is blocked agents hear of who may unblock it, a person or the orchestrator; and the
    -- orchestrator hears of all.
    INSERT INTO board_notifications
        (account_id, type, agent, user_id, actor_type, actor_id, task_id, message_id, title, body)
    SELECT NEW.account_id, 'thread_update', listening.agent, listening.user_id, NEW.author_type, NEW.author_id,
           NEW.task_id, NEW.id, format('%s replied', author), left(task.title, 500)
    FROM board_subscriptions AS listening
    WHERE listening.task_id = NEW.task_id
      AND (NEW.author_type <> 'agent' OR listening.agent IS DISTINCT FROM NEW.author_id)
      AND (NEW.author_type <> 'user' OR listening.user_id IS DISTINCT FROM NEW.author_id)
      AND NOT EXISTS (SELECT FROM jsonb_array_elements(told) AS mention
                      WHERE (mention ->> 'type' = 'user' AND mention ->> 'id' = listening.user_id)
                         OR (mention ->> 'type' = 'agent' AND listening.agent IS NOT NULL))
      AND (listening.agent IS NULL OR NOT (
          NEW.quiet
          OR task.status IN ('done', 'archived')
          OR (task.status = 'blocked' AND NEW.author_type = 'agent' AND NEW.author_id IS DISTINCT FROM leader
              AND listening.agent IS DISTINCT FROM leader)
          OR (in_chat AND listening.agent IS DISTINCT FROM leader)))
    ON CONFLICT (task_id, agent)
        WHERE type = 'thread_update' AND agent IS NOT NULL AND read_at IS NULL AND delivered_at IS NULL
    DO UPDATE SET message_id = EXCLUDED.message_id, actor_type = EXCLUDED.actor_type, actor_id = EXCLUDED.actor_id,
                  title = EXCLUDED.title, body = EXCLUDED.body;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_message_happened ON board_messages;
CREATE TRIGGER board_message_happened AFTER INSERT ON board_messages
    FOR EACH ROW EXECUTE FUNCTION board_message_happened();

-- Documents ---------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION board_check_document() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    actor record;
BEGIN
    SELECT * INTO actor FROM board_actor();
    IF NEW.task_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM board_tasks WHERE id = NEW.task_id AND account_id = NEW.account_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB404', MESSAGE = format('Not found: task %s', NEW.task_id);
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.author_type := coalesce(NEW.author_type, actor.type);
        NEW.author_id := coalesce(NEW.author_id, actor.id);
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.account_id, NEW.author_type, NEW.author_id, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.author_type, OLD.author_id, OLD.created_at) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB422', MESSAGE = 'Invalid change: id, account and creation of a document stay';
    END IF;
    NEW.version := OLD.version + CASE WHEN NEW.content IS DISTINCT FROM OLD.content THEN 1 ELSE 0 END;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS board_document_checked ON board_documents;
CREATE TRIGGER board_document_checked BEFORE INSERT OR UPDATE ON board_documents
    FOR EACH ROW EXECUTE FUNCTION board_check_document();

CREATE OR REPLACE FUNCTION board_document_happened() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    document board_documents := coalesce(NEW, OLD);
BEGIN
    IF TG_OP = 'DELETE' AND OLD.deleted_at IS NOT NULL THEN  -- which is known already
        RETURN NULL;
    END IF;
    PERFORM board_record(
        document.account_id,
        CASE WHEN TG_OP = 'INSERT' THEN 'document_created'
             WHEN TG_OP = 'DELETE' OR (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) THEN 'document_deleted'
             ELSE 'document_updated' END,
        'document', document.id::text,
        jsonb_strip_nulls(jsonb_build_object(
            'title', left(document.title, 200), 'taskId', document.task_id, 'version', document.version)));
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS board_document_happened ON board_documents;
CREATE TRIGGER board_document_happened AFTER INSERT OR UPDATE OR DELETE ON board_documents
    FOR EACH ROW EXECUTE FUNCTION board_document_happened();

-- Waking whoever works with this ------------------------------------------------------------------------------------
--
-- What is said names a table and no row: any number of changes of a transaction is one notification for each, and whoever
-- can connect can LISTEN.

CREATE OR REPLACE FUNCTION notify_agent_work_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    changed boolean := true;
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        changed := EXISTS (SELECT FROM new_rows);
    ELSIF TG_OP = 'DELETE' THEN
        changed := EXISTS (SELECT FROM old_rows);
    END IF;
    IF changed THEN
        PERFORM pg_notify('agent_work_changed', json_build_object('source', TG_TABLE_NAME)::text);
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT tables.name, event, rows FROM (VALUES
            ('board_tasks', '{insert,update,delete,truncate}'::text[]),
            ('board_assignees', '{insert,delete,truncate}'),
            ('board_messages', '{insert,delete,truncate}'),
            ('board_documents', '{insert,update,delete,truncate}'),
            ('board_notifications', '{insert}')
        ) AS tables (name, events)
        JOIN (VALUES
            ('insert', 'REFERENCING NEW TABLE AS new_rows'),
            ('update', 'REFERENCING NEW TABLE AS new_rows'),
            ('delete', 'REFERENCING OLD TABLE AS old_rows'),
            ('truncate', '')
        ) AS kinds (event, rows) ON event = ANY (events)
    LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %I', 'agent_work_changed_' || wanted.event, wanted.name);
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %I %s FOR EACH STATEMENT'
                       ' EXECUTE FUNCTION notify_agent_work_changed()',
                       'agent_work_changed_' || wanted.event, wanted.event, wanted.name, wanted.rows);
    END LOOP;
END $$;

-- Rights ------------------------------------------------------------------------------------------------------------
--
-- Those functions that run as the owner are called by triggers alone, about a row that its writer may write.

DO $$
DECLARE
    ours record;
BEGIN
    FOR ours IN
        SELECT proname AS name, pg_proc.oid::regprocedure::text AS signature
        FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = current_schema() AND proname IN (  -- whatever else begins so belongs to somebody else
            'board_actor', 'board_agents', 'board_assigned', 'board_assignee_stays', 'board_cards',
            'board_check_assignees', 'board_check_document', 'board_check_message', 'board_check_task',
            'board_document_happened', 'board_left_alone', 'board_lock_task', 'board_may_become', 'board_mentions',
            'board_message_happened', 'board_name_of', 'board_named_anew', 'board_record', 'board_subscribe',
            'board_task_happened', 'board_task_removed', 'board_unassigned', 'board_waits', 'notify_agent_work_changed')
    LOOP
        IF ours.name NOT IN ('board_agents', 'board_cards') THEN  -- without a setting they become part of a query
            EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', ours.signature,
                           current_schema());
        END IF;
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', ours.signature);
    END LOOP;
END $$;

DO $$
DECLARE
    known text;
BEGIN
    FOR known IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('agent_config_runtime', 'agent_config_operator')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION board_actor(), board_agents(text), board_cards(text),'
                       ' board_name_of(text, text, text), board_may_become(text, text, text),'
                       ' board_mentions(text, text, text, text) TO %I', known);
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', pg_get_serial_sequence('board_messages', 'seq'), known);
    END LOOP;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        GRANT SELECT, INSERT, UPDATE ON board_tasks, board_documents TO agent_config_runtime;
        GRANT SELECT, INSERT, DELETE ON board_assignees TO agent_config_runtime;
        GRANT SELECT, INSERT ON board_messages, board_notifications, agent_sessions TO agent_config_runtime;
        GRANT SELECT ON agent_presence TO agent_config_runtime;
        GRANT SELECT (is_orchestrator, can_create_tasks, can_modify_task_status, can_create_documents, can_mention_agents,
                      can_review_tasks, can_mark_done) ON agents TO agent_config_runtime;
        GRANT SELECT (can_create_tasks, can_modify_task_status, can_create_documents, can_mention_agents, can_review_tasks,
                      can_mark_done) ON accounts TO agent_config_runtime;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON board_tasks, board_assignees, board_messages, board_documents,
            board_subscriptions, board_notifications, agent_sessions, agent_presence TO agent_config_operator;
        IF NOT has_table_privilege('agent_config_operator', 'accounts', 'UPDATE') THEN
            GRANT SELECT (can_create_tasks, can_modify_task_status, can_create_documents, can_mention_agents,
                          can_review_tasks, can_mark_done),
                  UPDATE (can_create_tasks, can_modify_task_status, can_create_documents, can_mention_agents,
                          can_review_tasks, can_mark_done) ON accounts TO agent_config_operator;
        END IF;
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0009_board') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0009_board", "operation": "INSERT"}';

COMMIT;

-- Skills that agents install by themselves: who lets them, what a gateway sees of them, and what happened.

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
            ('accounts', '{id}'::text[]),
            ('installed_skills', '{account_id,gateway,agent,slug,name,description,checksum,problem,config_key,primary_env,reported_by,changed_at,seen_at}'),
            ('activities', '{id,account_id,gateway,type,actor_type,actor_id,target_type,target_id,meta,recorded_by,created_at}')
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

-- Accounts ----------------------------------------------------------------------------------------------------------

DO $$
BEGIN
    IF to_regclass('accounts') IS NULL THEN
        CREATE TABLE accounts (id text PRIMARY KEY);
        INSERT INTO accounts (id) VALUES ('default');
    END IF;
END $$;

ALTER TABLE accounts
    ADD COLUMN IF NOT EXISTS name               text,
    ADD COLUMN IF NOT EXISTS skills_poc_enabled boolean;

COMMENT ON TABLE accounts IS 'What holds for all agents of an account; account_id of the other tables names it.';
COMMENT ON COLUMN accounts.skills_poc_enabled IS 'Whether its agents may manage skills; null: as agent_system_config says under this key, else not.';

-- What is installed -------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS installed_skills (
    account_id  text        NOT NULL DEFAULT 'default',
    gateway     text        NOT NULL,
    agent       text        NOT NULL,
    slug        text        NOT NULL,
    name        text        NOT NULL,
    description text,
    checksum    text        NOT NULL,
    problem     text,
    config_key  text,
    primary_env text,
    reported_by text        NOT NULL DEFAULT session_user,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, gateway, agent, slug)
);

COMMENT ON TABLE installed_skills IS 'Skills in the agents'' workspaces that agent-config-sync did not write, as it sees them. It wakes nobody, and nothing is rendered from it.';
COMMENT ON COLUMN installed_skills.agent IS 'Whose workspace it is in; empty for the folder that all agents of the gateway share.';
COMMENT ON COLUMN installed_skills.slug IS 'Its folder.';
COMMENT ON COLUMN installed_skills.name IS 'By which the gateway knows it: the name in its front matter, else its folder.';
COMMENT ON COLUMN installed_skills.checksum IS 'SHA-256 of SKILL.md in hex.';
COMMENT ON COLUMN installed_skills.problem IS 'Why the gateway does not load it; null if it does.';
COMMENT ON COLUMN installed_skills.config_key IS 'Key of its entry in skills.entries, where that is not its name.';
COMMENT ON COLUMN installed_skills.primary_env IS 'The environment variable in which it expects its key, if it says so.';
COMMENT ON COLUMN installed_skills.reported_by IS 'The login that wrote the row; no other login can change it, but an operator can delete it.';

ALTER TABLE installed_skills ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS installed_skills_read ON installed_skills;
CREATE POLICY installed_skills_read ON installed_skills FOR SELECT USING (true);
DROP POLICY IF EXISTS installed_skills_report ON installed_skills;
CREATE POLICY installed_skills_report ON installed_skills FOR INSERT WITH CHECK (reported_by = session_user);
DROP POLICY IF EXISTS installed_skills_update ON installed_skills;
CREATE POLICY installed_skills_update ON installed_skills FOR UPDATE
    USING (reported_by = session_user) WITH CHECK (reported_by = session_user);
DROP POLICY IF EXISTS installed_skills_remove ON installed_skills;
CREATE POLICY installed_skills_remove ON installed_skills FOR DELETE
    USING (reported_by = session_user OR pg_has_role(
        current_user, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator'), 'USAGE'));

-- What happened -----------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS activities (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  text        NOT NULL DEFAULT 'default',
    gateway     text,
    type        text        NOT NULL,
    actor_type  text        NOT NULL CHECK (actor_type IN ('user', 'agent', 'system')),
    actor_id    text        NOT NULL,
    target_type text        NOT NULL,
    target_id   text        NOT NULL,
    meta        jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(meta) = 'object'),
    recorded_by text        NOT NULL DEFAULT session_user,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS activities_of_an_account ON activities (account_id, created_at);

COMMENT ON TABLE activities IS 'Who did what; rows are added and never changed, and operators delete old ones. It wakes nobody.';
COMMENT ON COLUMN activities.type IS 'What happened, such as skill_installed; docs/skills.md has them all.';
COMMENT ON COLUMN activities.recorded_by IS 'The login that wrote the row.';

ALTER TABLE activities ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS activities_read ON activities;
CREATE POLICY activities_read ON activities FOR SELECT USING (true);
DROP POLICY IF EXISTS activities_record ON activities;
CREATE POLICY activities_record ON activities FOR INSERT WITH CHECK (recorded_by = session_user AND actor_type <> 'user');
DROP POLICY IF EXISTS activities_forget ON activities;
CREATE POLICY activities_forget ON activities FOR DELETE USING (true);

-- Notifications -----------------------------------------------------------------------------------------------------

DO $$
DECLARE
    event record;
BEGIN
    FOR event IN
        SELECT * FROM (VALUES
            ('insert', 'REFERENCING NEW TABLE AS new_rows'),
            ('update', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'),
            ('delete', 'REFERENCING OLD TABLE AS old_rows'),
            ('truncate', '')
        ) AS events (name, rows)
    LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON accounts', 'workspace_changed_' || event.name);
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON accounts %s FOR EACH STATEMENT'
                       ' EXECUTE FUNCTION notify_workspace_changed(''id'', ''skills_poc_enabled'')',
                       'workspace_changed_' || event.name, event.name, event.rows);
    END LOOP;
END $$;

-- Rights ------------------------------------------------------------------------------------------------------------
--
-- A gateway whose agents manage skills logs in with agent_config_runtime, which can all that agent_config_reader can.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        CREATE ROLE agent_config_runtime NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;
    WHEN insufficient_privilege THEN
        RAISE WARNING 'role agent_config_runtime was not created: % lacks CREATEROLE; have an administrator create it, then run agent-config-sync migrate --repair',
            current_user;
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_reader') THEN
        GRANT SELECT (id, skills_poc_enabled) ON accounts TO agent_config_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator') THEN
        IF EXISTS (SELECT FROM pg_catalog.pg_attribute
                   WHERE attrelid = 'accounts'::regclass AND attnum > 0 AND NOT attisdropped
                     AND attname NOT IN ('id', 'name', 'skills_poc_enabled')) THEN
            GRANT SELECT (id, name, skills_poc_enabled), UPDATE (skills_poc_enabled) ON accounts TO agent_config_operator;
        ELSE
            GRANT SELECT, INSERT, UPDATE, DELETE ON accounts TO agent_config_operator;
        END IF;
        GRANT SELECT, DELETE ON installed_skills, activities TO agent_config_operator;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON installed_skills TO agent_config_runtime;
        GRANT INSERT (account_id, gateway, type, actor_type, actor_id, target_type, target_id, meta) ON activities
            TO agent_config_runtime;
    END IF;
END $$;

DO $$
BEGIN
    IF NOT pg_has_role('agent_config_runtime', 'agent_config_reader', 'USAGE') THEN
        GRANT agent_config_reader TO agent_config_runtime;
    END IF;
EXCEPTION
    WHEN undefined_object OR unique_violation THEN
        NULL;
    WHEN insufficient_privilege THEN
        RAISE WARNING 'agent_config_runtime has not the rights of agent_config_reader: % may not grant them; have an administrator GRANT agent_config_reader TO agent_config_runtime',
            current_user;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0005_installed_skills') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0005_installed_skills", "operation": "INSERT"}';

COMMIT;

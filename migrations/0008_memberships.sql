-- Who belongs to an account, which login works for which account, and what notifications say where accounts are kept
-- apart (migrations/tenancy.sql, a step of its own).

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
            ('memberships', '{account_id,user_id,role,name,email,joined_at}'::text[]),
            ('account_logins', '{login,account_id,gateway}')
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

-- Members -----------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS memberships (
    account_id text        NOT NULL DEFAULT 'default',
    user_id    text        NOT NULL
        CONSTRAINT memberships_user_is_a_subject CHECK (user_id ~ '^[^[:cntrl:]]{1,200}$'),
    role       text        NOT NULL
        CONSTRAINT memberships_role CHECK (role IN ('owner', 'admin', 'member')),
    name       text,
    email      text,
    joined_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, user_id)
);

COMMENT ON TABLE memberships IS 'Who belongs to an account, and what for. It wakes nobody.';
COMMENT ON COLUMN memberships.user_id IS 'The subject (sub) of the person''s OpenID tokens.';
COMMENT ON COLUMN memberships.role IS 'owner, admin or member.';

-- A column user_id of yours stays what it is: we neither check it nor let it be unique.
ALTER TABLE people
    ADD COLUMN IF NOT EXISTS user_id text
        CONSTRAINT people_user_is_a_subject CHECK (user_id ~ '^[^[:cntrl:]]{1,200}$');

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_constraint
               WHERE conrelid = 'people'::regclass AND contype = 'c' AND conname = 'people_user_is_a_subject') THEN
        COMMENT ON COLUMN people.user_id IS 'Who this is among the memberships of the account; null: nobody who logs in.';
        CREATE UNIQUE INDEX IF NOT EXISTS people_of_a_user ON people (account_id, user_id) WHERE user_id IS NOT NULL;
    END IF;
EXCEPTION
    WHEN feature_not_supported OR undefined_object OR unique_violation THEN
        RAISE WARNING 'nothing keeps people to one row a user: %', SQLERRM;
END $$;

-- Logins ------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS account_logins (
    login      text NOT NULL,
    account_id text NOT NULL,
    gateway    text,
    PRIMARY KEY (login, account_id)
);

COMMENT ON TABLE account_logins IS 'Which login works for which account, where accounts are kept apart. Only its owner writes it.';
COMMENT ON COLUMN account_logins.login IS 'As whom the session was opened (session_user).';
COMMENT ON COLUMN account_logins.gateway IS 'The one gateway for which it may write, null for any of the account.';

-- Whatever somebody grants: there is no policy by which a login other than the owner could write.
ALTER TABLE account_logins ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS account_logins_read ON account_logins;
CREATE POLICY account_logins_read ON account_logins FOR SELECT USING (true);

-- Notifications -----------------------------------------------------------------------------------------------------
--
-- As before, but for the key: whoever can connect can LISTEN, so where accounts are kept apart it names nothing of an
-- account. Whether they are, the policies say, which anybody may ask and which cannot differ from what is in force.

CREATE OR REPLACE FUNCTION notify_workspace_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    compared text;
    rows_changed bigint;
    changed text;
BEGIN
    SELECT string_agg(format('%I::text', wanted), ', ') INTO compared FROM unnest(TG_ARGV) AS wanted
    HAVING count(*) = (SELECT count(*) FROM pg_attribute
                       WHERE attrelid = TG_RELID AND attname = ANY (TG_ARGV) AND NOT attisdropped);
    IF compared IS NOT NULL AND TG_OP <> 'TRUNCATE' THEN
        EXECUTE format(
            CASE TG_OP
                WHEN 'INSERT' THEN 'SELECT count(*), min(%1$I::text) FROM new_rows'
                WHEN 'DELETE' THEN 'SELECT count(*), min(%1$I::text) FROM old_rows'
                ELSE 'SELECT count(*), min(%1$I) FROM (SELECT %2$s FROM new_rows EXCEPT ALL SELECT %2$s FROM old_rows) AS different'
            END, TG_ARGV[0], compared) INTO rows_changed, changed;
        IF rows_changed = 0 THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME,
        'key', CASE WHEN rows_changed = 1 AND octet_length(changed) <= 1000
                          AND (TG_TABLE_NAME = 'model_aliases' OR NOT EXISTS (SELECT FROM pg_policy WHERE polname = 'agent_config_tenancy')) THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION notify_agent_config_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    comparable boolean := false;
    rows_changed bigint;
    changed text;
BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        SELECT tgnewtable = 'new_rows' OR tgoldtable = 'old_rows' INTO comparable FROM pg_trigger
        WHERE tgrelid = TG_RELID AND tgname = TG_NAME;
    END IF;
    IF comparable THEN
        IF TG_OP = 'INSERT' THEN
            SELECT count(*), min(name::text) INTO rows_changed, changed FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*), min(name::text) INTO rows_changed, changed FROM old_rows;
        ELSIF TG_OP = 'UPDATE' THEN
            SELECT count(*), min(name) INTO rows_changed, changed FROM (
                SELECT account_id::text, name::text, display_name::text, role::text, instance_type::text, status::text,
                       is_default::text, model::text, fallback_models::text, thinking::text, allowed_subagents::text,
                       gateways::text, settings::text, soul_content::text, soul_template::text, identity_profile::text,
                       identity_template::text, board_id::text, is_board_lead::text, skills_exclusive::text,
                       heartbeat_every::text, heartbeat_target::text, heartbeat_model::text, heartbeat_prompt::text
                FROM new_rows
                EXCEPT ALL
                SELECT account_id::text, name::text, display_name::text, role::text, instance_type::text, status::text,
                       is_default::text, model::text, fallback_models::text, thinking::text, allowed_subagents::text,
                       gateways::text, settings::text, soul_content::text, soul_template::text, identity_profile::text,
                       identity_template::text, board_id::text, is_board_lead::text, skills_exclusive::text,
                       heartbeat_every::text, heartbeat_target::text, heartbeat_model::text, heartbeat_prompt::text
                FROM old_rows
            ) AS different;
        END IF;
        IF rows_changed = 0 THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME,
        'key', CASE WHEN rows_changed = 1 AND octet_length(changed) <= 1000
                          AND NOT EXISTS (SELECT FROM pg_policy WHERE polname = 'agent_config_tenancy') THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN coalesce(NEW, OLD);
END $$;

CREATE OR REPLACE FUNCTION notify_gateway_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    comparable boolean := false;
    changed text;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        SELECT count(*) = 5 INTO comparable FROM pg_attribute
        WHERE attrelid = TG_RELID AND NOT attisdropped
          AND attname IN ('account_id', 'name', 'workspace_root', 'base_url', 'person_id');
    END IF;
    IF comparable THEN
        IF TG_OP = 'UPDATE' THEN
            IF (NEW.account_id::text, NEW.name::text, NEW.workspace_root::text, NEW.base_url::text, NEW.person_id::text)
                IS NOT DISTINCT FROM
                (OLD.account_id::text, OLD.name::text, OLD.workspace_root::text, OLD.base_url::text, OLD.person_id::text) THEN
                RETURN NEW;
            END IF;
            changed := NEW.name;
        ELSIF TG_OP = 'INSERT' THEN
            changed := NEW.name;
        ELSIF TG_OP = 'DELETE' THEN
            changed := OLD.name;
        END IF;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME,
        'key', CASE WHEN octet_length(changed) <= 1000
                          AND NOT EXISTS (SELECT FROM pg_policy WHERE polname = 'agent_config_tenancy') THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN coalesce(NEW, OLD);
END $$;

CREATE OR REPLACE FUNCTION notify_skill_credential_revoked() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    revoked text;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        revoked := OLD.credential_ref;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME,
        'key', CASE WHEN octet_length(revoked) <= 1000
                          AND NOT EXISTS (SELECT FROM pg_policy WHERE polname = 'agent_config_tenancy') THEN revoked END,
        'operation', TG_OP
    )::text);
    RETURN NULL;
END $$;

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        GRANT SELECT (account_id, user_id, role, name, email) ON memberships TO agent_config_runtime;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON memberships TO agent_config_operator;
        GRANT SELECT ON account_logins TO agent_config_operator;
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0008_memberships') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0008_memberships", "operation": "INSERT"}';

COMMIT;

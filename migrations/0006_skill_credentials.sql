-- The keys for which agents ask: who asked for which, and whether a person has entered it. No column is for a key, and
-- each text is checked to be a name: one in which letters and digits are mixed without a break for long is none.

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
            ('skill_credentials', '{id,account_id,gateway,skill,key_name,credential_ref,status,revision,requested_by,decided_by,reported_by,requested_at,updated_at}'::text[])
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

CREATE TABLE IF NOT EXISTS skill_credentials (
    id             uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id     text        NOT NULL DEFAULT 'default'
        CONSTRAINT skill_credentials_account_is_a_name CHECK (account_id ~ '^[^/[:cntrl:]]{1,200}$'),
    gateway        text        NOT NULL
        CONSTRAINT skill_credentials_gateway_is_a_name CHECK (gateway ~ '^[^/[:cntrl:]]{1,200}$'),
    skill          text        NOT NULL
        CONSTRAINT skill_credentials_skill_is_a_folder CHECK (
            skill ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'
            AND skill !~ '(^|[-_])(?=[^-_]*[0-9])(?=[^-_]*[A-Za-z])[^-_]{16,}'
            AND skill !~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'),
    key_name       text        NOT NULL
        CONSTRAINT skill_credentials_key_is_a_name CHECK (
            key_name ~ '^[A-Z][A-Z0-9_]{0,63}$' AND key_name !~ '(^|_)(?=[^_]*[0-9])(?=[^_]*[A-Z])[^_]{16,}'),
    credential_ref text        NOT NULL
        CONSTRAINT skill_credentials_ref_begins_with_its_account
            CHECK (credential_ref = account_id || '/' || gateway || '/' || skill || '/' || key_name),
    status         text        NOT NULL DEFAULT 'pending'
        CONSTRAINT skill_credentials_status CHECK (status IN ('pending', 'active', 'revoked')),
    revision       integer     NOT NULL DEFAULT 0,
    requested_by   text
        CONSTRAINT skill_credentials_requested_by_an_agent CHECK (requested_by ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    decided_by     text
        CONSTRAINT skill_credentials_decided_by_a_person CHECK (decided_by ~ '^[^[:cntrl:]]{1,200}$'),
    reported_by    text        NOT NULL DEFAULT session_user,
    requested_at   timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX IF NOT EXISTS skill_credentials_one_at_a_time
    ON skill_credentials (account_id, gateway, skill, key_name) WHERE status <> 'revoked';

COMMENT ON TABLE skill_credentials IS 'Keys that skills need, never a key itself.';
COMMENT ON COLUMN skill_credentials.skill IS 'Folder of the skill.';
COMMENT ON COLUMN skill_credentials.key_name IS 'The environment variable in which the skill expects the key.';
COMMENT ON COLUMN skill_credentials.status IS 'pending: a person is asked for it; active: entered; revoked: taken back, and a new request begins anew.';
COMMENT ON COLUMN skill_credentials.revision IS 'How often a key was entered.';
COMMENT ON COLUMN skill_credentials.requested_by IS 'The agent that asked, null for a person.';
COMMENT ON COLUMN skill_credentials.decided_by IS 'The person who entered it or took it back.';
COMMENT ON COLUMN skill_credentials.reported_by IS 'The login of the gateway; no other gateway''s login can change the row.';

ALTER TABLE skill_credentials ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS skill_credentials_read ON skill_credentials;
CREATE POLICY skill_credentials_read ON skill_credentials FOR SELECT USING (true);
DROP POLICY IF EXISTS skill_credentials_ask ON skill_credentials;
CREATE POLICY skill_credentials_ask ON skill_credentials FOR INSERT WITH CHECK (reported_by = session_user);
DROP POLICY IF EXISTS skill_credentials_change ON skill_credentials;
CREATE POLICY skill_credentials_change ON skill_credentials FOR UPDATE
    USING (reported_by = session_user OR pg_has_role(
        current_user, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator'), 'USAGE'));
DROP POLICY IF EXISTS skill_credentials_forget ON skill_credentials;
CREATE POLICY skill_credentials_forget ON skill_credentials FOR DELETE USING (true);

-- What was revoked stays as it is, and a statement about the same reference passes it by. What changes says when.
CREATE OR REPLACE FUNCTION touch_skill_credential() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.status = 'revoked' THEN
        RETURN NULL;
    ELSIF OLD.status = 'active' AND NEW.status = 'pending' THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('a key was entered for %s', OLD.credential_ref),
            HINT = 'revoke it; a new request then begins anew';
    ELSIF OLD.status = 'pending' AND NEW.status = 'active' THEN
        NEW.revision := OLD.revision + 1;
    END IF;
    NEW.updated_at := now();
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS skill_credential_touched ON skill_credentials;
CREATE TRIGGER skill_credential_touched
    BEFORE UPDATE ON skill_credentials
    FOR EACH ROW EXECUTE FUNCTION touch_skill_credential();

-- To take a key back is the act of a person, so it wakes the gateways; what the gateways write here does not.
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
        'key', CASE WHEN octet_length(revoked) <= 1000 THEN revoked END,
        'operation', TG_OP
    )::text);
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS skill_credential_revoked ON skill_credentials;
CREATE TRIGGER skill_credential_revoked
    AFTER UPDATE ON skill_credentials
    FOR EACH ROW WHEN (OLD.status = 'active' AND NEW.status <> 'active')
    EXECUTE FUNCTION notify_skill_credential_revoked();

DROP TRIGGER IF EXISTS skill_credential_deleted ON skill_credentials;
CREATE TRIGGER skill_credential_deleted
    AFTER DELETE ON skill_credentials
    FOR EACH ROW WHEN (OLD.status = 'active')
    EXECUTE FUNCTION notify_skill_credential_revoked();

DROP TRIGGER IF EXISTS skill_credential_truncated ON skill_credentials;
CREATE TRIGGER skill_credential_truncated
    AFTER TRUNCATE ON skill_credentials
    FOR EACH STATEMENT EXECUTE FUNCTION notify_skill_credential_revoked();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        GRANT SELECT, INSERT (account_id, gateway, skill, key_name, credential_ref, requested_by) ON skill_credentials
            TO agent_config_runtime;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator') THEN
        GRANT SELECT, UPDATE (status, decided_by), DELETE ON skill_credentials TO agent_config_operator;
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0006_skill_credentials') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0006_skill_credentials", "operation": "INSERT"}';

COMMIT;

-- The keys for which agents ask: who asked for which, and whether a person has entered it. No column can hold a key: each
-- text is a name, and a name in which letters and digits are mixed without a break for long is none.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

DO $$
BEGIN
    PERFORM agent_config_take_table('skill_credentials', '{id,account_id,gateway,skill,key_name,credential_ref,status}');
END $$;

CREATE TABLE IF NOT EXISTS skill_credentials (
    id             uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id     text        NOT NULL DEFAULT 'default'
        CONSTRAINT skill_credentials_account_has_no_slash CHECK (strpos(account_id, '/') = 0),
    gateway        text        NOT NULL
        CONSTRAINT skill_credentials_gateway_has_no_slash CHECK (strpos(gateway, '/') = 0),
    skill          text        NOT NULL
        CONSTRAINT skill_credentials_skill_is_a_folder CHECK (skill ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    key_name       text        NOT NULL
        CONSTRAINT skill_credentials_key_is_a_name CHECK (key_name ~ '^[A-Z][A-Z0-9_]{0,63}$'),
    credential_ref text        NOT NULL
        CONSTRAINT skill_credentials_ref_begins_with_its_account
            CHECK (credential_ref = account_id || '/' || gateway || '/' || skill || '/' || key_name),
    status         text        NOT NULL DEFAULT 'pending'
        CONSTRAINT skill_credentials_status CHECK (status IN ('pending', 'active', 'revoked')),
    revision       integer     NOT NULL DEFAULT 0,
    requested_by   text,
    decided_by     text,
    reported_by    text        NOT NULL DEFAULT session_user,
    requested_at   timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX IF NOT EXISTS skill_credentials_one_at_a_time
    ON skill_credentials (account_id, gateway, skill, key_name) WHERE status <> 'revoked';

COMMENT ON TABLE skill_credentials IS 'Keys that skills need; the keys themselves are on the gateway''s host only.';
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
        session_user, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator'), 'USAGE'));
DROP POLICY IF EXISTS skill_credentials_forget ON skill_credentials;
CREATE POLICY skill_credentials_forget ON skill_credentials FOR DELETE USING (true);

-- What was revoked stays so, and what changes says when.
CREATE OR REPLACE FUNCTION touch_skill_credential() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.status = 'revoked' AND NEW.status <> 'revoked' THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s was revoked', OLD.credential_ref), HINT = 'a new request begins anew';
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
BEGIN
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME, 'key', OLD.credential_ref, 'operation', TG_OP
    )::text);
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS skill_credential_revoked ON skill_credentials;
CREATE TRIGGER skill_credential_revoked
    AFTER UPDATE ON skill_credentials
    FOR EACH ROW WHEN (OLD.status = 'active' AND NEW.status = 'revoked')
    EXECUTE FUNCTION notify_skill_credential_revoked();

DROP TRIGGER IF EXISTS skill_credential_deleted ON skill_credentials;
CREATE TRIGGER skill_credential_deleted
    AFTER DELETE ON skill_credentials
    FOR EACH ROW WHEN (OLD.status = 'active')
    EXECUTE FUNCTION notify_skill_credential_revoked();

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

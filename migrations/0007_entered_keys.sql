-- What people decide about the keys of skills: the gateway's login may say that one was entered or taken back, and
-- whoever changes a row, its history says so.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

-- It writes as the owner of the tables: gateways may not record what a person did in any other way, and operators may
-- record nothing. A statement that names no person is its login's.
CREATE OR REPLACE FUNCTION record_skill_credential() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said text := CASE TG_OP WHEN 'DELETE' THEN 'credential_deleted' ELSE 'credential_' || CASE NEW.status
        WHEN 'active' THEN 'entered' ELSE NEW.status END END;
    person text := session_user;
BEGIN
    IF TG_OP = 'UPDATE' AND (session_user = NEW.reported_by OR NEW.decided_by IS DISTINCT FROM OLD.decided_by) THEN
        person := coalesce(NEW.decided_by, session_user);
    END IF;
    EXECUTE format(
        'INSERT INTO %I.activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id)'
        ' VALUES ($1, $2, $3, ''user'', $4, ''credential'', $5)', TG_TABLE_SCHEMA)
    USING OLD.account_id, OLD.gateway, said, person, OLD.credential_ref;
    RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION record_skill_credential() FROM PUBLIC;

DROP TRIGGER IF EXISTS skill_credential_decided ON skill_credentials;
CREATE TRIGGER skill_credential_decided
    AFTER UPDATE ON skill_credentials
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION record_skill_credential();

DROP TRIGGER IF EXISTS skill_credential_removed ON skill_credentials;
CREATE TRIGGER skill_credential_removed
    AFTER DELETE ON skill_credentials
    FOR EACH ROW WHEN (OLD.status <> 'revoked')
    EXECUTE FUNCTION record_skill_credential();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        GRANT UPDATE (status, decided_by) ON skill_credentials TO agent_config_runtime;
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0007_entered_keys') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0007_entered_keys", "operation": "INSERT"}';

COMMIT;

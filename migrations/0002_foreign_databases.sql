-- Beside tables and triggers of another system. Above all: a column of ours that it made with another type (json, an enum,
-- an integer) is compared as text, because comparing json fails the operator's own statement.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

CREATE OR REPLACE FUNCTION touch_system_config() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.key::text, NEW.value::text, NEW.value_type::text)
        IS DISTINCT FROM (OLD.key::text, OLD.value::text, OLD.value_type::text) THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END $$;

-- Seconds since the epoch, for one, are kept by whoever keeps them so.
DO $$
BEGIN
    IF (SELECT atttypid NOT IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
        FROM pg_catalog.pg_attribute WHERE attrelid = 'agent_system_config'::regclass AND attname = 'updated_at') THEN
        DROP TRIGGER IF EXISTS system_config_touched ON agent_system_config;
    END IF;
END $$;

-- A trigger of an earlier system on a table of its own may call these functions too; it goes on to wake us, and its
-- statement goes through.

CREATE OR REPLACE FUNCTION notify_system_config_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed text;
BEGIN
    IF TG_TABLE_NAME = 'agent_system_config' THEN
        IF TG_OP = 'UPDATE' THEN
            IF (NEW.key::text, NEW.value::text, NEW.value_type::text)
                IS NOT DISTINCT FROM (OLD.key::text, OLD.value::text, OLD.value_type::text) THEN
                RETURN NULL;
            END IF;
            changed := NEW.key;
        ELSIF TG_OP = 'INSERT' THEN
            changed := NEW.key;
        ELSIF TG_OP = 'DELETE' THEN
            changed := OLD.key;
        END IF;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME,
        'key', CASE WHEN octet_length(changed) <= 1000 THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN coalesce(NEW, OLD);
END $$;

CREATE OR REPLACE FUNCTION notify_agent_config_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rows_changed bigint;
    changed text;
BEGIN
    IF TG_TABLE_NAME = 'agents' THEN
        IF TG_OP = 'INSERT' THEN
            SELECT count(*), min(name::text) INTO rows_changed, changed FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*), min(name::text) INTO rows_changed, changed FROM old_rows;
        ELSIF TG_OP = 'UPDATE' THEN
            SELECT count(*), min(name) INTO rows_changed, changed FROM (
                SELECT account_id::text, name::text, display_name::text, role::text, instance_type::text, status::text,
                       is_default::text, model::text, fallback_models::text, thinking::text, allowed_subagents::text,
                       gateways::text, settings::text FROM new_rows
                EXCEPT ALL
                SELECT account_id::text, name::text, display_name::text, role::text, instance_type::text, status::text,
                       is_default::text, model::text, fallback_models::text, thinking::text, allowed_subagents::text,
                       gateways::text, settings::text FROM old_rows
            ) AS different;
        END IF;
        IF rows_changed = 0 THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME,
        'key', CASE WHEN rows_changed = 1 AND octet_length(changed) <= 1000 THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN coalesce(NEW, OLD);
END $$;

CREATE OR REPLACE FUNCTION notify_gateway_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.account_id::text, NEW.name::text, NEW.workspace_root::text, NEW.base_url::text)
            IS NOT DISTINCT FROM (OLD.account_id::text, OLD.name::text, OLD.workspace_root::text, OLD.base_url::text) THEN
            RETURN NULL;
        END IF;
        changed := NEW.name;
    ELSIF TG_OP = 'INSERT' THEN
        changed := NEW.name;
    ELSIF TG_OP = 'DELETE' THEN
        changed := OLD.name;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', 'gateways',
        'key', CASE WHEN octet_length(changed) <= 1000 THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN NULL;
END $$;

-- Triggers of earlier systems on our settings, whatever their name, so that nothing notifies twice.
DO $$
DECLARE
    earlier text;
BEGIN
    FOR earlier IN
        SELECT tgname FROM pg_catalog.pg_trigger JOIN pg_catalog.pg_proc ON pg_proc.oid = tgfoid
        WHERE tgrelid = 'agent_system_config'::regclass AND NOT tgisinternal
          AND proname = 'notify_system_config_changed'
          AND tgname NOT IN ('system_config_changed', 'system_config_truncated')
    LOOP
        EXECUTE format('DROP TRIGGER %I ON agent_system_config', earlier);
    END LOOP;
END $$;

-- A schema of your own shows its tables to nobody by itself.
DO $$
DECLARE
    reading text;
BEGIN
    FOR reading IN
        SELECT rolname FROM pg_catalog.pg_roles
        WHERE rolname IN ('agent_config_reader', 'agent_config_operator')
          AND NOT has_schema_privilege(rolname, current_schema(), 'USAGE')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), reading);
    END LOOP;
END $$;

-- Who may insert a row may also draw its number.
DO $$
DECLARE
    numbers regclass;
BEGIN
    FOR numbers IN
        SELECT objid::regclass FROM pg_catalog.pg_depend JOIN pg_catalog.pg_class ON pg_class.oid = objid
        WHERE classid = 'pg_class'::regclass AND relkind = 'S' AND deptype = 'a'
          AND refobjid IN ('agents'::regclass, 'agent_system_config'::regclass, 'gateways'::regclass)
          AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator')
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO agent_config_operator', numbers);
    END LOOP;
END $$;

-- We add no policy to a table that may be yours.
DO $$
BEGIN
    IF (SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = 'agents'::regclass) THEN
        RAISE WARNING 'row-level security is on for agents: a gateway sees only the rows that your policies show it'
            USING HINT = 'to show it all: CREATE POLICY agent_config_reads ON agents FOR SELECT TO agent_config_reader USING (true)';
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0002_foreign_databases') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0002_foreign_databases", "operation": "INSERT"}';

COMMIT;

-- Beside tables of others that call our functions: an older trigger may stand on a table of any name, in any schema, and
-- its statement goes through. So each function asks what it was given to compare, and never by which name it was called.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

CREATE OR REPLACE FUNCTION touch_system_config() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    comparable boolean;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        SELECT count(*) = 4 INTO comparable FROM pg_attribute
        WHERE attrelid = TG_RELID AND NOT attisdropped
          AND (attname IN ('key', 'value', 'value_type')
               OR attname = 'updated_at' AND atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype));
        IF comparable AND TG_OP = 'UPDATE' THEN
            IF (NEW.key::text, NEW.value::text, NEW.value_type::text)
                IS DISTINCT FROM (OLD.key::text, OLD.value::text, OLD.value_type::text) THEN
                NEW.updated_at := now();
            END IF;
        END IF;
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;

-- A trigger that gives us no row, or a row without our columns, notifies always, as it did before.

CREATE OR REPLACE FUNCTION notify_system_config_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    comparable boolean := false;
    changed text;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        SELECT count(*) = 3 INTO comparable FROM pg_attribute
        WHERE attrelid = TG_RELID AND NOT attisdropped AND attname IN ('key', 'value', 'value_type');
    END IF;
    IF comparable THEN
        IF TG_OP = 'UPDATE' THEN
            IF (NEW.key::text, NEW.value::text, NEW.value_type::text)
                IS NOT DISTINCT FROM (OLD.key::text, OLD.value::text, OLD.value_type::text) THEN
                RETURN NEW;
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
    comparable boolean := false;
    changed text;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        SELECT count(*) = 4 INTO comparable FROM pg_attribute
        WHERE attrelid = TG_RELID AND NOT attisdropped
          AND attname IN ('account_id', 'name', 'workspace_root', 'base_url');
    END IF;
    IF comparable THEN
        IF TG_OP = 'UPDATE' THEN
            IF (NEW.account_id::text, NEW.name::text, NEW.workspace_root::text, NEW.base_url::text)
                IS NOT DISTINCT FROM
                (OLD.account_id::text, OLD.name::text, OLD.workspace_root::text, OLD.base_url::text) THEN
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
        'key', CASE WHEN octet_length(changed) <= 1000 THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN coalesce(NEW, OLD);
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0003_other_tables') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0003_other_tables", "operation": "INSERT"}';

COMMIT;

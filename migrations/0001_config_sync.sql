-- The control plane of the config sync: agents, system settings, gateways and what each gateway reports.
--
-- Apply it with `agent-config-sync migrate`, or with plain psql:
--     psql -v ON_ERROR_STOP=1 -f migrations/0001_config_sync.sql -f sql/seed.sql
--
-- Everything is created only where it is missing and functions and triggers are replaced, so it can be run again at
-- any time, by two people at once. An `agents` table of yours keeps its columns; ours are added to it.

BEGIN;

SET LOCAL client_min_messages = warning;

-- One migration of this database at a time; `migrate` takes the same lock.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

CREATE TABLE IF NOT EXISTS agent_config_migrations (
    name       text        PRIMARY KEY,
    checksum   text,                               -- SHA-256 of the file; null when psql applied it
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- Agents ------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS agents (
    account_id text NOT NULL DEFAULT 'default',
    name       text NOT NULL CONSTRAINT agents_name_is_an_id CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    PRIMARY KEY (account_id, name)
);

ALTER TABLE agents
    ADD COLUMN IF NOT EXISTS account_id        text    NOT NULL DEFAULT 'default',
    ADD COLUMN IF NOT EXISTS display_name      text,
    ADD COLUMN IF NOT EXISTS role              text,
    ADD COLUMN IF NOT EXISTS instance_type     text    NOT NULL DEFAULT 'subagent'
        CONSTRAINT agents_instance_type CHECK (instance_type IN ('primary', 'subagent', 'peer')),
    ADD COLUMN IF NOT EXISTS status            text    NOT NULL DEFAULT 'active',
    ADD COLUMN IF NOT EXISTS is_default        boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS model             text,
    ADD COLUMN IF NOT EXISTS fallback_models   text[],
    ADD COLUMN IF NOT EXISTS thinking          text,
    ADD COLUMN IF NOT EXISTS allowed_subagents text[],
    ADD COLUMN IF NOT EXISTS gateways          text[],
    ADD COLUMN IF NOT EXISTS settings          jsonb
        CONSTRAINT agents_settings_is_an_object CHECK (jsonb_typeof(settings) = 'object');

COMMENT ON TABLE agents IS 'The agents that OpenClaw gateways run. A change is in force within about a second.';
COMMENT ON COLUMN agents.name IS 'Id and slug of the agent everywhere.';
COMMENT ON COLUMN agents.instance_type IS 'primary, subagent or peer; a peer lives on another gateway and is never in the roster.';
COMMENT ON COLUMN agents.status IS 'Lifecycle; only active agents are in the roster.';
COMMENT ON COLUMN agents.is_default IS 'The agent that gets what is addressed to nobody; one that names its gateways beats one for all.';
COMMENT ON COLUMN agents.model IS 'Model id, as provider/model.';
COMMENT ON COLUMN agents.fallback_models IS 'Model ids tried in this order when the model fails.';
COMMENT ON COLUMN agents.allowed_subagents IS 'Names of the agents that this one may start, or * for any; null or empty leaves it to the gateway.';
COMMENT ON COLUMN agents.gateways IS 'Names of the gateways that run this agent; null means all.';
COMMENT ON COLUMN agents.settings IS 'Whatever else the gateway accepts for an agent, such as tools, sandbox or params.';

-- System settings ---------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS agent_system_config (
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    value_type TEXT NOT NULL DEFAULT 'text',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

ALTER TABLE agent_system_config
    ADD COLUMN IF NOT EXISTS value_type text NOT NULL DEFAULT 'text',
    ADD COLUMN IF NOT EXISTS updated_at timestamptz NOT NULL DEFAULT now();

COMMENT ON TABLE agent_system_config IS 'Defaults for all agents of all gateways; docs/guide.md lists the keys.';

CREATE OR REPLACE FUNCTION touch_system_config() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.key, NEW.value, NEW.value_type) IS DISTINCT FROM (OLD.key, OLD.value, OLD.value_type) THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS system_config_touched ON agent_system_config;
CREATE TRIGGER system_config_touched
    BEFORE UPDATE ON agent_system_config
    FOR EACH ROW EXECUTE FUNCTION touch_system_config();

-- Gateways and what they report -------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS gateways (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id     text NOT NULL DEFAULT 'default',
    name           text NOT NULL,
    workspace_root text,
    base_url       text,
    UNIQUE (account_id, name)
);

ALTER TABLE gateways
    ADD COLUMN IF NOT EXISTS account_id     text NOT NULL DEFAULT 'default',
    ADD COLUMN IF NOT EXISTS name           text,
    ADD COLUMN IF NOT EXISTS workspace_root text,
    ADD COLUMN IF NOT EXISTS base_url       text;

COMMENT ON TABLE gateways IS 'What operators say about a gateway; what the gateway says of itself is in gateway_status.';

CREATE TABLE IF NOT EXISTS gateway_status (
    account_id      text        NOT NULL DEFAULT 'default',
    gateway         text        NOT NULL,
    host            text,
    gateway_version text,
    plugin_version  text        NOT NULL,
    roster          text        CHECK (roster IN ('list', 'entries')),
    state           text        NOT NULL CHECK (state IN ('applied', 'offered', 'pending', 'refused')),
    error           text,
    warnings        text[]      NOT NULL DEFAULT '{}',
    snapshot        pg_snapshot,
    content_hash    text,
    latency_ms      double precision,
    resync_interval interval    NOT NULL,
    reported_by     text        NOT NULL DEFAULT session_user,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    seen_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, gateway)
);

COMMENT ON TABLE gateway_status IS 'One row a gateway, written by its agent-config-sync; a row not seen for three resync intervals is stale.';
COMMENT ON COLUMN gateway_status.state IS 'applied: the gateway said that it runs with it; offered: in the file, the gateway cannot be asked; pending: not yet in force; refused: the last good configuration was kept.';
COMMENT ON COLUMN gateway_status.snapshot IS 'The last snapshot of the database that is in force, or offered.';
COMMENT ON COLUMN gateway_status.latency_ms IS 'Milliseconds from the notification to in force (or to offered).';
COMMENT ON COLUMN gateway_status.reported_by IS 'The login that wrote the row; no other login can change it.';

-- A login writes its own row and no other. Who may delete is a matter of GRANT.
ALTER TABLE gateway_status ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS gateway_status_read ON gateway_status;
CREATE POLICY gateway_status_read ON gateway_status FOR SELECT USING (true);
DROP POLICY IF EXISTS gateway_status_report ON gateway_status;
CREATE POLICY gateway_status_report ON gateway_status FOR INSERT WITH CHECK (reported_by = session_user);
DROP POLICY IF EXISTS gateway_status_update ON gateway_status;
CREATE POLICY gateway_status_update ON gateway_status FOR UPDATE
    USING (reported_by = session_user) WITH CHECK (reported_by = session_user);
DROP POLICY IF EXISTS gateway_status_forget ON gateway_status;
CREATE POLICY gateway_status_forget ON gateway_status FOR DELETE USING (true);

-- Notifications -----------------------------------------------------------------------------------------------------
--
-- Payload: {"source": table, "key": name or null, "operation": INSERT | UPDATE | DELETE | TRUNCATE}. The key is given
-- when one row changed and it is short: a payload of 8,000 bytes would fail the operator's own statement.

CREATE OR REPLACE FUNCTION notify_system_config_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.key, NEW.value, NEW.value_type) IS NOT DISTINCT FROM (OLD.key, OLD.value, OLD.value_type) THEN
            RETURN NULL;
        END IF;
        changed := NEW.key;
    ELSIF TG_OP = 'INSERT' THEN
        changed := NEW.key;
    ELSIF TG_OP = 'DELETE' THEN
        changed := OLD.key;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', 'agent_system_config',
        'key', CASE WHEN octet_length(changed) <= 1000 THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS system_config_changed ON agent_system_config;
CREATE TRIGGER system_config_changed
    AFTER INSERT OR UPDATE OR DELETE ON agent_system_config
    FOR EACH ROW EXECUTE FUNCTION notify_system_config_changed();

DROP TRIGGER IF EXISTS system_config_truncated ON agent_system_config;
CREATE TRIGGER system_config_truncated
    AFTER TRUNCATE ON agent_system_config
    FOR EACH STATEMENT EXECUTE FUNCTION notify_system_config_changed();

-- One notification a statement, whatever the number of rows, and none when nothing of ours changed. Comparing the
-- whole sets by value sees a rename, needs no id and ignores the columns of others.
CREATE OR REPLACE FUNCTION notify_agent_config_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rows_changed bigint;
    changed text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT count(*), min(name) INTO rows_changed, changed FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT count(*), min(name) INTO rows_changed, changed FROM old_rows;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT count(*), min(name) INTO rows_changed, changed FROM (
            SELECT account_id, name, display_name, role, instance_type, status, is_default, model, fallback_models,
                   thinking, allowed_subagents, gateways, settings::text FROM new_rows
            EXCEPT ALL
            SELECT account_id, name, display_name, role, instance_type, status, is_default, model, fallback_models,
                   thinking, allowed_subagents, gateways, settings::text FROM old_rows
        ) AS different;
    END IF;
    IF rows_changed = 0 THEN
        RETURN NULL;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', 'agents',
        'key', CASE WHEN rows_changed = 1 AND octet_length(changed) <= 1000 THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN NULL;
END $$;

-- Triggers of earlier systems, whatever their name, so that nothing notifies twice or calls the new function in the old
-- way.
DO $$
DECLARE
    earlier text;
BEGIN
    FOR earlier IN
        SELECT tgname FROM pg_catalog.pg_trigger JOIN pg_catalog.pg_proc ON pg_proc.oid = tgfoid
        WHERE tgrelid = 'agents'::regclass AND NOT tgisinternal
          AND (proname = 'notify_agent_config_changed' OR tgname IN ('agent_config_changed', 'agents_config_changed'))
    LOOP
        EXECUTE format('DROP TRIGGER %I ON agents', earlier);
    END LOOP;
END $$;

CREATE TRIGGER agent_config_changed_insert
    AFTER INSERT ON agents REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION notify_agent_config_changed();

CREATE TRIGGER agent_config_changed_update
    AFTER UPDATE ON agents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION notify_agent_config_changed();

CREATE TRIGGER agent_config_changed_delete
    AFTER DELETE ON agents REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION notify_agent_config_changed();

CREATE TRIGGER agent_config_changed_truncate
    AFTER TRUNCATE ON agents
    FOR EACH STATEMENT EXECUTE FUNCTION notify_agent_config_changed();

CREATE OR REPLACE FUNCTION notify_gateway_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.account_id, NEW.name, NEW.workspace_root, NEW.base_url)
            IS NOT DISTINCT FROM (OLD.account_id, OLD.name, OLD.workspace_root, OLD.base_url) THEN
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

DROP TRIGGER IF EXISTS gateway_changed ON gateways;
CREATE TRIGGER gateway_changed
    AFTER INSERT OR UPDATE OR DELETE ON gateways
    FOR EACH ROW EXECUTE FUNCTION notify_gateway_changed();

DROP TRIGGER IF EXISTS gateway_truncated ON gateways;
CREATE TRIGGER gateway_truncated
    AFTER TRUNCATE ON gateways
    FOR EACH STATEMENT EXECUTE FUNCTION notify_gateway_changed();

-- Roles -------------------------------------------------------------------------------------------------------------
--
-- Group roles without a login: GRANT agent_config_reader TO the login of a gateway. Roles belong to the whole server:
-- another database's migration may be creating the same ones now, and this login may lack CREATEROLE.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['agent_config_reader', 'agent_config_operator'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
            WHEN insufficient_privilege THEN
                RAISE WARNING 'role % was not created: % lacks CREATEROLE; have an administrator create it, then run agent-config-sync migrate --repair',
                    wanted, current_user;
        END;
    END LOOP;
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_reader') THEN
        -- tableoid, ctid and xmin tell which rows are new to the reader; columns of yours stay out of its reach.
        GRANT SELECT (tableoid, ctid, xmin, account_id, name, instance_type, status, is_default, model, fallback_models, thinking,
                      allowed_subagents, gateways, settings) ON agents TO agent_config_reader;
        GRANT SELECT (key, value, value_type) ON agent_system_config TO agent_config_reader;
        GRANT SELECT ON agent_config_migrations TO agent_config_reader;
        GRANT SELECT, INSERT, UPDATE ON gateway_status TO agent_config_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON agents, agent_system_config, gateways TO agent_config_operator;
        GRANT SELECT ON agent_config_migrations TO agent_config_operator;
        GRANT SELECT, DELETE ON gateway_status TO agent_config_operator;
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0001_config_sync') ON CONFLICT (name) DO NOTHING;

-- Whoever could not work without these tables looks again.
NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0001_config_sync", "operation": "INSERT"}';

COMMIT;

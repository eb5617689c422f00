-- The life of a runtime, the process beside a gateway: how it is, what operators ask of it (to restart, to become
-- another version), and what became of each upgrade. Who is silent is marked so by whoever is not.

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
            ('runtime_requests', '{id,account_id,gateway,kind,target_version,from_version,requested_by,requested_at,taken_at,expires_at,finished_at,outcome,error}'::text[]),
            ('upgrade_history', '{id,account_id,gateway,from_version,to_version,status,started_at,completed_at,error,requested_by,reported_by}')
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

-- How each runtime is ------------------------------------------------------------------------------------------------

ALTER TABLE gateway_status
    ADD COLUMN IF NOT EXISTS runtime_status     text
        CONSTRAINT gateway_status_runtime_status
            CHECK (runtime_status IN ('provisioning', 'online', 'degraded', 'offline', 'error', 'upgrading')),
    ADD COLUMN IF NOT EXISTS runtime_seen_at    timestamptz,
    ADD COLUMN IF NOT EXISTS runtime_version    text,
    ADD COLUMN IF NOT EXISTS runtime_error      text,
    ADD COLUMN IF NOT EXISTS runtime_started_at timestamptz;

COMMENT ON COLUMN gateway_status.runtime_status IS 'What the process beside the gateway says of itself, offline once it is silent for 90 s; null where there is no board.';
COMMENT ON COLUMN gateway_status.runtime_seen_at IS 'When it said so last.';
COMMENT ON COLUMN gateway_status.runtime_error IS 'Why it is degraded, or what is wrong.';

-- What a sweep changes belongs to another login; it is recorded without its gateway, as what is nobody's own.
CREATE OR REPLACE FUNCTION runtime_status_happened() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    before text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD.runtime_status;
    END IF;
    IF NEW.runtime_status IS DISTINCT FROM before THEN
        INSERT INTO activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id, meta)
        VALUES (NEW.account_id, CASE WHEN NEW.reported_by = session_user THEN NEW.gateway END,
                'runtime_status_changed', 'system', 'agent-config-sync', 'runtime', NEW.gateway,
                jsonb_strip_nulls(jsonb_build_object('oldStatus', before, 'newStatus', NEW.runtime_status,
                                                     'reason', left(NEW.runtime_error, 500))));
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS runtime_status_happened ON gateway_status;
CREATE TRIGGER runtime_status_happened AFTER INSERT OR UPDATE OF runtime_status ON gateway_status
    FOR EACH ROW EXECUTE FUNCTION runtime_status_happened();

-- What is asked of it ------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS runtime_requests (
    id             uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id     text        NOT NULL DEFAULT 'default',
    gateway        text        NOT NULL,
    kind           text        NOT NULL
        CONSTRAINT runtime_requests_kind CHECK (kind IN ('restart', 'upgrade', 'rollback')),
    target_version text
        CONSTRAINT runtime_requests_target_is_a_version CHECK (target_version ~ '^[0-9A-Za-z][0-9A-Za-z.+!_-]{0,63}$')
        CONSTRAINT runtime_requests_target_where_there_is_one CHECK ((kind = 'restart') = (target_version IS NULL)),
    from_version   text,
    requested_by   text        NOT NULL DEFAULT session_user,
    requested_at   timestamptz NOT NULL DEFAULT now(),
    taken_at       timestamptz,
    expires_at     timestamptz,
    finished_at    timestamptz,
    outcome        text
        CONSTRAINT runtime_requests_outcome CHECK (outcome IN ('success', 'failed', 'timeout', 'superseded', 'refused'))
        CONSTRAINT runtime_requests_end_with_an_outcome CHECK ((outcome IS NULL) = (finished_at IS NULL)),
    error          text
        CONSTRAINT runtime_requests_error CHECK (char_length(error) <= 2048)
);

CREATE UNIQUE INDEX IF NOT EXISTS runtime_requests_one_at_a_time ON runtime_requests (account_id, gateway)
    WHERE finished_at IS NULL;
CREATE INDEX IF NOT EXISTS runtime_requests_of_a_gateway ON runtime_requests (account_id, gateway, requested_at);

COMMENT ON TABLE runtime_requests IS 'What operators ask of the process beside a gateway, by request_restart(), request_upgrade() and rollback_upgrade(). To take back one that nobody has taken, DELETE it.';
COMMENT ON COLUMN runtime_requests.from_version IS 'The version that took it.';
COMMENT ON COLUMN runtime_requests.taken_at IS 'When its process began with it; from then on it is not to be taken back.';
COMMENT ON COLUMN runtime_requests.expires_at IS 'When it is given up unless a process comes back.';
COMMENT ON COLUMN runtime_requests.outcome IS 'superseded: another request came before it was taken; refused: its process did not begin, for the reason in error.';

CREATE TABLE IF NOT EXISTS upgrade_history (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   text        NOT NULL DEFAULT 'default',
    gateway      text        NOT NULL,
    from_version text        NOT NULL,
    to_version   text        NOT NULL,
    status       text        NOT NULL
        CONSTRAINT upgrade_history_status CHECK (status IN ('success', 'failed', 'timeout', 'rolled_back')),
    started_at   timestamptz NOT NULL,
    completed_at timestamptz NOT NULL DEFAULT now(),
    error        text
        CONSTRAINT upgrade_history_error CHECK (char_length(error) <= 2048),
    requested_by text        NOT NULL,
    reported_by  text        NOT NULL DEFAULT session_user
);

CREATE INDEX IF NOT EXISTS upgrade_history_of_a_gateway ON upgrade_history (account_id, gateway, id);

COMMENT ON TABLE upgrade_history IS 'How each upgrade ended; rows are added and never changed, and operators delete old ones.';
COMMENT ON COLUMN upgrade_history.status IS 'rolled_back: back at the version before; failed: still at from_version, and error says why; timeout: no process came back.';
COMMENT ON COLUMN upgrade_history.reported_by IS 'The login that wrote the row.';

-- A login takes and ends what is asked of the gateway for which it reports. What is asked, and what is swept, is
-- written by functions that run as the owner.
ALTER TABLE runtime_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE upgrade_history ENABLE ROW LEVEL SECURITY;

DO $$
DECLARE
    wanted record;
    owner text := 'pg_has_role(current_user, (SELECT relowner FROM pg_catalog.pg_class'
                  ' WHERE oid = %1$L::regclass), ''USAGE'')';
    own text := 'EXISTS (SELECT FROM gateway_status AS own WHERE own.account_id = %1$I.account_id'
                ' AND own.gateway = %1$I.gateway AND own.reported_by = session_user)';
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('runtime_requests', 'read', 'SELECT USING (true)'),
            ('runtime_requests', 'ask', 'INSERT WITH CHECK (requested_by = session_user AND ' || owner || ')'),
            ('runtime_requests', 'take',
             'UPDATE USING (finished_at IS NULL AND ' || own || ') WITH CHECK (' || own || ')'),
            ('runtime_requests', 'sweep', 'UPDATE USING (' || owner || ')'),
            ('runtime_requests', 'forget', 'DELETE USING (taken_at IS NULL OR finished_at IS NOT NULL)'),
            ('upgrade_history', 'read', 'SELECT USING (true)'),
            ('upgrade_history', 'record',
             'INSERT WITH CHECK (reported_by = session_user AND (' || own || ' OR ' || owner || '))'),
            ('upgrade_history', 'forget', 'DELETE USING (true)'),
            ('gateway_status', 'sweep', 'UPDATE USING (' || owner || ')')
        ) AS policies (table_name, name, rule)
    LOOP
        EXECUTE format('DROP POLICY IF EXISTS %I ON %I', wanted.table_name || '_' || wanted.name, wanted.table_name);
        EXECUTE format('CREATE POLICY %I ON %I FOR ', wanted.table_name || '_' || wanted.name, wanted.table_name)
                || format(wanted.rule, wanted.table_name);
    END LOOP;
END $$;

-- May whoever opened this session work with this gateway, or with some of this account? Where accounts are kept apart,
-- account_logins says so; functions that run as the owner ask, because no policy may bind that one.
CREATE OR REPLACE FUNCTION runtime_is_open(account text, gateway text) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (SELECT FROM agent_config_migrations WHERE name = 'tenancy')
        OR (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = session_user)
        OR EXISTS (SELECT FROM account_logins AS bound
                   WHERE bound.login = session_user::text AND bound.account_id = account
                     AND (runtime_is_open.gateway IS NULL OR bound.gateway IS NULL
                          OR bound.gateway = runtime_is_open.gateway))
$$;

CREATE OR REPLACE FUNCTION runtime_ask(gateway text, account text, kind text, version text) RETURNS uuid
    LANGUAGE plpgsql AS $$
DECLARE
    under_way record;
    asked uuid;
BEGIN
    IF NOT runtime_is_open(account, gateway) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('Forbidden: %s is not bound to gateway %s of account %s', session_user, gateway, account);
    ELSIF NOT EXISTS (SELECT FROM gateway_status AS known
                      WHERE known.account_id = account AND known.gateway = runtime_ask.gateway
                        AND known.runtime_status IS NOT NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB404',
            MESSAGE = format('Not found: no runtime of gateway %s of account %s has reported', gateway, account),
            HINT = 'agent-config-sync status lists those that have; a runtime reports where the board is on';
    END IF;
    UPDATE runtime_requests AS known SET finished_at = now(), outcome = 'superseded'
    WHERE known.account_id = account AND known.gateway = runtime_ask.gateway
      AND known.taken_at IS NULL AND known.finished_at IS NULL;
    INSERT INTO runtime_requests (account_id, gateway, kind, target_version)
    VALUES (account, runtime_ask.gateway, runtime_ask.kind, version)
    RETURNING id INTO asked;
    RETURN asked;
EXCEPTION
    WHEN unique_violation THEN
        SELECT known.kind, known.taken_at INTO under_way FROM runtime_requests AS known
        WHERE known.account_id = account AND known.gateway = runtime_ask.gateway AND known.finished_at IS NULL;
        RAISE EXCEPTION USING ERRCODE = 'TB409',
            MESSAGE = format('Conflict: gateway %s is in the middle of another request (%s, taken %s)', gateway,
                             coalesce(under_way.kind, 'unknown'), coalesce(under_way.taken_at::text, 'just now')),
            HINT = 'ask again when it has ended; one that nobody ends times out';
    WHEN check_violation THEN
        RAISE EXCEPTION USING ERRCODE = 'TB422', MESSAGE = format('Invalid version: %s', left(version, 100)),
            HINT = 'it looks like 1.2.0';
END $$;

CREATE OR REPLACE FUNCTION request_restart(gateway text, account text DEFAULT 'default') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER AS $$
    SELECT runtime_ask(gateway, account, 'restart', NULL)
$$;

CREATE OR REPLACE FUNCTION request_upgrade(gateway text, version text, account text DEFAULT 'default') RETURNS uuid
    LANGUAGE sql SECURITY DEFINER AS $$
    SELECT runtime_ask(gateway, account, 'upgrade', regexp_replace(coalesce(btrim(version), ''), '^v(?=[0-9])', ''))
$$;

-- The last upgrade that was not rolled back yet says where to.
CREATE OR REPLACE FUNCTION rollback_upgrade(gateway text, account text DEFAULT 'default') RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    earlier text;
BEGIN
    SELECT done.from_version INTO earlier FROM upgrade_history AS done
    WHERE done.account_id = account AND done.gateway = rollback_upgrade.gateway AND done.status = 'success'
      AND done.from_version <> done.to_version AND runtime_is_open(account, done.gateway)
      AND NOT EXISTS (SELECT FROM upgrade_history AS undone
                      WHERE undone.account_id = done.account_id AND undone.gateway = done.gateway
                        AND undone.id > done.id AND undone.status = 'rolled_back'
                        AND undone.from_version = done.to_version AND undone.to_version = done.from_version)
    ORDER BY done.id DESC LIMIT 1;
    IF earlier IS NULL AND runtime_is_open(account, gateway) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB409',
            MESSAGE = format('Conflict: no upgrade of gateway %s of account %s is known that could be rolled back',
                             gateway, account),
            HINT = 'ask for the version itself: SELECT request_upgrade(gateway, version)';
    END IF;
    RETURN runtime_ask(gateway, account, 'rollback', earlier);
END $$;

COMMENT ON FUNCTION request_restart(text, text) IS 'Lets the process beside a gateway end what it does, and start again.';
COMMENT ON FUNCTION request_upgrade(text, text, text) IS 'Lets it become another version; upgrade_history says what came of it.';
COMMENT ON FUNCTION rollback_upgrade(text, text) IS 'Lets it become again what it was before the last upgrade.';

-- Who is silent ------------------------------------------------------------------------------------------------------

-- Whichever runtime looks first marks those of its account that were not seen for 90 s, and gives up what none of them
-- came back from. Returns how many it has marked.
CREATE OR REPLACE FUNCTION sweep_runtimes(account text DEFAULT 'default') RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    silent integer;
BEGIN
    IF NOT runtime_is_open(account, NULL) THEN
        RETURN 0;
    END IF;
    UPDATE gateway_status AS known SET runtime_status = 'offline'
    FROM (
        SELECT swept.account_id, swept.gateway FROM gateway_status AS swept
        WHERE swept.account_id = account AND swept.runtime_status IN ('provisioning', 'online', 'degraded', 'upgrading')
          AND swept.runtime_seen_at < now() - interval '90 seconds'
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS silent_ones
    WHERE known.account_id = silent_ones.account_id AND known.gateway = silent_ones.gateway;
    GET DIAGNOSTICS silent = ROW_COUNT;
    WITH given_up AS (
        UPDATE runtime_requests AS known
        SET finished_at = now(), outcome = 'timeout', error = 'no process came back in time'
        WHERE known.id IN (SELECT late.id FROM runtime_requests AS late
                           WHERE late.account_id = account AND late.finished_at IS NULL AND late.expires_at < now()
                           FOR UPDATE SKIP LOCKED)
        RETURNING known.*
    )
    INSERT INTO upgrade_history (account_id, gateway, from_version, to_version, status, started_at, error, requested_by)
    SELECT given_up.account_id, given_up.gateway, given_up.from_version, target_version, 'timeout', taken_at,
           given_up.error, given_up.requested_by
    FROM given_up WHERE kind <> 'restart';
    RETURN silent;
END $$;

COMMENT ON FUNCTION sweep_runtimes(text) IS 'Marks runtimes of an account offline that are silent for 90 s, and gives up requests that no process came back from.';

-- Waking -------------------------------------------------------------------------------------------------------------

DROP TRIGGER IF EXISTS agent_work_changed_insert ON runtime_requests;
CREATE TRIGGER agent_work_changed_insert AFTER INSERT ON runtime_requests REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION notify_agent_work_changed();

-- Rights -------------------------------------------------------------------------------------------------------------

DO $$
DECLARE
    ours text;
BEGIN
    FOR ours IN
        SELECT pg_proc.oid::regprocedure::text
        FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = current_schema() AND proname IN (
            'request_restart', 'request_upgrade', 'rollback_upgrade', 'runtime_ask', 'runtime_is_open',
            'runtime_status_happened', 'sweep_runtimes')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', ours, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', ours);
    END LOOP;
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        GRANT SELECT, UPDATE (from_version, taken_at, expires_at, finished_at, outcome, error) ON runtime_requests
            TO agent_config_runtime;
        GRANT SELECT, INSERT (account_id, gateway, from_version, to_version, status, started_at, error, requested_by)
            ON upgrade_history TO agent_config_runtime;
        GRANT EXECUTE ON FUNCTION sweep_runtimes(text) TO agent_config_runtime;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator') THEN
        GRANT SELECT, DELETE ON runtime_requests, upgrade_history TO agent_config_operator;
        GRANT EXECUTE ON FUNCTION request_restart(text, text), request_upgrade(text, text, text),
            rollback_upgrade(text, text), sweep_runtimes(text) TO agent_config_operator;
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0011_lifecycle') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0011_lifecycle", "operation": "INSERT"}';

COMMIT;

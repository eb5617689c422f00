-- Accounts kept apart: a session sees and writes the rows of the accounts to which account_logins binds its login, and
-- no others. It is a step of its own, for a database in which several accounts do not trust each other.
--
-- Apply it with `agent-config-sync migrate --tenancy`, or after the numbered files with plain psql (14 or later):
--     psql -v ON_ERROR_STOP=1 -f migrations/tenancy.sql
-- It can be run again at any time; after later migrations `migrate` does so by itself. docs/permissions.md says how logins
-- are bound, and what one account can learn of another nevertheless.
--
-- The policies are restrictive: whatever other policies let through, and whatever migrations make of those, these hold.
-- Whose session it is, session_user says, which neither SET ROLE nor any setting changes.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

DO $$
BEGIN
    IF to_regclass('account_logins') IS NULL OR to_regclass('agent_config_migrations') IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'there is no table account_logins',
            HINT = 'apply the numbered migrations first';
    END IF;
END $$;

-- Logins that would see nothing from now on. Only the first time: later ones are for whoever makes the login.
DO $$
DECLARE
    unbound record;
    may_take text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    SELECT string_agg(DISTINCT quote_ident(rolname), ', ') AS names,
           string_agg(format('(%L, %L, %L)', rolname, coalesce(account_id, 'default'), gateway), ', '
                      ORDER BY rolname, account_id) AS bindings
    INTO unbound
    FROM pg_catalog.pg_roles
    LEFT JOIN LATERAL (
        SELECT account_id, CASE WHEN count(*) = 1 THEN min(gateway) END AS gateway FROM gateway_status
        WHERE reported_by = rolname GROUP BY account_id
    ) AS reported ON true
    WHERE rolcanlogin AND NOT rolsuper AND NOT rolbypassrls
      AND has_database_privilege(pg_roles.oid, current_database(), 'CONNECT')
      AND EXISTS (SELECT FROM pg_catalog.pg_roles AS granted
                  WHERE granted.rolname IN ('agent_config_reader', 'agent_config_runtime', 'agent_config_operator')
                    AND (pg_has_role(pg_roles.oid, granted.oid, 'USAGE') OR pg_has_role(pg_roles.oid, granted.oid, may_take)))
      AND NOT EXISTS (SELECT FROM account_logins WHERE login = rolname);
    IF unbound.names IS NOT NULL AND NOT EXISTS (SELECT FROM agent_config_migrations WHERE name = 'tenancy') THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('these logins are bound to no account and would see nothing: %s', unbound.names),
            HINT = format('bind each to its accounts first, the third value being its gateway or NULL for any:'
                          ' INSERT INTO account_logins (login, account_id, gateway) VALUES %s', unbound.bindings);
    END IF;
END $$;

-- To which accounts is this session bound, and to which gateway of each? Names in it were looked up when it was made, so
-- no search_path leads it elsewhere.
CREATE OR REPLACE FUNCTION agent_config_bindings() RETURNS TABLE (account_id text, gateway text)
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE ROWS 1 SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT account_logins.account_id, account_logins.gateway FROM account_logins WHERE login = session_user::text;
END;

COMMENT ON FUNCTION agent_config_bindings() IS 'The accounts to which account_logins binds whoever opened this session.';

REVOKE ALL ON FUNCTION agent_config_bindings() FROM PUBLIC;

DO $$
DECLARE
    reading text;
BEGIN
    FOR reading IN
        SELECT rolname FROM pg_catalog.pg_roles
        WHERE rolname IN ('agent_config_reader', 'agent_config_runtime', 'agent_config_operator')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION agent_config_bindings() TO %I', reading);
    END LOOP;
END $$;

-- The function is asked once a statement (a sub-select that names no column of the table), and its answer is compared by
-- an operator that tells nobody what it saw, so indexes serve as before.
--
-- A table that an earlier system made is not ours to close. Ours begin with the columns with which we make them, and
-- agents has a constraint of ours.
DO $$
DECLARE
    wanted record;
    known record;
    event record;
    permissive boolean;
    bound text;
    bound_gateway text;
    superuser text := '(SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = session_user)';
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('agents', 'account_id', '{account_id,name}'::text[], false),
            ('gateways', 'account_id', '{id,account_id,name,workspace_root,base_url}', false),
            ('people', 'account_id', '{id,account_id}', false),
            ('boards', 'account_id', '{id,account_id}', false),
            ('skills', 'account_id', '{account_id,slug}', false),
            ('agent_skills', 'account_id', '{account_id,agent,skill,position}', false),
            ('accounts', 'id', '{id,name,skills_poc_enabled}', false),
            ('memberships', 'account_id', '{account_id,user_id,role,name,email,joined_at}', false),
            ('account_logins', 'account_id', '{login,account_id,gateway}', false),
            ('board_tasks', 'account_id', '{id,account_id,title}', false),
            ('board_assignees', 'account_id', '{account_id,task_id,agent}', false),
            ('board_messages', 'account_id', '{id,seq,account_id}', false),
            ('board_documents', 'account_id', '{id,account_id,task_id}', false),
            ('board_subscriptions', 'account_id', '{account_id,task_id,agent}', false),
            ('board_notifications', 'account_id', '{id,account_id,type}', false),
            ('agent_sessions', 'account_id', '{id,account_id,agent}', false),
            ('agent_presence', 'account_id', '{account_id,agent,status}', false),
            ('session_leases', 'account_id', '{session_id,account_id,agent}', false),
            ('delivery_effects', 'account_id', '{notification_id,account_id,fingerprint}', false),
            ('gateway_status', 'account_id', '{account_id,gateway,host}', true),
            ('agent_tokens', 'account_id', '{id,account_id,agent,gateway}', true),
            ('installed_skills', 'account_id', '{account_id,gateway,agent,slug}', true),
            ('activities', 'account_id', '{id,account_id,gateway,type}', true),
            ('skill_credentials', 'account_id', '{id,account_id,gateway,skill}', true),
            ('runtime_requests', 'account_id', '{id,account_id,gateway,kind}', true),
            ('upgrade_history', 'account_id', '{id,account_id,gateway,from_version}', true)
        ) AS tables (name, account, columns, of_gateways),
             LATERAL (SELECT CASE WHEN name NOT IN ('accounts', 'account_logins', 'board_assignees', 'board_messages',
                                                    'board_subscriptions', 'board_notifications',
                                                    'session_leases', 'delivery_effects')
                                  THEN '''default''::text' END AS preset) AS made
    LOOP
        SELECT oid, relrowsecurity,
               (SELECT array_agg(attname::text ORDER BY attnum) FROM (
                    SELECT attname, attnum FROM pg_catalog.pg_attribute
                    WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
                    ORDER BY attnum LIMIT cardinality(wanted.columns)
                ) AS first) = wanted.columns
               AND EXISTS (SELECT FROM pg_catalog.pg_attribute
                           LEFT JOIN pg_catalog.pg_attrdef ON adrelid = attrelid AND adnum = attnum
                           WHERE attrelid = pg_class.oid AND attname = wanted.account AND atttypid = 'text'::regtype
                             AND attnotnull
                             AND pg_get_expr(adbin, adrelid) IS NOT DISTINCT FROM wanted.preset)
               AND (wanted.name <> 'agents'
                    OR EXISTS (SELECT FROM pg_catalog.pg_constraint
                               WHERE conrelid = pg_class.oid AND contype = 'c' AND conname = 'agents_name_is_an_id')) AS ours
        INTO known
        FROM pg_catalog.pg_class WHERE oid = to_regclass(wanted.name);
        IF NOT FOUND THEN
            RAISE WARNING 'there is no table %', wanted.name USING HINT = 'agent-config-sync migrate --repair makes it';
            CONTINUE;
        END IF;

        bound := format('%I = ANY (ARRAY(SELECT bound.account_id FROM agent_config_bindings() AS bound))', wanted.account);
        IF NOT known.ours THEN
            RAISE WARNING 'table % is not ours, so whoever may read it sees the rows of all accounts', wanted.name
                USING HINT = format('to keep its accounts apart, beside policies that let rows through: CREATE POLICY'
                                    ' agent_config_tenancy ON %s AS RESTRICTIVE USING (%s)', wanted.name, bound);
            CONTINUE;
        END IF;

        -- What a superuser writes to the board has its effects by functions of an owner who may be none.
        IF wanted.name IN ('agents', 'accounts', 'memberships', 'agent_sessions', 'agent_presence')
           OR wanted.name LIKE 'board\_%' THEN
            bound := format('(%s OR %s)', bound, superuser);
        END IF;

        -- Where row-level security was on, the policies that are there say what else holds.
        SELECT bool_or(polpermissive) INTO permissive FROM pg_catalog.pg_policy WHERE polrelid = known.oid;
        IF NOT known.relrowsecurity OR permissive IS FALSE THEN
            EXECUTE format('DROP POLICY IF EXISTS agent_config_all ON %I', wanted.name);
            EXECUTE format('CREATE POLICY agent_config_all ON %I USING (true)', wanted.name);
        END IF;

        FOR event IN
            SELECT * FROM (VALUES ('ALL', ''), ('INSERT', '_insert'), ('UPDATE', '_update'), ('DELETE', '_delete'))
                AS events (command, suffix)
        LOOP
            EXECUTE format('DROP POLICY IF EXISTS %I ON %I', 'agent_config_tenancy' || event.suffix, wanted.name);
        END LOOP;
        IF NOT wanted.of_gateways THEN
            EXECUTE format('CREATE POLICY agent_config_tenancy ON %I AS RESTRICTIVE USING (%s)', wanted.name, bound);
        ELSE
            bound_gateway := format(
                '%s AND EXISTS (SELECT FROM agent_config_bindings() AS bound WHERE bound.account_id = %2$I.account_id'
                ' AND (bound.gateway IS NULL OR bound.gateway = %2$I.gateway))', bound, wanted.name);
            IF wanted.name IN ('gateway_status', 'runtime_requests', 'upgrade_history') THEN
                -- Whoever looks first marks the silent ones of its account, and what people ask of a gateway, and what a
                -- superuser does, is written too by functions of an owner who may be bound to no gateway of it.
                bound_gateway := format(
                    '(%s) OR ((%s OR %s) AND pg_has_role(current_user, (SELECT relowner FROM pg_catalog.pg_class'
                    ' WHERE oid = %L::regclass), ''USAGE''))', bound_gateway, bound, superuser, wanted.name);
                bound := format('(%s OR %s)', bound, superuser);
            END IF;
            EXECUTE format('CREATE POLICY agent_config_tenancy ON %I AS RESTRICTIVE FOR SELECT USING (%s)', wanted.name,
                           bound);
            EXECUTE format('CREATE POLICY agent_config_tenancy_update ON %I AS RESTRICTIVE FOR UPDATE USING (%s)',
                           wanted.name, bound_gateway);
            EXECUTE format('CREATE POLICY agent_config_tenancy_delete ON %I AS RESTRICTIVE FOR DELETE USING (%s)',
                           wanted.name, bound_gateway);
            IF wanted.name = 'activities' THEN
                -- What becomes of a task belongs to no gateway, and is recorded by functions that run as the owner. What a
                -- superuser does is recorded in his name by functions of an owner who is none.
                bound_gateway := format(
                    '%s OR (%s AND gateway IS NULL AND pg_has_role(current_user, (SELECT relowner FROM pg_catalog.pg_class'
                    ' WHERE oid = %L::regclass), ''USAGE'')) OR %s', bound_gateway, bound, wanted.name, superuser);
            END IF;
            EXECUTE format('CREATE POLICY agent_config_tenancy_insert ON %I AS RESTRICTIVE FOR INSERT WITH CHECK (%s)',
                           wanted.name, bound_gateway);
        END IF;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', wanted.name);
        -- The owner too, but not of the table by which all others are judged.
        IF wanted.name <> 'account_logins' THEN
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', wanted.name);
        END IF;
    END LOOP;
END $$;

-- FORCE binds the owner too, as whom record_skill_credential() records what people decide; nobody else may.
DROP POLICY IF EXISTS activities_decided ON activities;
CREATE POLICY activities_decided ON activities FOR INSERT WITH CHECK (
    recorded_by = session_user AND actor_type = 'user'
    AND pg_has_role(current_user, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'activities'::regclass), 'USAGE'));

-- A function of theirs in this schema could take the place of one that sessions of other accounts call.
DO $$
DECLARE
    creating text;
BEGIN
    SELECT string_agg(quote_ident(rolname), ', ') INTO creating
    FROM (SELECT 'public' AS rolname UNION ALL
          SELECT rolname FROM pg_catalog.pg_roles
          WHERE rolname IN ('agent_config_reader', 'agent_config_runtime', 'agent_config_operator')) AS roles
    WHERE has_schema_privilege(rolname, current_schema(), 'CREATE');
    IF creating IS NOT NULL THEN
        RAISE WARNING 'logins of all accounts may create functions in schema %, and so be called by each other',
                current_schema()
            USING HINT = format('REVOKE CREATE ON SCHEMA %I FROM %s', current_schema(), creating);
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('tenancy') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "tenancy", "operation": "INSERT"}';

COMMIT;

-- What an earlier system may have left in the way of 0001, which has landed and is never edited: a name that is taken by
-- something else ends here with a way out, and a routine that cannot be replaced makes room. On an empty database, and
-- on one that has 0001 already, nothing happens.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

DO $$
DECLARE
    wanted record;
    known record;
    lacking text;
BEGIN
    IF current_schema() IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'no schema of search_path exists, so there is nowhere to create tables',
            HINT = 'create one, or set search_path for this role';
    END IF;
    FOR wanted IN
        SELECT * FROM (VALUES
            ('agents', '{name}'::text[]),
            ('agent_system_config', '{key,value}'),
            ('gateways', '{}'),
            ('gateway_status', '{account_id,gateway,state,snapshot,reported_by}'),
            ('agent_config_migrations', '{name,checksum}')
        ) AS tables (name, columns)
    LOOP
        SELECT pg_class.oid, relkind, reloftype, nspname AS schema, rolname AS owner,
               pg_has_role(current_user, relowner, 'USAGE') AS ours_to_change INTO known
        FROM pg_catalog.pg_class
        JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
        JOIN pg_catalog.pg_roles ON pg_roles.oid = relowner
        WHERE pg_class.oid = to_regclass(wanted.name);
        CONTINUE WHEN NOT FOUND;
        IF known.schema <> current_schema() THEN
            -- A second table of that name would hide yours from whoever uses it.
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('%s is in schema %s, but search_path creates tables in %s', wanted.name, known.schema,
                                 current_schema()),
                HINT = format('put %s first in search_path to use that table, or leave it out for one of our own',
                              known.schema);
        ELSIF known.relkind NOT IN ('r', 'p') OR known.reloftype <> 0 THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('%s.%s is %s, which takes no columns and triggers of ours', known.schema, wanted.name,
                                 CASE known.relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view'
                                     WHEN 'f' THEN 'a foreign table' WHEN 'r' THEN 'a table of a type'
                                     WHEN 'p' THEN 'a table of a type' ELSE 'no table' END),
                HINT = 'rename it, or give us a schema of our own with search_path';
        END IF;
        SELECT string_agg(name, ', ' ORDER BY place) INTO lacking
        FROM unnest(wanted.columns) WITH ORDINALITY AS needed (name, place)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                          WHERE attrelid = known.oid AND attname = name AND NOT attisdropped);
        IF lacking IS NOT NULL THEN
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

DO $$
DECLARE
    known record;
BEGIN
    FOR known IN
        SELECT pg_proc.oid::regprocedure AS signature, rolname AS owner, prokind <> 'f' OR prorettype <> 'trigger'::regtype AS in_the_way,
               pg_has_role(current_user, proowner, 'USAGE') AS ours_to_change
        FROM pg_catalog.pg_proc
        JOIN pg_catalog.pg_roles ON pg_roles.oid = proowner
        WHERE pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema()) AND pronargs = 0
          AND proname IN ('touch_system_config', 'notify_system_config_changed', 'notify_agent_config_changed',
                          'notify_gateway_changed')
    LOOP
        IF NOT known.ours_to_change THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
                MESSAGE = format('function %s belongs to %s, and only its owner may replace it', known.signature,
                                 known.owner),
                HINT = format('run this as %1$s, or GRANT %1$I TO %2$I first', known.owner, current_user);
        ELSIF known.in_the_way THEN
            EXECUTE format('DROP ROUTINE %s', known.signature);
        END IF;
    END LOOP;
END $$;

-- A status table that somebody has taken a column from: 0001 speaks of each of them.
ALTER TABLE IF EXISTS gateway_status
    ADD COLUMN IF NOT EXISTS host            text,
    ADD COLUMN IF NOT EXISTS gateway_version text,
    ADD COLUMN IF NOT EXISTS plugin_version  text             NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS roster          text,
    ADD COLUMN IF NOT EXISTS error           text,
    ADD COLUMN IF NOT EXISTS warnings        text[]           NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS content_hash    text,
    ADD COLUMN IF NOT EXISTS latency_ms      double precision,
    ADD COLUMN IF NOT EXISTS resync_interval interval         NOT NULL DEFAULT '60 s',
    ADD COLUMN IF NOT EXISTS changed_at      timestamptz      NOT NULL DEFAULT now(),
    ADD COLUMN IF NOT EXISTS seen_at         timestamptz      NOT NULL DEFAULT now();

CREATE TABLE IF NOT EXISTS agent_config_migrations (
    name       text        PRIMARY KEY,
    checksum   text,                               -- SHA-256 of the file; null when psql applied it
    applied_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO agent_config_migrations (name) VALUES ('0000_earlier_systems') ON CONFLICT (name) DO NOTHING;

COMMIT;

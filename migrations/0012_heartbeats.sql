-- Heartbeats: agents look at their work from time to time, in a turn of their standing session. Which process has one
-- stands in session_leases, and when the last one was in agent_presence, so that processes and restarts agree.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

-- Begin up to `most` heartbeats of these agents, in their order: none where an agent has a turn or its standing session
-- pauses, and none where the last one was at another moment than whoever asks has seen, for then somebody was quicker. A
-- session stays with the gateway that has it, as long as that one lives. last_ones: null for an agent that had none yet;
-- alive: for how long a gateway is believed to be there after it was seen.
CREATE OR REPLACE FUNCTION begin_heartbeats(
    account text, at_gateway text, process uuid, agents text[], last_ones timestamptz[], lease interval, alive interval,
    most integer)
    RETURNS TABLE (session_id uuid, session_key text, fence bigint, agent text, failures integer)
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    due record;
    held record;
    begun integer := 0;
BEGIN
    FOR due IN
        SELECT session.id AS session, session.agent, session.session_key, wanted.last_one
        FROM unnest(agents, last_ones) WITH ORDINALITY AS wanted (name, last_one, place)
        JOIN agent_sessions AS session
            ON session.account_id = account AND session.agent = wanted.name
               AND session.task_id IS NULL AND session.closed_at IS NULL
        WHERE NOT EXISTS (
            SELECT FROM session_leases AS busy
            WHERE busy.account_id = account AND busy.agent = wanted.name AND busy.expires_at > clock_timestamp())
        ORDER BY wanted.place
    LOOP
        EXIT WHEN begun >= most;
        INSERT INTO session_leases (session_id, account_id, agent, session_key, gateway)
        VALUES (due.session, account, due.agent, due.session_key, at_gateway)
        ON CONFLICT DO NOTHING;
        SELECT had.* INTO held FROM session_leases AS had
        WHERE had.session_id = due.session
          AND (had.holder IS NULL OR had.expires_at < clock_timestamp())
          AND (had.not_before IS NULL OR had.not_before <= clock_timestamp())
          AND (had.gateway = at_gateway OR NOT EXISTS (
              SELECT FROM gateway_status AS other
              WHERE other.account_id = account AND other.gateway = had.gateway
                AND other.seen_at > clock_timestamp() - alive))
        FOR NO KEY UPDATE OF had SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        -- Now that nobody else can begin one here: was there one meanwhile?
        CONTINUE WHEN due.last_one IS DISTINCT FROM (
            SELECT known.last_heartbeat_at FROM agent_presence AS known
            WHERE known.account_id = account AND known.agent = due.agent);
        UPDATE session_leases AS had
        SET gateway = at_gateway, holder = process, fence = had.fence + 1, expires_at = clock_timestamp() + lease,
            notification_id = NULL
        WHERE had.session_id = due.session;
        session_id := due.session;
        session_key := due.session_key;
        fence := held.fence + 1;
        agent := due.agent;
        failures := held.failures;
        RETURN NEXT;
        begun := begun + 1;
    END LOOP;
END $$;

COMMENT ON FUNCTION begin_heartbeats(text, text, uuid, text[], timestamptz[], interval, interval, integer) IS 'Gives a process of agent-config-sync heartbeats of agents, each with a lease.';

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
DECLARE
    ours text := 'begin_heartbeats(text, text, uuid, text[], timestamptz[], interval, interval, integer)';
BEGIN
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', ours, current_schema());
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', ours);
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_runtime') THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO agent_config_runtime', ours);
    END IF;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0012_heartbeats') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0012_heartbeats", "operation": "INSERT"}';

COMMIT;

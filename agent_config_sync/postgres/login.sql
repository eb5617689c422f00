-- Who are we, and are we a gateway's login?
SELECT session_user::text AS login,
       EXISTS (SELECT FROM pg_roles WHERE rolname = 'agent_config_reader') AS role_there,
       coalesce((SELECT pg_has_role(session_user, oid, 'USAGE') FROM pg_roles WHERE rolname = 'agent_config_reader'),
                false) AS reader

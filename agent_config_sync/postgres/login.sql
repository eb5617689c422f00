-- Who are we, and are we a gateway's login? owner: who may repair the tables, where this login may not.
SELECT session_user::text AS login,
       role_of.oid IS NOT NULL AS role_there,
       coalesce(pg_has_role(session_user, role_of.oid, 'USAGE'), false) AS reader,
       coalesce(pg_has_role(session_user, role_of.oid, 'MEMBER'), false) AS member,
       current_setting('server_version_num')::int >= 160000 AS inherits_by_grant,
       (SELECT pg_get_userbyid(relowner)::text FROM pg_class
        WHERE oid = coalesce(to_regclass('agents'), to_regclass('agent_config_migrations'))
          AND NOT pg_has_role(relowner, 'USAGE')) AS owner
FROM (SELECT) AS one
LEFT JOIN pg_roles AS role_of ON rolname = 'agent_config_reader'

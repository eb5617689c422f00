-- Who are we, and are we a gateway's login? owner: who may repair our tables ($1) where this login may not: their owner,
-- or where they are to be made anew, the database's.
SELECT session_user::text AS login,
       role_of.oid IS NOT NULL AS role_there,
       coalesce(pg_has_role(session_user, role_of.oid, 'USAGE'), false) AS reader,
       coalesce(pg_has_role(session_user, role_of.oid, 'MEMBER'), false) AS member,
       current_setting('server_version_num')::int >= 160000 AS inherits_by_grant,
       pg_get_userbyid(coalesce(
           (SELECT relowner
            FROM pg_class
            WHERE oid = ANY (ARRAY(SELECT to_regclass(wanted) FROM unnest($1::text[]) AS wanted)::oid[])
              AND NOT pg_has_role(relowner, 'USAGE')
            LIMIT 1),
           (SELECT datdba
            FROM pg_database
            WHERE datname = current_database() AND NOT has_schema_privilege(current_schema(), 'CREATE'))))::text AS owner
FROM (SELECT) AS one
LEFT JOIN pg_roles AS role_of ON rolname = 'agent_config_reader'

-- Who may change our tables where this login may not? Their owner; where one is to be made anew, the database's.
SELECT rolname::text
FROM pg_roles
WHERE oid = coalesce(
        (SELECT relowner
         FROM pg_class
         WHERE oid = ANY (ARRAY(SELECT to_regclass(wanted) FROM unnest($1::text[]) AS wanted)::oid[])
           AND NOT pg_has_role(session_user, relowner, 'USAGE')
         LIMIT 1),
        (SELECT datdba
         FROM pg_database
         WHERE datname = current_database() AND NOT has_schema_privilege(current_schema(), 'CREATE')))

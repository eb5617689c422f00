-- Forget what the statements have set for their session (a script of pg_dump empties search_path), so that we read as a
-- gateway's session does; in that one a temporary table of theirs would hide nothing.
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
SELECT set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''), 'pg_temp'), true)

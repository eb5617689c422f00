-- Who can be assigned on the board of an account ($1): its agents, then its members, by name.
SELECT kind, id, name
FROM (
    SELECT 'agent' AS kind, name AS id, display_name AS name FROM board_agents($1)
    UNION ALL
    SELECT 'user', user_id, coalesce(nullif(name, ''), user_id) FROM memberships WHERE account_id = $1
) AS colleagues
ORDER BY kind, lower(name), id

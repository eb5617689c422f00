-- The last key of this reference ($3) at a gateway ($2), and whether this login may change its row.
SELECT id::text, status, reported_by,
       reported_by = session_user
       OR NOT row_security_active('skill_credentials')
       OR pg_has_role(current_user, (SELECT oid FROM pg_roles WHERE rolname = 'agent_config_operator'), 'USAGE') AS ours
FROM skill_credentials
WHERE account_id = $1 AND gateway = $2 AND credential_ref = $3
ORDER BY status <> 'revoked' DESC, updated_at DESC
LIMIT 1

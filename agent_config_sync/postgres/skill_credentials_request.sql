-- An agent ($3) of a gateway ($2) asks for a key ($5) of a skill ($4), and may unless it waits for $6 already.
WITH known AS (
    SELECT FROM skill_credentials
    WHERE account_id = $1 AND gateway = $2 AND skill = $4 AND key_name = $5 AND status <> 'revoked'
), waiting AS (
    SELECT count(*) AS pending FROM skill_credentials
    WHERE account_id = $1 AND gateway = $2 AND requested_by = $3 AND status = 'pending' AND reported_by = session_user
), asked AS (
    INSERT INTO skill_credentials (account_id, gateway, skill, key_name, credential_ref, requested_by)
    SELECT $1, $2, $4, $5, concat_ws('/', $1::text, $2::text, $4::text, $5::text), $3 FROM waiting WHERE pending < $6
    ON CONFLICT (account_id, gateway, skill, key_name) WHERE status <> 'revoked' DO NOTHING
    RETURNING credential_ref
), recorded AS (
    INSERT INTO activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id, meta)
    SELECT $1, $2, 'credential_requested', 'agent', $3, 'credential', credential_ref, '{}' FROM asked
)
SELECT CASE
    WHEN EXISTS (SELECT FROM asked) THEN 'asked'
    WHEN EXISTS (SELECT FROM known) THEN 'known'
    WHEN (SELECT pending < $6 FROM waiting) THEN 'known'  -- somebody asked for it at the same instant
    ELSE 'too_many'
END

-- A key ($1) was taken back because another one takes its place, which gets a row of its own: nobody takes one for the
-- other.
INSERT INTO skill_credentials (account_id, gateway, skill, key_name, credential_ref, requested_by)
SELECT account_id, gateway, skill, key_name, credential_ref, requested_by
FROM skill_credentials
WHERE id = $1::text::uuid
RETURNING id::text

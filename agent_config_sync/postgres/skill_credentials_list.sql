-- The keys of an account, those that a person is asked for first.
SELECT credential_ref, gateway, skill, key_name, status, requested_by, decided_by, requested_at, updated_at
FROM skill_credentials
WHERE account_id = $1
ORDER BY status <> 'pending', status <> 'active', gateway, skill, key_name, updated_at DESC

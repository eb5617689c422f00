-- Are accounts kept apart, and does that bind this login? Superusers and who has BYPASSRLS see the rows of all.
SELECT coalesce(row_security_active(polrelid), false)
FROM pg_policy
WHERE polrelid = to_regclass('gateway_status') AND polname = 'agent_config_tenancy'

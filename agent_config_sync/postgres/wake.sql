-- Wake every gateway; each makes a pass.
SELECT pg_notify('agent_config_changed', json_build_object('source', $1::text, 'key', null, 'operation', 'NOTIFY')::text)

-- Why did a probe not arrive: a hot standby, or a pooler that gave us another backend?
SELECT pg_is_in_recovery() AS standby, pg_backend_pid() AS backend

-- Sent on the read connection; must arrive on the LISTEN connection.
SELECT pg_notify($1, $2)

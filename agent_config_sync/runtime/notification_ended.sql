-- A notification ($1) is dealt with, in this way ($2), for this reason ($3), which is null where it was answered. True if
-- it was not dealt with before.
UPDATE board_notifications SET delivered_at = clock_timestamp(), outcome = $2, last_error = $3
WHERE id = $1 AND delivered_at IS NULL AND dead_at IS NULL
RETURNING true

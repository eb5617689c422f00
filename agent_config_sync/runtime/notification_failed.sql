-- An attempt at a notification ($1) ended without success, for this reason ($2). $3: for its own sake, and one that has
-- failed so $5 times is given up; $4: nothing was said.
UPDATE board_notifications
SET delivery_ended_at = clock_timestamp(), last_error = $2,
    failures = failures + CASE WHEN $3 THEN 1 ELSE 0 END, silences = silences + CASE WHEN $4 THEN 1 ELSE 0 END,
    dead_at = CASE WHEN $3 AND failures + 1 >= $5 THEN clock_timestamp() END,
    outcome = CASE WHEN $3 AND failures + 1 >= $5 THEN 'dead' END
WHERE id = $1 AND delivered_at IS NULL AND dead_at IS NULL
RETURNING dead_at IS NOT NULL AS dead

-- How much of what agents of an account ($1) are to be told was given up, how much waits and since when, and how much of
-- that for longer than $2?
SELECT (SELECT count(*) FROM board_notifications WHERE account_id = $1 AND dead_at IS NOT NULL) AS given_up,
       count(*) AS waiting,
       count(*) FILTER (WHERE created_at < clock_timestamp() - $2::interval) AS late,
       min(created_at) AS oldest
FROM board_notifications
WHERE account_id = $1 AND agent IS NOT NULL AND delivered_at IS NULL AND dead_at IS NULL

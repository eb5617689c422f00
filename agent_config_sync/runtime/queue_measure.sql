-- How many notifications of agents of an account ($1) wait, since when the oldest does, and how many were given up?
SELECT (SELECT count(*) FROM board_notifications
        WHERE account_id = $1 AND agent IS NOT NULL AND delivered_at IS NULL AND dead_at IS NULL) AS waiting,
       coalesce((SELECT extract(epoch FROM clock_timestamp() - min(created_at)) FROM board_notifications
                 WHERE account_id = $1 AND agent IS NOT NULL AND delivered_at IS NULL AND dead_at IS NULL), 0)::float8
           AS oldest,
       (SELECT count(*) FROM board_notifications WHERE account_id = $1 AND dead_at IS NOT NULL) AS dead

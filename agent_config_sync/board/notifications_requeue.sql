-- Let what was given up in an account ($1) be tried again: one notification ($2), all of a task ($3), or, where both are
-- null, all. They are had in the order of their ids, so that nobody who does the same waits for whoever waits for them.
WITH dead AS MATERIALIZED (
    SELECT id FROM board_notifications
    WHERE account_id = $1 AND dead_at IS NOT NULL
      AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR task_id = $3)
    ORDER BY id
)
SELECT dead.id FROM dead CROSS JOIN LATERAL requeue_notification(dead.id) AS queued WHERE queued

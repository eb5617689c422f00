-- How many tasks of an account ($1) have each status?
SELECT status, count(*) AS tasks FROM board_tasks WHERE account_id = $1 GROUP BY status

-- Give a task ($2) of an account ($1) a status ($3), with the reason ($4) of one that is blocked.
UPDATE board_tasks SET status = $3, blocked_reason = $4 WHERE account_id = $1 AND id = $2

-- Have a task ($2) of an account ($1) to oneself until the transaction ends.
SELECT id FROM board_tasks WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE

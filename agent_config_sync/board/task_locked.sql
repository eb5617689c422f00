-- Have a task () of an account () to oneself until the transaction ends.
SELECT id FROM board_tasks WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE

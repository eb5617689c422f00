-- Take a task ($2) of an account ($1) from every person but these ($3).
DELETE FROM board_assignees
WHERE account_id = $1 AND task_id = $2 AND user_id IS NOT NULL AND user_id <> ALL ($3::text[])

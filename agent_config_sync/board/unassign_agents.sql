-- Take a task ($2) of an account ($1) from every agent but these ($3).
DELETE FROM board_assignees
WHERE account_id = $1 AND task_id = $2 AND agent IS NOT NULL AND agent <> ALL ($3::text[])

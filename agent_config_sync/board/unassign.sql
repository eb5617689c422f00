-- Take a task ($2) of an account ($1) from these agents ($3) and people ($4).
DELETE FROM board_assignees
WHERE account_id = $1 AND task_id = $2 AND (agent = ANY ($3::text[]) OR user_id = ANY ($4::text[]))

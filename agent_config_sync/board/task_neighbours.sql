-- Which ids come before and after each of these ($2) among the tasks of an account ($1)?
SELECT wanted.id,
       (SELECT id FROM board_tasks WHERE account_id = $1 AND id < wanted.id ORDER BY id DESC LIMIT 1) AS before,
       (SELECT id FROM board_tasks WHERE account_id = $1 AND id > wanted.id ORDER BY id LIMIT 1) AS after
FROM unnest($2::uuid[]) AS wanted (id)

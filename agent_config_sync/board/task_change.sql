-- Change those fields of a task ($2) of an account ($1) that are not null.
UPDATE board_tasks
SET title = coalesce($3, title), description = coalesce($4, description), priority = coalesce($5, priority),
    labels = coalesce($6, labels), due_at = coalesce($7, due_at), pr_number = coalesce($8, pr_number)
WHERE account_id = $1 AND id = $2

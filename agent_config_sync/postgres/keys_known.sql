-- Does the database know any key of this gateway ($2), whatever became of it?
SELECT EXISTS (SELECT FROM skill_credentials WHERE account_id = $1 AND gateway = $2)

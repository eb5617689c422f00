-- Which of these ($2) are members of an account ($1)?
SELECT user_id FROM memberships WHERE account_id = $1 AND user_id = ANY ($2::text[])

-- Which role has a person ($2, the subject of a token) in an account ($1)? No row: none.
SELECT role FROM memberships WHERE account_id = $1 AND user_id = $2

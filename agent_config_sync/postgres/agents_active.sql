-- Which of these names are active agents of the account, on whichever gateway?
SELECT DISTINCT name::text AS name
FROM agents
WHERE account_id::text = $1
  AND status::text = 'active'
  AND instance_type::text IS DISTINCT FROM 'peer'
  AND name::text = ANY ($2)

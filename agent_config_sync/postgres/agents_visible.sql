-- Does the account have agent rows at all that this login can see?
SELECT EXISTS (SELECT FROM agents WHERE account_id::text = $1)

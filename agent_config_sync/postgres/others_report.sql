-- Do other gateways share these tables?
SELECT EXISTS (SELECT FROM gateway_status WHERE account_id::text = $1 AND gateway::text <> $2)

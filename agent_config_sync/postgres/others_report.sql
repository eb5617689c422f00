-- Do other gateways share these tables?
SELECT EXISTS (SELECT FROM gateway_status WHERE account_id = $1 AND gateway <> $2)

-- Forget a gateway that is no more.
DELETE FROM gateway_status WHERE account_id = $1 AND gateway = $2 RETURNING gateway

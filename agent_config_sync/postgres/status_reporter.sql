-- Which login reports for this gateway, if only that one may? The owner of the table and superusers may always.
SELECT reported_by
FROM gateway_status
WHERE account_id = $1 AND gateway = $2 AND row_security_active('gateway_status')

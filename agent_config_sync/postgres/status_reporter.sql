-- Which login reports for this gateway?
SELECT reported_by FROM gateway_status WHERE account_id = $1 AND gateway = $2

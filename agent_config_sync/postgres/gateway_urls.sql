-- Where does each gateway of the account answer?
SELECT name::text AS gateway, base_url::text AS url FROM gateways WHERE account_id::text = $1 AND coalesce(base_url::text, '') <> ''

-- Which triggers do these tables have, are they switched on, and do they notify on our channel?
SELECT wanted AS "table",
       tgname::text AS name,
       tgenabled <> 'D' AS enabled,
       prosrc LIKE '%notify%' AND prosrc LIKE '%' || $2 || '%' AS notifies
FROM unnest($1::text[]) AS wanted
JOIN pg_trigger ON tgrelid = to_regclass(wanted)
JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE NOT tgisinternal
ORDER BY wanted, tgname

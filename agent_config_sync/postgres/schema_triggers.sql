-- Which triggers do these tables have, do they fire for an operator's statements, do they notify on our channel ($2, as a
-- word), by a function of ours ($3)?
SELECT wanted AS "table",
       tgname::text AS name,
       tgenabled IN ('O', 'A') AS enabled,
       prosrc ~* 'notify' AND prosrc ~* ('\m' || $2 || '\M') AS notifies,
       proname = ANY ($3::text[]) AS of_ours
FROM unnest($1::text[]) AS wanted
JOIN pg_trigger ON tgrelid = to_regclass(wanted)
JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE NOT tgisinternal
ORDER BY wanted, tgname

-- Of which types are these columns of agents, do they hold a text or more than one, and does the table itself write them?
SELECT attname::text AS name,
       format_type(atttypid, atttypmod) AS type,
       typcategory = 'A' OR coalesce(nullif(typbasetype, 0), atttypid) IN ('json'::regtype, 'jsonb'::regtype) AS holds_lists,
       attgenerated <> '' OR attidentity = 'a' AS generated,
       typcategory = 'S' AS holds_text
FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
WHERE attrelid = 'agents'::regclass AND attname = ANY ($1) AND NOT attisdropped
ORDER BY attnum

-- Which of these tables stand in this database, and with which columns?
SELECT wanted AS name,
       to_regclass(wanted) IS NOT NULL AS there,
       ARRAY(SELECT attname::text FROM pg_attribute
             WHERE attrelid = to_regclass(wanted) AND attnum > 0 AND NOT attisdropped) AS columns
FROM unnest($1::text[]) AS wanted

-- Which of these columns of agents have another type than ours, so that a statement for ours may not fit them?
SELECT attname::text AS name
FROM unnest($1::text[], $2::text[]) AS wanted (field, type)
JOIN pg_attribute ON attrelid = to_regclass('agents') AND attname = field AND NOT attisdropped
WHERE format_type(atttypid, NULL) <> type

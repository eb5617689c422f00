-- The rows at these places; see agents_by_version.sql.
SELECT oidsend(tableoid) || tidsend(ctid) || xidsend(xmin) AS version,
       id::text,
       coalesce(name::text, '') AS name,
       coalesce(board_type::text, '') AS board_type,
       objective::text,
       success_metrics::text,
       target_date::timestamptz AS target_date,
       coalesce(lower(goal_confirmed::text) IN ('true', 't', 'yes', 'y', 'on', '1'), false) AS goal_confirmed,
       person_id::text
FROM boards
WHERE ctid = ANY ($1::text[]::tid[])

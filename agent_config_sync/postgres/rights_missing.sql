-- Which of these rights does this login lack? A right is (table, column or null, privilege); tables that are not there
-- are no matter of rights.
SELECT relation AS "table", field AS "column", privilege
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (relation, field, privilege)
WHERE to_regclass(relation) IS NOT NULL
  AND NOT CASE
      WHEN field IS NULL THEN has_table_privilege(to_regclass(relation), privilege)
      ELSE has_column_privilege(to_regclass(relation), field, privilege)
  END

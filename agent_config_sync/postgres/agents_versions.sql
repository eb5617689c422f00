-- Which row versions form this gateway's roster at this instant?
-- (tableoid, ctid, xmin) names a row version, in 14 bytes: a changed row gets another, and reading them is six times
-- cheaper than rows. A rewrite of the table (VACUUM FULL, CLUSTER) moves rows but keeps xmin; it gives the table another
-- file. A column that is renamed, or made with a default, changes what rows say and leaves them as they are; it changes
-- the description of the columns, and a value of an enum that is renamed changes that of the enum: which of them are the
-- table's is not asked, because that takes longer than all else here.
-- rewritten: a table of ours was truncated or rewritten after this snapshot, which sees it empty then (PostgreSQL docs,
-- MVCC, Caveats): pg_class says which file it had in the snapshot, pg_relation_filenode which one it has.
-- family: the table, and those whose rows it shows: its partitions, and what inherits from it.
WITH RECURSIVE family(relid) AS (
    SELECT 'agents'::regclass::oid UNION SELECT inhrelid FROM pg_inherits JOIN family ON inhparent = relid
)
SELECT pg_current_snapshot()::text AS at,
       (SELECT string_agg(pg_relation_filenode(relid)::text, ' ' ORDER BY relid) FROM family)
       || (SELECT format(' %s %s', count(*), sum(xmin::text::bigint))
           FROM pg_attribute WHERE attrelid = 'agents'::regclass)
       || coalesce((SELECT ' ' || sum(xmin::text::bigint) FROM pg_enum), '')
       AS files,
       EXISTS (SELECT FROM pg_class
               WHERE oid = ANY (ARRAY(SELECT relid FROM family) || to_regclass('agent_system_config')::oid)
                 AND relfilenode <> pg_relation_filenode(oid)) AS rewritten,
       string_agg(oidsend(tableoid) || tidsend(ctid) || xidsend(xmin), ''::bytea) AS versions
FROM agents
WHERE account_id::text = $1
  AND status::text = 'active'
  AND instance_type::text IS DISTINCT FROM 'peer'
  AND (gateways IS NULL OR to_jsonb(gateways) ? $2)

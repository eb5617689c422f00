-- Which row versions make this gateway's workspaces at this instant? One row, with what agents_versions.sql says of
-- agents for each of these tables: 14 bytes a row, the files that hold them, and whether one was rewritten since.
WITH RECURSIVE family(relid) AS (
    SELECT relid FROM unnest(ARRAY['people'::regclass, 'boards'::regclass, 'skills'::regclass, 'agent_skills'::regclass,
                                   'gateways'::regclass, 'agent_tokens'::regclass]::oid[]) AS relid
    UNION SELECT inhrelid FROM pg_inherits JOIN family ON inhparent = relid
)
SELECT (SELECT string_agg(pg_relation_filenode(relid)::text, ' ' ORDER BY relid) FROM family)
       || (SELECT format(' %s %s', count(*), sum(xmin::text::bigint))
           FROM pg_attribute WHERE attrelid IN (SELECT relid FROM family))
       || coalesce((SELECT ' ' || sum(xmin::text::bigint) FROM pg_enum), '')
       AS files,
       EXISTS (SELECT FROM pg_class
               WHERE oid IN (SELECT relid FROM family) AND relfilenode <> pg_relation_filenode(oid)) AS rewritten,
       (SELECT string_agg(oidsend(tableoid) || tidsend(ctid) || xidsend(xmin), ''::bytea)
        FROM people WHERE account_id::text = $1) AS people,
       (SELECT string_agg(oidsend(tableoid) || tidsend(ctid) || xidsend(xmin), ''::bytea)
        FROM boards WHERE account_id::text = $1) AS boards,
       (SELECT string_agg(oidsend(tableoid) || tidsend(ctid) || xidsend(xmin), ''::bytea)
        FROM skills
        WHERE account_id::text = $1 AND lower(enabled::text) IN ('true', 't', 'yes', 'y', 'on', '1')
          AND slug::text IN (SELECT skill::text FROM agent_skills WHERE account_id::text = $1)) AS skills,
       (SELECT string_agg(oidsend(tableoid) || tidsend(ctid) || xidsend(xmin), ''::bytea)
        FROM agent_skills WHERE account_id::text = $1) AS agent_skills,
       (SELECT string_agg(oidsend(tableoid) || tidsend(ctid) || xidsend(xmin), ''::bytea)
        FROM gateways WHERE account_id::text = $1 AND name::text = $2) AS gateways,
       (SELECT string_agg(oidsend(tableoid) || tidsend(ctid) || xidsend(xmin), ''::bytea)
        FROM agent_tokens WHERE account_id::text = $1 AND gateway = $2 AND revoked_at IS NULL) AS agent_tokens

-- What the rows of agents at these places say of the agents themselves; see agents_by_version.sql.
SELECT oidsend(tableoid) || tidsend(ctid) || xidsend(xmin) AS version,
       coalesce(name::text, '') AS name,
       display_name::text,
       role::text,
       soul_content::text,
       soul_template::text,
       identity_profile::text,
       identity_template::text,
       board_id::text,
       coalesce(lower(is_board_lead::text) IN ('true', 't', 'yes', 'y', 'on', '1'), false) AS is_board_lead,
       coalesce(lower(skills_exclusive::text) IN ('true', 't', 'yes', 'y', 'on', '1'), false) AS skills_exclusive,
       heartbeat_every::text,
       heartbeat_target::text,
       heartbeat_model::text,
       heartbeat_prompt::text,
       CASE WHEN coalesce(btrim(soul_content::text), '') = '' AND coalesce(btrim(soul_template::text), '') = '' THEN
           generate_default_soul(
               coalesce(nullif(btrim(display_name::text), ''), name::text),
               coalesce(nullif(btrim(to_jsonb(identity_profile) ->> 'role'), ''), role::text)
           )
       END AS default_soul
FROM agents
WHERE ctid = ANY ($1::text[]::tid[])

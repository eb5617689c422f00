-- The keys of a gateway ($2) that people have entered, each with what the gateway may call the skills that need it: by
-- the key of its own that a skill has in the configuration, and earlier versions by its name. Of skills only those count
-- that the gateway's own login has reported.
SELECT id::text, skill, key_name,
       ARRAY(SELECT DISTINCT ARRAY[entry, primary_env]
             FROM installed_skills, unnest(ARRAY[name, config_key]) AS entry
             WHERE installed_skills.account_id = $1 AND installed_skills.gateway = $2
               AND slug = skill_credentials.skill AND entry IS NOT NULL
               AND installed_skills.reported_by IN (session_user, skill_credentials.reported_by))::text[][] AS entries
FROM skill_credentials
WHERE account_id = $1 AND gateway = $2 AND status = 'active'

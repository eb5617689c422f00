-- Let these ($3: a JSON array of objects) be the skills that are installed at this gateway ($2), and record what that
-- changes; return each change. $4: also say of those that did not change that they were seen.
WITH seen AS (
    SELECT agent, slug, name, description, checksum, problem, config_key, primary_env
    FROM jsonb_to_recordset($3::text::jsonb)
        AS seen (agent text, slug text, name text, description text, checksum text, problem text, config_key text,
                 primary_env text)
), before AS (
    SELECT agent, slug, name, description, checksum, problem FROM installed_skills
    WHERE account_id = $1 AND gateway = $2
), compared AS (
    SELECT seen.*, before.slug IS NULL AS new,
           (seen.name, seen.description, seen.checksum, seen.problem)
               IS DISTINCT FROM (before.name, before.description, before.checksum, before.problem) AS other
    FROM seen LEFT JOIN before USING (agent, slug)
), gone AS (
    DELETE FROM installed_skills AS known
    WHERE account_id = $1 AND gateway = $2
      AND NOT EXISTS (SELECT FROM seen WHERE seen.agent = known.agent AND seen.slug = known.slug)
    RETURNING agent, slug, name, checksum, problem
), kept AS (
    INSERT INTO installed_skills AS known (account_id, gateway, agent, slug, name, description, checksum, problem,
                                           config_key, primary_env)
    SELECT $1, $2, agent, slug, name, description, checksum, problem, config_key, primary_env
    FROM compared
    WHERE other OR $4
    ON CONFLICT (account_id, gateway, agent, slug) DO UPDATE SET
        name = excluded.name,
        description = excluded.description,
        checksum = excluded.checksum,
        problem = excluded.problem,
        config_key = excluded.config_key,
        primary_env = excluded.primary_env,
        changed_at = CASE
            WHEN (known.name, known.description, known.checksum, known.problem)
                IS DISTINCT FROM (excluded.name, excluded.description, excluded.checksum, excluded.problem) THEN now()
            ELSE known.changed_at
        END,
        seen_at = now()
), changes AS (
    SELECT 'removed' AS change, agent, slug, name, checksum, problem FROM gone
    UNION ALL
    SELECT CASE WHEN new THEN 'installed' ELSE 'changed' END, agent, slug, name, checksum, problem
    FROM compared
    WHERE other
), recorded AS (
    INSERT INTO activities (account_id, gateway, type, actor_type, actor_id, target_type, target_id, meta)
    SELECT $1, $2, 'skill_' || change, CASE agent WHEN '' THEN 'system' ELSE 'agent' END,
           CASE agent WHEN '' THEN $2 ELSE agent END, 'skill', slug,
           jsonb_strip_nulls(jsonb_build_object('name', name, 'checksum', checksum, 'problem', problem))
    FROM changes
    ORDER BY agent, slug
)
SELECT change, agent, slug, problem FROM changes ORDER BY agent, slug

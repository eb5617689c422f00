-- What is installed at the gateways of an account, and what stands beside it under the same name: an enabled skill that
-- operators gave the agent (assigned), or one in the folder that all agents of the gateway share (shared).
SELECT gateway, agent, slug, name, description, checksum, problem, changed_at, seen_at,
       EXISTS (SELECT FROM agent_skills JOIN skills USING (account_id)
               WHERE agent_skills.account_id = installed.account_id AND agent_skills.agent = installed.agent
                 AND agent_skills.skill = skills.slug AND skills.enabled
                 AND installed.slug = skills.slug) AS assigned,
       agent <> '' AND EXISTS (SELECT FROM installed_skills AS shared
                               WHERE shared.account_id = installed.account_id AND shared.gateway = installed.gateway
                                 AND shared.agent = '' AND shared.name = installed.name
                                 AND shared.problem IS NULL) AS shared
FROM installed_skills AS installed
WHERE account_id = $1
ORDER BY gateway, agent, slug

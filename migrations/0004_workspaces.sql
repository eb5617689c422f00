-- Every agent's workspace: who an agent is, its board, the person it works for, its skills; and what short model names
-- mean.
--
-- A table of yours with one of these names keeps its columns, and ours are added to it; one that lacks the column by
-- which we know its rows is none of ours, and the migration ends with a way out.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7135003215812906); END $$;

DO $$
DECLARE
    wanted record;
    known record;
    lacking text;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('people', '{id}'::text[]),
            ('boards', '{id}'),
            ('skills', '{slug}'),
            ('agent_skills', '{agent,skill}'),
            ('model_aliases', '{alias,model}'),
            ('agent_tokens', '{agent,gateway,token_hash,issued_by}')
        ) AS tables (name, columns)
    LOOP
        SELECT pg_class.oid, relkind, relispartition, reloftype, nspname AS schema, rolname AS owner,
               pg_has_role(current_user, relowner, 'USAGE') AS ours_to_change INTO known
        FROM pg_catalog.pg_class
        JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
        JOIN pg_catalog.pg_roles ON pg_roles.oid = relowner
        WHERE pg_class.oid = to_regclass(wanted.name);
        CONTINUE WHEN NOT FOUND;
        SELECT string_agg(name, ', ' ORDER BY place) INTO lacking
        FROM unnest(wanted.columns) WITH ORDINALITY AS needed (name, place)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                          WHERE attrelid = known.oid AND attname = name AND NOT attisdropped);
        IF known.schema <> current_schema() THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('%s is in schema %s, but search_path creates tables in %s', wanted.name, known.schema,
                                 current_schema()),
                HINT = format('put %s first in search_path to use that table, or leave it out for one of our own',
                              known.schema);
        ELSIF known.relkind NOT IN ('r', 'p') OR known.relispartition OR known.reloftype <> 0 THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('%s.%s is no table that takes columns and triggers of ours', known.schema, wanted.name),
                HINT = 'rename it, or give us a schema of our own with search_path';
        ELSIF lacking IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('table %s.%s is not the one we know: it has no column %s', known.schema, wanted.name,
                                 lacking),
                HINT = 'rename it, or give us a schema of our own with search_path';
        ELSIF NOT known.ours_to_change THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
                MESSAGE = format('table %s.%s belongs to %s, and only its owner may change it', known.schema, wanted.name,
                                 known.owner),
                HINT = format('run this as %1$s, or GRANT %1$I TO %2$I first', known.owner, current_user);
        END IF;
    END LOOP;
END $$;

-- People and boards -------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS people (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id text NOT NULL DEFAULT 'default'
);

ALTER TABLE people
    ADD COLUMN IF NOT EXISTS account_id     text NOT NULL DEFAULT 'default',
    ADD COLUMN IF NOT EXISTS name           text,
    ADD COLUMN IF NOT EXISTS preferred_name text,
    ADD COLUMN IF NOT EXISTS pronouns       text,
    ADD COLUMN IF NOT EXISTS timezone       text,
    ADD COLUMN IF NOT EXISTS notes          text,
    ADD COLUMN IF NOT EXISTS context        text;

COMMENT ON TABLE people IS 'For whom agents work; boards.person_id and gateways.person_id say who it is.';
COMMENT ON COLUMN people.context IS 'What the person is busy with.';

CREATE TABLE IF NOT EXISTS boards (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id text NOT NULL DEFAULT 'default'
);

ALTER TABLE boards
    ADD COLUMN IF NOT EXISTS account_id      text    NOT NULL DEFAULT 'default',
    ADD COLUMN IF NOT EXISTS name            text    NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS board_type      text    NOT NULL DEFAULT 'goal',
    ADD COLUMN IF NOT EXISTS objective       text,
    ADD COLUMN IF NOT EXISTS success_metrics jsonb
        CONSTRAINT boards_success_metrics_is_an_object CHECK (jsonb_typeof(success_metrics) = 'object'),
    ADD COLUMN IF NOT EXISTS target_date     timestamptz,
    ADD COLUMN IF NOT EXISTS goal_confirmed  boolean NOT NULL DEFAULT false;

COMMENT ON TABLE boards IS 'What a group of agents works towards; agents.board_id says who is in it.';

ALTER TABLE gateways ADD COLUMN IF NOT EXISTS id uuid DEFAULT gen_random_uuid();

-- A key of yours may be no uuid: who points to it has its type.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('boards', 'person_id', 'people'),
            ('gateways', 'person_id', 'people'),
            ('agents', 'board_id', 'boards')
        ) AS columns (source, name, target)
    LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN IF NOT EXISTS %I %s', wanted.source, wanted.name, (
            SELECT format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
            WHERE attrelid = to_regclass(wanted.target) AND attname = 'id'
        ));
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_catalog.pg_constraint
            WHERE contype = 'f' AND conrelid = to_regclass(wanted.source) AND confrelid = to_regclass(wanted.target)
              AND conname = format('%s_%s_is_there', wanted.source, wanted.name)
        );
        BEGIN
            EXECUTE format('ALTER TABLE %1$I ADD CONSTRAINT %2$I FOREIGN KEY (%3$I) REFERENCES %4$I (id)'
                           ' ON DELETE SET NULL',
                           wanted.source, format('%s_%s_is_there', wanted.source, wanted.name), wanted.name, wanted.target);
        EXCEPTION
            WHEN invalid_foreign_key OR datatype_mismatch OR foreign_key_violation OR feature_not_supported
                 OR invalid_table_definition OR wrong_object_type THEN
                RAISE WARNING 'nothing keeps %.% in step with %: %', wanted.source, wanted.name, wanted.target, SQLERRM;
        END;
    END LOOP;
END $$;

COMMENT ON COLUMN boards.person_id IS 'The person for whom the agents of this board work.';
COMMENT ON COLUMN gateways.person_id IS 'The person for whom agents work whose board names none.';
COMMENT ON COLUMN gateways.workspace_root IS 'Folder of the workspaces as the gateway sees it, where that is not as agent-config-sync sees it.';
COMMENT ON COLUMN gateways.base_url IS 'Address of the HTTP interface for agents, as they reach it.';

-- Agents ------------------------------------------------------------------------------------------------------------

ALTER TABLE agents
    ADD COLUMN IF NOT EXISTS soul_content      text,
    ADD COLUMN IF NOT EXISTS soul_template     text,
    ADD COLUMN IF NOT EXISTS identity_profile  jsonb
        CONSTRAINT agents_identity_profile_is_an_object CHECK (jsonb_typeof(identity_profile) = 'object'),
    ADD COLUMN IF NOT EXISTS identity_template text,
    ADD COLUMN IF NOT EXISTS is_board_lead     boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS skills_exclusive  boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS heartbeat_every   text,
    ADD COLUMN IF NOT EXISTS heartbeat_target  text,
    ADD COLUMN IF NOT EXISTS heartbeat_model   text,
    ADD COLUMN IF NOT EXISTS heartbeat_prompt  text;

COMMENT ON COLUMN agents.role IS 'What the agent is for, in a word or two; identity_profile.role beats it.';
COMMENT ON COLUMN agents.soul_content IS 'SOUL.md, word for word; without it and without soul_template there is a default one.';
COMMENT ON COLUMN agents.soul_template IS 'SOUL.md as a Jinja template; beats soul_content. docs/templates.md lists the variables.';
COMMENT ON COLUMN agents.identity_profile IS 'role, communication_style, emoji, autonomy_level, verbosity, output_format, update_cadence, purpose, personality, custom_instructions.';
COMMENT ON COLUMN agents.identity_template IS 'IDENTITY.md as a Jinja template.';
COMMENT ON COLUMN agents.is_board_lead IS 'Leads its board, and gets the manual of a lead.';
COMMENT ON COLUMN agents.skills_exclusive IS 'Has the skills of agent_skills and no others: the gateway then hides every other one, its own included.';
COMMENT ON COLUMN agents.heartbeat_every IS 'Time between two heartbeats, such as 30m; 0m switches them off.';

-- Skills ------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS skills (
    account_id text NOT NULL DEFAULT 'default',
    slug       text NOT NULL CONSTRAINT skills_slug_is_a_folder CHECK (slug ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    PRIMARY KEY (account_id, slug)
);

ALTER TABLE skills
    ADD COLUMN IF NOT EXISTS account_id  text    NOT NULL DEFAULT 'default',
    ADD COLUMN IF NOT EXISTS name        text    NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS description text,
    ADD COLUMN IF NOT EXISTS content     text,
    ADD COLUMN IF NOT EXISTS enabled     boolean NOT NULL DEFAULT true;

COMMENT ON TABLE skills IS 'Skills that operators keep; agent_skills says who has them.';
COMMENT ON COLUMN skills.slug IS 'Folder of the skill in a workspace: skills/<slug>/SKILL.md.';
COMMENT ON COLUMN skills.content IS 'The body of SKILL.md, with or without front matter; without content there is no file, and agents read name and description.';

CREATE TABLE IF NOT EXISTS agent_skills (
    account_id text    NOT NULL DEFAULT 'default',
    agent      text    NOT NULL,
    skill      text    NOT NULL,
    position   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, agent, skill)
);

ALTER TABLE agent_skills
    ADD COLUMN IF NOT EXISTS account_id text    NOT NULL DEFAULT 'default',
    ADD COLUMN IF NOT EXISTS position   integer NOT NULL DEFAULT 0;

COMMENT ON TABLE agent_skills IS 'Which agent has which skill, in the order of position and then of the slug.';

-- What short model names mean ---------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS model_aliases (
    alias text PRIMARY KEY,
    model text NOT NULL CONSTRAINT model_aliases_model_names_its_provider CHECK (model LIKE '%_/_%')
);

COMMENT ON TABLE model_aliases IS 'What a model id without a provider stands for, for agents of all accounts; an id with a / stands for itself.';

-- Given once, with this migration: what was changed or deleted since stays so.
INSERT INTO model_aliases (alias, model)
SELECT * FROM (VALUES
    ('claude-sonnet-4-20250514', 'anthropic/claude-sonnet-4-5'),
    ('claude-opus-4-20250514', 'anthropic/claude-opus-4-5'),
    ('gpt-4o', 'openai/gpt-4o'),
    ('gpt-4o-mini', 'openai/gpt-4o-mini'),
    ('minimax-m2.5', 'minimax/minimax-m2.5'),
    ('claude-haiku-4.5', 'anthropic/claude-haiku-4.5'),
    ('kimi-k2.5', 'moonshotai/kimi-k2.5'),
    ('gpt-5-nano', 'openai/gpt-5-nano')
) AS given (alias, model)
WHERE NOT EXISTS (SELECT FROM agent_config_migrations WHERE name = '0004_workspaces')
  AND NOT EXISTS (SELECT FROM model_aliases WHERE model_aliases.alias = given.alias);

-- Tokens of agents --------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS agent_tokens (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id text        NOT NULL DEFAULT 'default',
    agent      text        NOT NULL,
    gateway    text        NOT NULL,
    token_hash text        NOT NULL UNIQUE,
    issued_by  text        NOT NULL DEFAULT session_user,
    issued_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE INDEX IF NOT EXISTS agent_tokens_of_a_gateway ON agent_tokens (account_id, gateway) WHERE revoked_at IS NULL;

COMMENT ON TABLE agent_tokens IS 'Proofs of who an agent is, by their SHA-256; the tokens themselves are on the gateway''s host only. It wakes nobody.';
COMMENT ON COLUMN agent_tokens.issued_by IS 'The login that issued the token; no other login can revoke it, but an operator can.';

ALTER TABLE agent_tokens ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS agent_tokens_read ON agent_tokens;
CREATE POLICY agent_tokens_read ON agent_tokens FOR SELECT USING (true);
DROP POLICY IF EXISTS agent_tokens_issue ON agent_tokens;
CREATE POLICY agent_tokens_issue ON agent_tokens FOR INSERT WITH CHECK (issued_by = session_user);
DROP POLICY IF EXISTS agent_tokens_revoke ON agent_tokens;
CREATE POLICY agent_tokens_revoke ON agent_tokens FOR UPDATE
    USING (issued_by = session_user) WITH CHECK (issued_by = session_user);
DROP POLICY IF EXISTS agent_tokens_forget ON agent_tokens;
CREATE POLICY agent_tokens_forget ON agent_tokens FOR DELETE USING (true);

-- What belongs to an agent or a skill goes with it, and follows when it is renamed. A table agents of yours may have
-- another key, and then its owner keeps these in step.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('agent_skills', 'agent', 'agents', 'name'),
            ('agent_skills', 'skill', 'skills', 'slug'),
            ('agent_tokens', 'agent', 'agents', 'name')
        ) AS references_of (source, name, target, key)
    LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_catalog.pg_constraint
            WHERE conrelid = to_regclass(wanted.source) AND conname = format('%s_%s_is_there', wanted.source, wanted.name)
        );
        BEGIN
            EXECUTE format('ALTER TABLE %1$I ADD CONSTRAINT %2$I FOREIGN KEY (account_id, %3$I)'
                           ' REFERENCES %4$I (account_id, %5$I) ON UPDATE CASCADE ON DELETE CASCADE',
                           wanted.source, format('%s_%s_is_there', wanted.source, wanted.name), wanted.name, wanted.target,
                           wanted.key);
        EXCEPTION
            WHEN invalid_foreign_key OR datatype_mismatch OR foreign_key_violation OR feature_not_supported
                 OR invalid_table_definition OR wrong_object_type THEN
                NULL;
        END;
    END LOOP;
END $$;

-- The soul of an agent that has none of its own ---------------------------------------------------------------------

CREATE OR REPLACE FUNCTION generate_default_soul(name text, role text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $soul$
SELECT format($text$# Soul: %1$s

You are %1$s. Your role: %2$s. This page is who you are when no rule fits the case. It stays the same from task to task. Your manual says how you work; this says how you are.

## What you care about

- **The result.** Somebody needs a thing to be true at the end. Judge each step by whether it brings that closer.
- **The truth.** Say what you know, how you know it, and what you only believe. A plain "I was wrong" costs little; a guess dressed as a fact costs trust.
- **The other person's time.** Do the reading so that they need not. Bring an answer, or a question they can settle in a minute.
- **What is not yours.** Files, accounts, inboxes and plans of others are only lent to you. Leave them as you would want yours to be left.

## How you act

- Try before you ask. Read the file, run the command, search the notes. Then ask what is left.
- Hold a view. When there are two ways, say which one you would take and why. When the person chooses the other, do that one properly.
- Disagree early and once, with the reason, before the work is done and not after.
- Prefer the simple way that can be undone to the clever way that cannot.
- Finish. One thing that works is worth more than three that nearly do.
- Be bold inside your workspace and careful outside it.
- Keep calm when things break. Find the cause; do not hide the trace.
- When you make a mistake, say so at once, mend what you can, and write down what would have prevented it.

## How you speak

- Start with the answer. No praise for the question, no apology as an opening, no filler.
- Short words, whole sentences, real names and numbers.
- Warm is welcome. Flattery is not.
- You do not claim to be human, and you do not speak in your user's name unless you were told to.

## What you never do

- You never claim work, checks or sources that do not exist.
- You never trade safety for speed, and never look for a way around a limit. You say that it is in your way.
- You never use what you know about a person against them or for show.
- You never widen the task because it would be interesting.

This page is kept in the database. If it does not fit you, tell the operator which sentence and why. What you learn about yourself goes into SELF.md; the tone of one task goes into TASK_SOUL.md.
$text$, name, coalesce(nullif(btrim(role), ''), 'Generalist'))
$soul$;

COMMENT ON FUNCTION generate_default_soul(text, text) IS 'SOUL.md of an agent that has neither soul_content nor soul_template.';

-- Notifications -----------------------------------------------------------------------------------------------------
--
-- As in 0001: one a statement, none when nothing of ours changed. The arguments of a trigger are the column that names a
-- row, and those that are compared; where one of them is gone, every statement notifies.

CREATE OR REPLACE FUNCTION notify_workspace_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    compared text;
    rows_changed bigint;
    changed text;
BEGIN
    SELECT string_agg(format('%I::text', wanted), ', ') INTO compared FROM unnest(TG_ARGV) AS wanted
    HAVING count(*) = (SELECT count(*) FROM pg_attribute
                       WHERE attrelid = TG_RELID AND attname = ANY (TG_ARGV) AND NOT attisdropped);
    IF compared IS NOT NULL AND TG_OP <> 'TRUNCATE' THEN
        EXECUTE format(
            CASE TG_OP
                WHEN 'INSERT' THEN 'SELECT count(*), min(%1$I::text) FROM new_rows'
                WHEN 'DELETE' THEN 'SELECT count(*), min(%1$I::text) FROM old_rows'
                ELSE 'SELECT count(*), min(%1$I) FROM (SELECT %2$s FROM new_rows EXCEPT ALL SELECT %2$s FROM old_rows) AS different'
            END, TG_ARGV[0], compared) INTO rows_changed, changed;
        IF rows_changed = 0 THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME,
        'key', CASE WHEN rows_changed = 1 AND octet_length(changed) <= 1000 THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN NULL;
END $$;

DO $$
DECLARE
    wanted record;
    event record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('people', '{id,account_id,name,preferred_name,pronouns,timezone,notes,context}'::text[]),
            ('boards', '{id,account_id,name,board_type,objective,success_metrics,target_date,goal_confirmed,person_id}'),
            ('skills', '{slug,account_id,name,description,content,enabled}'),
            ('agent_skills', '{agent,account_id,skill,position}'),
            ('model_aliases', '{alias,model}')
        ) AS tables (name, columns)
    LOOP
        FOR event IN
            SELECT * FROM (VALUES
                ('insert', 'REFERENCING NEW TABLE AS new_rows'),
                ('update', 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'),
                ('delete', 'REFERENCING OLD TABLE AS old_rows'),
                ('truncate', '')
            ) AS events (name, rows)
        LOOP
            EXECUTE format('DROP TRIGGER IF EXISTS %I ON %I', 'workspace_changed_' || event.name, wanted.name);
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %I %s FOR EACH STATEMENT'
                           ' EXECUTE FUNCTION notify_workspace_changed(%s)',
                           'workspace_changed_' || event.name, event.name, wanted.name, event.rows,
                           (SELECT string_agg(quote_literal(name), ', ') FROM unnest(wanted.columns) AS name));
        END LOOP;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION notify_agent_config_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    comparable boolean := false;
    rows_changed bigint;
    changed text;
BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        SELECT tgnewtable = 'new_rows' OR tgoldtable = 'old_rows' INTO comparable FROM pg_trigger
        WHERE tgrelid = TG_RELID AND tgname = TG_NAME;
    END IF;
    IF comparable THEN
        IF TG_OP = 'INSERT' THEN
            SELECT count(*), min(name::text) INTO rows_changed, changed FROM new_rows;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT count(*), min(name::text) INTO rows_changed, changed FROM old_rows;
        ELSIF TG_OP = 'UPDATE' THEN
            SELECT count(*), min(name) INTO rows_changed, changed FROM (
                SELECT account_id::text, name::text, display_name::text, role::text, instance_type::text, status::text,
                       is_default::text, model::text, fallback_models::text, thinking::text, allowed_subagents::text,
                       gateways::text, settings::text, soul_content::text, soul_template::text, identity_profile::text,
                       identity_template::text, board_id::text, is_board_lead::text, skills_exclusive::text,
                       heartbeat_every::text, heartbeat_target::text, heartbeat_model::text, heartbeat_prompt::text
                FROM new_rows
                EXCEPT ALL
                SELECT account_id::text, name::text, display_name::text, role::text, instance_type::text, status::text,
                       is_default::text, model::text, fallback_models::text, thinking::text, allowed_subagents::text,
                       gateways::text, settings::text, soul_content::text, soul_template::text, identity_profile::text,
                       identity_template::text, board_id::text, is_board_lead::text, skills_exclusive::text,
                       heartbeat_every::text, heartbeat_target::text, heartbeat_model::text, heartbeat_prompt::text
                FROM old_rows
            ) AS different;
        END IF;
        IF rows_changed = 0 THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME,
        'key', CASE WHEN rows_changed = 1 AND octet_length(changed) <= 1000 THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN coalesce(NEW, OLD);
END $$;

CREATE OR REPLACE FUNCTION notify_gateway_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    comparable boolean := false;
    changed text;
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        SELECT count(*) = 5 INTO comparable FROM pg_attribute
        WHERE attrelid = TG_RELID AND NOT attisdropped
          AND attname IN ('account_id', 'name', 'workspace_root', 'base_url', 'person_id');
    END IF;
    IF comparable THEN
        IF TG_OP = 'UPDATE' THEN
            IF (NEW.account_id::text, NEW.name::text, NEW.workspace_root::text, NEW.base_url::text, NEW.person_id::text)
                IS NOT DISTINCT FROM
                (OLD.account_id::text, OLD.name::text, OLD.workspace_root::text, OLD.base_url::text, OLD.person_id::text) THEN
                RETURN NEW;
            END IF;
            changed := NEW.name;
        ELSIF TG_OP = 'INSERT' THEN
            changed := NEW.name;
        ELSIF TG_OP = 'DELETE' THEN
            changed := OLD.name;
        END IF;
    END IF;
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'source', TG_TABLE_NAME,
        'key', CASE WHEN octet_length(changed) <= 1000 THEN changed END,
        'operation', TG_OP
    )::text);
    RETURN coalesce(NEW, OLD);
END $$;

-- Rights ------------------------------------------------------------------------------------------------------------

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_reader') THEN
        GRANT SELECT (display_name, role, soul_content, soul_template, identity_profile, identity_template, board_id,
                      is_board_lead, skills_exclusive, heartbeat_every, heartbeat_target, heartbeat_model,
                      heartbeat_prompt) ON agents TO agent_config_reader;
        GRANT SELECT (tableoid, ctid, xmin, id, account_id, name, preferred_name, pronouns, timezone, notes, context)
            ON people TO agent_config_reader;
        GRANT SELECT (tableoid, ctid, xmin, id, account_id, name, board_type, objective, success_metrics, target_date,
                      goal_confirmed, person_id) ON boards TO agent_config_reader;
        GRANT SELECT (tableoid, ctid, xmin, account_id, slug, name, description, content, enabled)
            ON skills TO agent_config_reader;
        GRANT SELECT (tableoid, ctid, xmin, account_id, agent, skill, position) ON agent_skills TO agent_config_reader;
        GRANT SELECT (alias, model) ON model_aliases TO agent_config_reader;
        GRANT SELECT (tableoid, ctid, xmin, id, account_id, name, workspace_root, base_url, person_id)
            ON gateways TO agent_config_reader;
        GRANT SELECT (tableoid, ctid, xmin, account_id, agent, gateway, token_hash, issued_by, revoked_at),
              INSERT (account_id, agent, gateway, token_hash),
              UPDATE (revoked_at) ON agent_tokens TO agent_config_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON people, boards, skills, agent_skills, model_aliases
            TO agent_config_operator;
        GRANT SELECT, DELETE ON agent_tokens TO agent_config_operator;
    END IF;
END $$;

-- Who may insert a row may also draw its number.
DO $$
DECLARE
    numbers regclass;
BEGIN
    FOR numbers IN
        SELECT objid::regclass FROM pg_catalog.pg_depend JOIN pg_catalog.pg_class ON pg_class.oid = objid
        WHERE classid = 'pg_class'::regclass AND relkind = 'S' AND deptype = 'a'
          AND refobjid IN ('people'::regclass, 'boards'::regclass, 'skills'::regclass, 'agent_skills'::regclass)
          AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'agent_config_operator')
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO agent_config_operator', numbers);
    END LOOP;
END $$;

INSERT INTO agent_config_migrations (name) VALUES ('0004_workspaces') ON CONFLICT (name) DO NOTHING;

NOTIFY agent_config_changed, '{"source": "agent_config_migrations", "key": "0004_workspaces", "operation": "INSERT"}';

COMMIT;

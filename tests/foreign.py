"""Databases as earlier systems left them."""

from __future__ import annotations

from typing import Any, TypeAlias

AGENTS = """
CREATE TABLE agents (
    id                serial PRIMARY KEY,
    name              varchar(100) NOT NULL UNIQUE,
    description       text,
    role              varchar(100),
    model             varchar(100),
    fallback_model    varchar(100),
    fallback_models   text[],
    thinking          varchar(20) CHECK (thinking IN ('off', 'minimal', 'low', 'medium', 'high', 'xhigh')),
    access_method     varchar(50) NOT NULL,
    instance_type     varchar(20) DEFAULT 'subagent',
    status            varchar(20) DEFAULT 'active',
    is_default        boolean NOT NULL DEFAULT false,
    allowed_subagents text[],
    parent_agents     text[],
    updated_at        timestamp DEFAULT now()
);
CREATE UNIQUE INDEX agents_one_default ON agents (is_default) WHERE is_default;

CREATE FUNCTION touch_agent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER agents_updated_at BEFORE UPDATE ON agents FOR EACH ROW EXECUTE FUNCTION touch_agent();

CREATE FUNCTION protect_agents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF session_user <> 'postgres' THEN
        RAISE EXCEPTION 'agents are written by postgres only';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER protect_agents BEFORE INSERT OR UPDATE OR DELETE ON agents
    FOR EACH ROW EXECUTE FUNCTION protect_agents();

CREATE FUNCTION notify_agent_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('agent_config_changed', json_build_object(
        'agent_id', coalesce(NEW.id, OLD.id), 'agent_name', coalesce(NEW.name, OLD.name), 'operation', TG_OP)::text);
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER agent_config_changed AFTER INSERT OR UPDATE OR DELETE ON agents
    FOR EACH ROW EXECUTE FUNCTION notify_agent_config_changed();

CREATE FUNCTION notify_agents_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('agent_config_changed', coalesce(NEW.name, OLD.name));
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER agents_config_changed AFTER INSERT OR UPDATE OR DELETE ON agents
    FOR EACH ROW EXECUTE FUNCTION notify_agents_changed();

INSERT INTO agents (name, access_method, model, instance_type, is_default)
VALUES ('lead', 'api', 'a/old', 'primary', true), ('coder', 'api', 'a/b', 'subagent', false);
"""
"""An `agents` table with an id of its own, protected, and notified by two row triggers at once."""

SETTINGS = """
CREATE TABLE agent_system_config (
    key         text PRIMARY KEY,
    value       text NOT NULL,
    value_type  text NOT NULL DEFAULT 'text',
    description text,
    updated_at  timestamp DEFAULT now(),
    updated_by  text DEFAULT 'system'
);
CREATE FUNCTION notify_system_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('agent_config_changed', 'earlier');
    RETURN NEW;
END $$;
CREATE TRIGGER system_config_changed AFTER INSERT OR UPDATE OR DELETE ON agent_system_config
    FOR EACH ROW EXECUTE FUNCTION notify_system_config_changed();
CREATE TRIGGER config_changed_again AFTER INSERT OR UPDATE OR DELETE ON agent_system_config
    FOR EACH ROW EXECUTE FUNCTION notify_system_config_changed();
"""
"""Settings without created_at, as the canonical schema of the predecessor has them."""

Case: TypeAlias = tuple[str, str, dict[str, Any]]

MINIMAL = "CREATE TABLE agents (name text UNIQUE"

OTHER_TYPES: dict[str, Case] = {
    "settings json": (f"{MINIMAL}, settings json)", """settings = '{"skills": ["x"]}'""", {"skills": ["x"]}),
    "settings text": (f"{MINIMAL}, settings text)", """settings = '{"skills": ["x"]}'""", {"skills": ["x"]}),
    "fallback_models json": (
        f"{MINIMAL}, fallback_models json)",
        """fallback_models = '["a/c"]'""",
        {"model": {"primary": "a/b", "fallbacks": ["a/c"]}},
    ),
    "fallback_models jsonb with numbers": (
        f"{MINIMAL}, fallback_models jsonb)",
        """fallback_models = '["a/c", [["a/d"]], 1e400]'""",
        {"model": "a/b"},
    ),
    "fallback_models jsonb without end": (
        f"{MINIMAL}, fallback_models jsonb)",
        "fallback_models = (repeat('[', 1005) || repeat(']', 1005))::jsonb",
        {"model": "a/b"},
    ),
    "allowed_subagents jsonb": (
        f"{MINIMAL}, allowed_subagents jsonb)",
        """allowed_subagents = '["lead"]'""",
        {"subagents": {"allowAgents": ["lead"]}},
    ),
    "fallback_models varchar[]": (
        f"{MINIMAL}, fallback_models varchar(50)[])",
        "fallback_models = '{a/c}'",
        {"model": {"primary": "a/b", "fallbacks": ["a/c"]}},
    ),
    "fallback_models text": (
        f"{MINIMAL}, fallback_models text)",
        "fallback_models = 'a/c'",
        {"model": {"primary": "a/b", "fallbacks": ["a/c"]}},
    ),
    "status and instance_type enums": (
        f"CREATE TYPE word AS ENUM ('active', 'gone', 'primary'); {MINIMAL}, status word, instance_type word)",
        "status = 'active', instance_type = 'primary'",
        {},
    ),
    "gateways jsonb": (f"{MINIMAL}, gateways jsonb)", """gateways = '["here"]'""", {}),
    "gateways text": (f"{MINIMAL}, gateways text)", "gateways = 'here'", {}),
    "name of a domain": (
        "CREATE DOMAIN label AS varchar(40); CREATE TABLE agents (name label UNIQUE)",
        "role = 'x'",
        {},
    ),
}
"""Same-named columns of other types: how the table is made, a value, and what it becomes in the agent's entry."""

FLAGS = {
    "integer": ("integer DEFAULT 0", "1"),
    "smallint": ("smallint", "1"),
    "text": ("text DEFAULT 'no'", "'yes'"),
}
"""Types that `is_default` may have, and what is true in each."""

TAKING: dict[str, str] = {
    "fallback_models json": "fallback_models json",
    "fallback_models jsonb": "fallback_models jsonb",
    "fallback_models varchar[]": "fallback_models varchar(50)[]",
    "fallback_models text": "fallback_models text",
    "allowed_subagents jsonb": "allowed_subagents jsonb",
    "gateways json": "gateways json",
    "gateways jsonb": "gateways jsonb",
    "gateways text": "gateways text",
    "settings json": "settings json",
    "settings text": "settings text",
    "status enum": "status word DEFAULT 'gone'",
    "instance_type enum": "instance_type word",
    "is_default integer": "is_default integer DEFAULT 0",
    "is_default text": "is_default text DEFAULT 'no'",
    "account_id integer": "account_id integer DEFAULT 7",
    "all of them": "fallback_models jsonb, gateways jsonb, account_id bigint, is_default smallint, settings text",
}
"""Columns of other types that take what an import writes. The type `word` is an enum."""

WORD = "CREATE TYPE word AS ENUM ('active', 'gone', 'primary', 'subagent', 'peer')"

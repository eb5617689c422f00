"""openclaw.plugin.json, generated from the settings: `python -m agent_config_sync.cli.manifest`."""

from __future__ import annotations

from typing import Any, get_args

import orjson
from pydantic import SecretStr
from pydantic.alias_generators import to_camel

from agent_config_sync import __version__
from agent_config_sync.cli.reference import choices_of, default_of, range_of
from agent_config_sync.settings import Settings

COMMAND = "The program: a path, or a list of a path and its first arguments; default: agent-config-sync on the PATH."


def manifest() -> dict[str, Any]:
    """Return what the gateway reads before it loads the plugin.

    The schema documents every setting and rejects none: the gateway refuses its whole configuration over one value that
    a schema does not take, and we can say better what is wrong with it. So it names no types, and no defaults either,
    which the gateway would write into the configuration.
    """
    properties: dict[str, Any] = {"command": {"description": COMMAND}}
    hints: dict[str, Any] = {"command": {"label": "Program", "advanced": True}}
    for name, field in Settings.model_fields.items():
        key = to_camel(name)
        described: dict[str, Any] = {"description": _plain(str(field.description))}
        for words in (range_of(field), f"default {default_of(field)}" if default_of(field) else ""):
            described["description"] += f" ({words})" if words else ""
        if choices_of(field):
            described["examples"] = choices_of(field)
        properties[key] = described
        hints[key] = {"label": name.replace("_", " ").capitalize()}
        if SecretStr in get_args(field.annotation):
            hints[key]["sensitive"] = True
    return {
        "id": "agent_config_sync",
        "name": "Agent config sync",
        "description": "PostgreSQL as the control plane of the agents: rows become the gateway's configuration.",
        "version": __version__,
        "activation": {"onStartup": True},
        "cliCommands": [
            {
                "name": "agent-config-sync",
                "description": "PostgreSQL as the control plane of the agents: status, doctor, diff, wait, ...",
                "hasSubcommands": True,
            }
        ],
        "configSchema": {"type": "object", "additionalProperties": True, "properties": properties},
        "uiHints": hints,
    }


def _plain(markdown: str) -> str:
    return markdown.replace("`", "").removesuffix(".")


if __name__ == "__main__":
    print(orjson.dumps(manifest(), option=orjson.OPT_INDENT_2).decode())

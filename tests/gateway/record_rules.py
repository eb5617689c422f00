"""Record what one version of the gateway accepts in an agent's entry, from the JSON Schema that it gives itself:

    PYTHONPATH=tests .venv/bin/python -m gateway.record_rules .gateway/2026.9.6

writes agent_config_sync/gateway/accepted/2026.9.6.json, without the schema's prose.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.openclaw import Installation, OpenClaw

from agent_config_sync.model.site import GatewayVersion

ACCEPTED = Path(__file__).parents[2] / "agent_config_sync" / "gateway" / "accepted"
PROSE = frozenset({"title", "description", "default", "examples", "$schema"})
SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions"})

COMMAND_SINCE = GatewayVersion(2026, 5, 12)
"""The first recorded version with `openclaw config schema`; an earlier one tells it only while it runs."""


def without_prose(schema: object, *, names: bool = False) -> object:
    """Drop annotations, but no property that happens to be called like one (`names`: the keys are property names)."""
    if isinstance(schema, dict):
        return {
            key: without_prose(value, names=not names and key in SCHEMAS)
            for key, value in schema.items()
            if names or key not in PROSE
        }
    if isinstance(schema, list):
        return [without_prose(item) for item in schema]
    return schema


def schema_of(installation: Installation, home: Path) -> Mapping[str, Any]:
    """Return the JSON Schema of the whole configuration."""
    if installation.version >= COMMAND_SINCE:
        return installation.json("config", "schema", home=home)
    gateway = OpenClaw(installation, home / "gateway", {"gateway": "here", "command": "true"})
    gateway.set_up()
    gateway.start()
    try:
        schema: Mapping[str, Any] = installation.json("gateway", "call", "config.schema", "--json", home=gateway.home)[
            "schema"
        ]
    finally:
        gateway.stop()
    return schema


def entry_of(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an agent's entry; in a list it has an id, which is no key of ours."""
    agents = sections["agents"]["properties"]
    keyed = "entries" in agents
    entry = without_prose(agents["entries"]["additionalProperties"] if keyed else agents["list"]["items"])
    assert isinstance(entry, dict)
    if not keyed:
        del entry["properties"]["id"]
        entry["required"].remove("id")
    return entry


def channels_of(sections: Mapping[str, Any], installation: Installation) -> list[str]:
    """Return the channels that a heartbeat may name; where the schema has none, those of the bundled plugins."""
    named = set(sections["channels"].get("properties", ())) - {"defaults", "modelByChannel"}
    if not named:
        for manifest in installation.package.glob("extensions/*/openclaw.plugin.json"):
            named.update(json.loads(manifest.read_text(encoding="utf-8")).get("channels", ()))
    return sorted(named)


def main() -> None:
    installation = Installation(Path(sys.argv[1]).absolute())
    with tempfile.TemporaryDirectory() as home:
        sections = schema_of(installation, Path(home))["properties"]
    entry, channels = entry_of(sections), channels_of(sections, installation)
    target = ACCEPTED / f"{installation.version}.json"
    target.write_text(
        json.dumps({"agent": entry, "channels": channels}, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    print(f"{target.name}: {target.stat().st_size} bytes, {len(entry['properties'])} keys, {len(channels)} channels")


if __name__ == "__main__":
    main()

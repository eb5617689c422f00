"""Record what one version of the gateway accepts in an agent's entry, from the JSON Schema that it prints itself:

    openclaw config schema | python tests/gateway/record_rules.py 2026.9.6

writes agent_config_sync/gateway/accepted/2026.9.6.json, without the schema's prose.
"""

import json
import sys
from pathlib import Path

PROSE = frozenset({"title", "description", "default", "examples", "$schema"})
SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions"})


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


def main() -> None:
    version = sys.argv[1]
    sections = json.load(sys.stdin)["properties"]
    entry = without_prose(sections["agents"]["properties"]["entries"]["additionalProperties"])
    assert isinstance(entry, dict)
    channels = sorted(set(sections["channels"]["properties"]) - {"defaults", "modelByChannel"})
    target = Path(__file__).parents[2] / "agent_config_sync" / "gateway" / "accepted" / f"{version}.json"
    target.write_text(
        json.dumps({"agent": entry, "channels": channels}, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    print(f"{target.name}: {target.stat().st_size} bytes, {len(entry['properties'])} keys")


if __name__ == "__main__":
    main()

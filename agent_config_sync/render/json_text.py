"""JSON as text: two-space indented pieces that are joined and never parsed again."""

from __future__ import annotations

import orjson

from agent_config_sync.model.site import Site


def depth_of(site: Site) -> int:
    """Levels of indentation of the section's members."""
    return 2 if site.layout == "root" else 1


def dumps(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def indented(block: bytes, depth: int) -> bytes:
    """Shift all lines but the first; JSON text holds no raw newline inside a string."""
    return block.replace(b"\n", b"\n" + b"  " * depth)

"""Where the gateway keeps its things, as it finds them (OpenClaw docs, help/environment, Paths and instances)."""

from __future__ import annotations

import os
from pathlib import Path

MANAGED_CONFIG_PATH = Path("/root/clawd/openclaw.json")
"""The configuration of a gateway in a container, where this program makes the whole of it."""


def default_config_path() -> Path:
    """Return the configuration that the gateway would take."""
    return gateway_path("OPENCLAW_CONFIG_PATH") or default_data_dir() / "openclaw.json"


def default_data_dir() -> Path:
    """Return the folder in which the gateway would keep its data."""
    return gateway_path("OPENCLAW_STATE_DIR") or (gateway_path("OPENCLAW_HOME") or Path.home()) / ".openclaw"


def gateway_path(name: str) -> Path | None:
    """Return a path of the gateway's environment, None where it is not set; the gateway takes a blank one, and a
    JavaScript nothing, as not set.
    """
    text = os.environ.get(name, "").strip()
    return None if text in ("", "undefined", "null") else gateway_folder(text, own=name != "OPENCLAW_HOME")


def gateway_folder(text: str, *, own: bool = True) -> Path:
    """Return a path as the gateway reads it. own: its home is `OPENCLAW_HOME` where that is set."""
    if text != "~" and not text.startswith("~/"):
        return Path(text)
    return ((gateway_path("OPENCLAW_HOME") if own else None) or Path.home()) / text[2:]

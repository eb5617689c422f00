"""Where a gateway listens, as operators say or its configuration does."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from agent_config_sync.errors import SettingsError
from agent_config_sync.gateway.include import read_section

DEFAULT_PORT = 18789
"""The port of a gateway whose configuration names none."""


def gateway_address(config: Path, *, url: str | None, token: SecretStr | None) -> tuple[str, SecretStr | None]:
    """Return the address of a gateway, `http://host:port` or `https://...`, and its token, if one is known.

    url, token: as they are set, and so win over what the configuration says; url may begin with ws. A gateway takes its
    port from the environment first, and gives it to what it starts, so that who asks there has the one it listens on
    (OpenClaw 2026.5.12 to 2026.9.6, `resolveGatewayPort`).
    """
    try:
        gateway = read_section(config, "gateway")
    except (OSError, SettingsError):
        gateway = {}
    written = _member(_member(gateway, "auth"), "token")
    if token is None and isinstance(written, str) and written and "${" not in written:
        token = SecretStr(written)
    given = os.environ.get("OPENCLAW_GATEWAY_PORT", "").strip()
    port = int(given) if re.fullmatch(r"\d{1,5}", given, re.ASCII) else _member(gateway, "port")
    listening = url or f"http://127.0.0.1:{port if isinstance(port, int) else DEFAULT_PORT}"
    return re.sub("^ws", "http", listening).rstrip("/"), token


def _member(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None

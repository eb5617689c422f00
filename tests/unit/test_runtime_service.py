"""The names by which the earlier runtime service was configured are settings: docs/contract.md, its list."""

from __future__ import annotations

import pytest

from agent_config_sync.setting_sources import load_settings


@pytest.mark.parametrize(
    ("name", "said", "setting", "value"),
    [
        ("ACCOUNT_ID", "acme", "account", "acme"),
        ("HEALTH_PORT", "3000", "health_port", 3000),
        ("HEALTH_HOST", "127.0.0.1", "health_host", "127.0.0.1"),
        ("DELIVERY_INTERVAL", "20000", "delivery_interval", 20.0),
        ("DELIVERY_BACKOFF_BASE_MS", "7000", "delivery_backoff_base", 7.0),
        ("DELIVERY_BACKOFF_MAX_MS", "90000", "delivery_backoff_max", 90.0),
        ("OPENCLAW_GATEWAY_URL", "http://127.0.0.1:18789", "gateway_url", "http://127.0.0.1:18789"),
        ("OPENCLAW_REQUEST_TIMEOUT_MS", "120000", "request_timeout", 120.0),
        ("OPENCLAW_CLIENT_TOOLS_ENABLED", "false", "client_tools", False),
        ("TASK_STATUS_BASE_URL", "http://runtime:3000", "agent_base_url", "http://runtime:3000"),
        ("OPENCLAW_PROFILE_SYNC", "true", "profile_sync", True),
        ("DROPLET_ID", "42", "droplet_id", "42"),
        ("DROPLET_REGION", "fra1", "droplet_region", "fra1"),
    ],
)
def test_a_name_of_the_earlier_service_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str, setting: str, value: object
) -> None:
    monkeypatch.setenv(name, said)
    assert getattr(load_settings(command_line={}), setting) == value


def test_the_gateways_token_has_the_name_of_the_earlier_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCLAW_GATEWAY_TOKEN", "the token")
    token = load_settings(command_line={}).gateway_token
    assert token is not None
    assert token.get_secret_value() == "the token"

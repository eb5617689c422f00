"""Keys of people, encrypted at rest."""

from __future__ import annotations

import base64
from pathlib import Path

import orjson
import pytest

from agent_config_sync.errors import PublishError, SettingsError
from agent_config_sync.secret_seal import AesSeal
from agent_config_sync.secret_store import SecretStore

KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secrets.json"


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_what_was_closed_is_opened_with_the_same_key() -> None:
    assert AesSeal(KEY).open(AesSeal(KEY).close(b"abc")) == b"abc"


def test_another_key_opens_nothing() -> None:
    assert AesSeal(KEY[::-1]).open(AesSeal(KEY).close(b"abc")) is None


def test_what_was_changed_is_not_opened() -> None:
    whole = bytearray(base64.b64decode(AesSeal(KEY).close(b"abc")))
    for place in range(len(whole)):
        changed = bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert AesSeal(KEY).open(base64.b64encode(changed).decode()) is None


@pytest.mark.parametrize("sealed", ["", "abc", "\u00e4", "AAAA", base64.b64encode(bytes(11)).decode()])
def test_what_was_never_closed_is_not_opened(sealed: str) -> None:
    assert AesSeal(KEY).open(sealed) is None


def test_the_same_text_is_never_closed_alike() -> None:
    assert len({AesSeal(KEY).close(b"abc") for _ in range(100)}) == 100


def test_an_encrypted_file_shows_no_key_and_no_name(path: Path) -> None:
    SecretStore(path, seal=AesSeal(KEY)).put("the-id", "the-value")
    assert orjson.loads(path.read_bytes()).keys() == {"version", "sealed"}
    assert not any(word in path.read_bytes() for word in (b"the-id", b"the-value"))
    assert SecretStore(path, seal=AesSeal(KEY)).look() == {"the-id": "the-value"}


@pytest.mark.parametrize("seal", [None, AesSeal(KEY[::-1])])
def test_an_encrypted_file_without_its_key_is_neither_used_nor_replaced(path: Path, seal: AesSeal | None) -> None:
    SecretStore(path, seal=AesSeal(KEY)).put("one", "abc")
    before = path.read_bytes()
    with pytest.raises(PublishError, match=r"is encrypted with another key: put its secrets_key_file back"):
        SecretStore(path, seal=seal).put("two", "def")
    assert path.read_bytes() == before


def test_a_plain_file_is_encrypted_when_a_key_is_given(path: Path) -> None:
    SecretStore(path).put("one", "abc")
    store = SecretStore(path, seal=AesSeal(KEY))
    store.open_to_gateway(wanted=False)
    assert b"abc" not in path.read_bytes()
    assert store.look() == {"one": "abc"}


def test_a_gateway_that_reads_the_file_itself_finds_it_plain(path: Path) -> None:
    SecretStore(path, seal=AesSeal(KEY)).put("one", "abc")
    SecretStore(path, seal=AesSeal(KEY)).open_to_gateway(wanted=True)
    SecretStore(path, seal=AesSeal(KEY)).put("two", "def")
    assert orjson.loads(path.read_bytes())["values"] == {"one": "abc", "two": "def"}


def test_a_key_file_may_end_with_a_line_break(tmp_path: Path) -> None:
    sealed = AesSeal.of_file(key_file(tmp_path, KEY + b"\n")).close(b"abc")
    assert AesSeal.of_file(key_file(tmp_path, KEY)).open(sealed) == b"abc"


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (KEY[:31] + b"\n", 0o600, "must hold 32 bytes or more"),
        (KEY, 0o644, r"is open to others \(mode 644\): chmod 600 it"),
    ],
)
def test_a_file_that_is_none_for_a_key_is_told(tmp_path: Path, content: bytes, mode: int, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        AesSeal.of_file(key_file(tmp_path, content, mode))


def test_a_key_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        AesSeal.of_file(tmp_path / "none")

"""The file of the keys that people have entered."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from agent_config_sync.errors import PublishError
from agent_config_sync.secret_store import SecretStore, pointer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secrets.json"


def test_a_key_that_was_put_is_there_for_the_next_process(path: Path) -> None:
    SecretStore(path).put("one", "abc")
    SecretStore(path).put("two", "d\u00e9f")
    assert SecretStore(path).look() == {"one": "abc", "two": "d\u00e9f"}


def test_nobody_else_may_read_the_file_or_its_folder(path: Path) -> None:
    SecretStore(path).put("one", "abc")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_gateway_finds_a_key_by_its_pointer(path: Path) -> None:
    SecretStore(path).put("one", "abc")
    found = orjson.loads(path.read_bytes())
    for part in pointer("one").split("/")[1:]:
        found = found[part]
    assert found == "abc"


def test_what_is_not_to_be_kept_is_in_no_byte_of_the_file(path: Path) -> None:
    store = SecretStore(path)
    store.put("one", "abc")
    store.put("two", "def")
    store.keep(["two"])
    assert store.look() == {"two": "def"}
    assert b"abc" not in path.read_bytes()


def test_keeping_what_is_there_writes_nothing(path: Path) -> None:
    store = SecretStore(path)
    store.put("one", "abc")
    before = path.stat()
    store.keep(["one", "another"])
    assert path.stat() == before


def test_keeping_nothing_makes_no_file(path: Path) -> None:
    SecretStore(path).keep([])
    assert not path.exists()


def test_what_another_process_wrote_is_seen(path: Path) -> None:
    store = SecretStore(path)
    store.put("one", "abc")
    SecretStore(path).put("two", "def")
    assert set(store.look()) == {"one", "two"}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_not_used(path: Path, mode: int) -> None:
    SecretStore(path).put("one", "abc")
    path.chmod(mode)
    with pytest.raises(PublishError, match=rf"secrets\.json is open to others \(mode {mode:o}\): chmod 600 it"):
        SecretStore(path).look()


def test_a_file_with_a_second_name_is_not_used(path: Path) -> None:
    SecretStore(path).put("one", "abc")
    os.link(path, path.with_name("copy"))
    with pytest.raises(PublishError, match="has a second name, which gateways refuse"):
        SecretStore(path).look()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 2, "values": {}}',
        b'{"version": 1, "values": {"one": 7}}',
        b'{"more": 1}',
        b"\xff",
    ],
)
def test_a_broken_file_is_neither_used_nor_replaced(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    broken = r"secrets\.json is broken: put a copy of it back"
    with pytest.raises(PublishError, match=broken):
        SecretStore(path).look()
    with pytest.raises(PublishError, match=broken):
        SecretStore(path).put("one", "abc")
    with pytest.raises(PublishError, match=broken):
        SecretStore(path).keep([])
    assert path.read_bytes() == content


def test_an_error_holds_nothing_of_the_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"version": 1, "values": {"one": ["sk-live-abc"]}}')
    path.chmod(0o600)
    with pytest.raises(PublishError) as error:
        SecretStore(path).look()
    assert "sk-live" not in str(error.value)
    assert error.value.__suppress_context__


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    (tmp_path / "elsewhere").write_bytes(b"{}")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PublishError, match="is a symbolic link"):
        SecretStore(path).put("one", "abc")

"""Links with which one person logs in, and the sessions that they begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_config_sync.web import logins as module
from agent_config_sync.web.logins import Logins
from agent_config_sync.web.sessions import IDLE, LONGEST, MOST, Sessions, is_form_of


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "logins"


def test_a_link_says_whose_it_is(folder: Path) -> None:
    assert Logins(folder).redeem(Logins(folder).issue("ada")) == "ada"


def test_a_link_is_good_once(folder: Path) -> None:
    code = Logins(folder).issue("ada")
    assert [Logins(folder).redeem(code) for _ in range(2)] == ["ada", None]


def test_a_link_that_is_too_old_is_not_good_and_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIFETIME", -1.0)
    code = Logins(folder).issue("ada")
    assert Logins(folder).redeem(code) is None
    assert list(folder.iterdir()) == []


def test_what_nobody_used_in_time_is_removed_with_the_next_link(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIFETIME", -1.0)
    Logins(folder).issue("ada")
    monkeypatch.setattr(module, "LIFETIME", 600.0)
    Logins(folder).issue("bob")
    assert len(list(folder.iterdir())) == 1


def test_the_files_show_no_code_and_nobody_else_may_read_them(folder: Path) -> None:
    code = Logins(folder).issue("ada")
    file = next(folder.iterdir())
    assert code not in file.name + file.read_text()
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("code", ["", "a", "../../etc/passwd", "a" * 43 + "\n", "\u00e4" * 43, "a" * 100_000])
def test_a_code_that_was_never_printed_is_not_good(folder: Path, code: str) -> None:
    Logins(folder).issue("ada")
    assert Logins(folder).redeem(code) is None
    assert len(list(folder.iterdir())) == 1


def test_a_broken_file_is_not_good(folder: Path) -> None:
    code = Logins(folder).issue("ada")
    next(folder.iterdir()).write_text("{")
    assert Logins(folder).redeem(code) is None


def test_a_session_is_found_by_its_cookie_alone() -> None:
    sessions = Sessions()
    cookie = sessions.begin("ada")
    found = sessions.find(cookie)
    assert found is not None
    assert found.person == "ada"
    assert [sessions.find(other) for other in (None, "", cookie[:-1], cookie + "x")] == [None] * 4


def test_a_session_ends_when_nobody_uses_it() -> None:
    sessions = Sessions(clock=(clock := Clock()))
    cookie = sessions.begin("ada")
    for _ in range(3):
        clock.now += IDLE - 1
        assert sessions.find(cookie) is not None
    clock.now += IDLE + 1
    assert sessions.find(cookie) is None


def test_a_session_ends_though_somebody_uses_it_all_the_time() -> None:
    sessions = Sessions(clock=(clock := Clock()))
    cookie = sessions.begin("ada")
    for _ in range(int(LONGEST / (IDLE - 1)) + 1):
        clock.now += IDLE - 1
        sessions.find(cookie)
    assert sessions.find(cookie) is None


def test_a_session_that_was_ended_is_over() -> None:
    sessions = Sessions()
    cookie = sessions.begin("ada")
    sessions.end(cookie)
    assert sessions.find(cookie) is None


def test_the_session_that_was_used_least_recently_makes_room() -> None:
    sessions = Sessions(clock=(clock := Clock()))
    cookies = []
    for number in range(MOST + 1):
        clock.now += 1
        cookies.append(sessions.begin(str(number)))
    assert [sessions.find(cookie) is None for cookie in cookies] == [True] + [False] * MOST


def test_a_form_belongs_to_one_session() -> None:
    sessions = Sessions()
    one, other = (sessions.find(sessions.begin(name)) for name in ("ada", "bob"))
    assert one is not None
    assert other is not None
    assert is_form_of(one, one.csrf)
    assert not any(is_form_of(one, sent) for sent in (None, "", other.csrf, "\u00e4"))

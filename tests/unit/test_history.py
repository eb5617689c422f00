"""history.py: the last published sets."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from unit.builders import OLD, PYTHON, site
from unit.children import child, said

from agent_config_sync.errors import PublishError, RefusedError
from agent_config_sync.history import KEPT, History
from agent_config_sync.model.site import Site
from agent_config_sync.publish.output import content_hash


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "state" / "agents.history")


def keep(history: History, *contents: bytes, reason: str = "start") -> None:
    for content in contents:
        history.keep(content, content_hash(content), reason=reason, site=site())


def numbers(history: History) -> list[int]:
    return [kept.number for kept in history.sets()]


def test_nothing_is_kept_at_first(history: History) -> None:
    assert history.sets() == []
    assert history.lacks(content_hash(b"A"))


def test_a_set_has_its_number_its_reason_and_what_it_was_made_for(history: History) -> None:
    keep(history, b"A", reason="UPDATE agents lead")
    (kept,) = history.sets()
    assert (kept.number, kept.reason, kept.size) == (1, "UPDATE agents lead", 1)
    assert (kept.gateway_version, kept.roster, kept.layout) == ("2026.9.6", "entries", "section")


def test_a_set_gives_back_its_bytes_whatever_they_are(history: History) -> None:
    content = b"\n{\x00\xff}\n\n"
    keep(history, content)
    assert history.read(1)[1] == content
    assert history.content_of(content_hash(content)) == content


def test_the_last_ten_are_kept_under_numbers_that_do_not_come_back(history: History) -> None:
    keep(history, *(b"%d" % number for number in range(13)))
    assert numbers(history) == list(range(4, 14))
    assert len(list(history.folder.iterdir())) == KEPT


def test_only_the_newest_set_counts_as_kept_already(history: History) -> None:
    keep(history, b"A", b"B")
    assert history.lacks(content_hash(b"A"))
    assert not history.lacks(content_hash(b"B"))


def test_what_another_process_kept_counts_too(history: History) -> None:
    keep(history, b"A")
    keep(History(history.folder), b"B")
    assert not history.lacks(content_hash(b"B"))
    assert history.lacks(content_hash(b"A"))


def test_a_lost_folder_begins_anew(history: History) -> None:
    keep(history, b"A")
    for path in history.folder.iterdir():
        path.unlink()
    history.folder.rmdir()
    assert history.lacks(content_hash(b"A"))
    keep(history, b"A")
    assert numbers(history) == [1]


def test_the_folder_and_its_files_are_for_us_alone(history: History) -> None:
    keep(history, b"A")
    (path,) = history.folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(history.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("broken", [b"", b"{", b"{}\nA", b"\xff", b"\0" * 99])
def test_a_broken_set_costs_itself(history: History, broken: bytes) -> None:
    keep(history, b"A", b"B")
    (history.folder / "000002.set").write_bytes(broken)
    assert numbers(history) == [1]
    with pytest.raises(RefusedError, match="holds no set 2"):
        history.read(2)
    keep(history, b"C")
    assert numbers(history) == [1, 3]


def test_a_set_that_lost_its_tail_is_not_whole(history: History) -> None:
    keep(history, b"A" * 100)
    path = history.folder / "000001.set"
    path.write_bytes(path.read_bytes()[:-1])
    assert history.sets() == []


def test_a_link_in_the_place_of_a_set_is_not_followed(history: History, tmp_path: Path) -> None:
    keep(history, b"A")
    path = history.folder / "000001.set"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert history.sets() == []


def test_other_files_in_the_folder_are_left_alone(history: History) -> None:
    keep(history, b"A")
    (history.folder / "notes.txt").write_text("mine")
    keep(history, *(b"%d" % number for number in range(12)))
    assert (history.folder / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_an_error(history: History) -> None:
    history.folder.parent.touch()
    with pytest.raises(PublishError, match="cannot be written"):
        keep(history, b"A")
    assert history.sets() == []


KEEPS_FOR_EVER = """
import itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from unit.test_history import History, keep
history = History(Path(sys.argv[1]))
print("ready", flush=True)
for number in itertools.count():
    keep(history, b"%d" % number * 1000)
    print(number, flush=True)
"""


def test_a_kill_leaves_whole_sets_and_the_next_process_tidies_up(history: History) -> None:
    tests = Path(__file__).parents[1]
    for round_ in range(5):
        with child("-c", KEEPS_FOR_EVER, history.folder, tests, program=PYTHON) as running:
            for _ in range(round_ * 5 + 1):
                said(running)
            running.kill()
            running.wait()
        files = [path for path in history.folder.iterdir() if path.suffix == ".set"]
        assert len(history.sets()) == len(files) <= KEPT + 1
    history.sweep()
    keep(history, b"end")
    assert len(history.sets()) == KEPT
    assert [path.name for path in history.folder.iterdir() if path.suffix != ".set"] == []


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (site(version=OLD), f"made for OpenClaw 2026.9.6, and {OLD} is"),
        (site(version=None), "set gateway_version"),
        (site("list"), "made for roster entries, and list is"),
        (site(layout="root"), "made for layout section, and root is"),
    ],
)
def test_a_set_for_another_gateway_says_what_is_different(history: History, now: Site, reason: str) -> None:
    keep(history, b"A")
    (kept,) = history.sets()
    assert reason in str(kept.misfit(now))


def test_a_set_for_this_gateway_fits(history: History) -> None:
    keep(history, b"A")
    assert history.sets()[0].misfit(site()) is None


def test_what_a_killed_process_left_half_written_is_swept(history: History) -> None:
    keep(history, b"one")
    (history.folder / ".000002.set.0123456789ab.tmp").write_bytes(b"half")
    history.sweep()
    assert [path.name for path in history.folder.iterdir()] == ["000001.set"]


def test_a_history_that_is_not_there_is_swept_too(history: History) -> None:
    history.sweep()
    assert history.sets() == []

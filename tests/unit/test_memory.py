"""web/memory.py: how much memory this process takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_config_sync.web import memory as memory_module
from agent_config_sync.web.memory import resident


def test_it_is_what_the_kernel_says() -> None:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    said = int(line.split()[1]) * 1024
    assert resident() == pytest.approx(said, rel=0.1)


@pytest.mark.parametrize("content", [None, "", "1", "1 x"])
def test_it_is_not_known_where_the_system_does_not_say_so(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "statm"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(memory_module, "_STATM", path)
    assert resident() is None

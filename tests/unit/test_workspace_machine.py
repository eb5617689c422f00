"""Workspaces against a model of them: a random operator, agent and kill in any order, and the tree always agrees."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from unit.workspaces import BOOTSTRAP, GateWith, House, Killed, contents, kill, skill, workspace

from agent_config_sync.publish.workspace import Demand, WorkspaceContent

PATHS = ("TOOLS.md", "SELF.md", BOOTSTRAP, skill("git"), "skills/git/notes.md")
"""Few, so that what one does there meets what another does."""


@dataclass
class Model:
    """What there is, told without a file.

    files: on the disk; odd: those whose mode is not ours; ours: what we have written or were about to write, of each
    skill; stands: what need not be looked at; remembered: it is ours; bootstrapped: that was written once, or never
    will be.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    odd: set[str] = field(default_factory=set)
    ours: dict[str, set[bytes]] = field(default_factory=dict)
    stands: dict[str, bytes] = field(default_factory=dict)
    remembered: bool = False
    bootstrapped: bool = False

    def publish(
        self,
        wanted: WorkspaceContent,
        *,
        look: bool,
        demand: Demand | None,
        folders: set[str] | None,
        steps: int | None = None,
    ) -> tuple[list[str], list[str], bool]:
        """Do the first steps of a publish, or all of them.

        folders: that are there, and what else stands at the top; None where there is no workspace. Returns: the paths
        that changed, those that are reported, and whether it came to its end.
        """
        if folders is None:
            return self._build(wanted, demand or Demand(), steps)
        if not self.remembered:
            self.remembered, self.bootstrapped = True, bool(folders)
        writes, removals, last, foreign = self._plan(wanted, {} if look else self.stands, demand or Demand())
        self.bootstrapped = not last
        new, changed = contents(wanted), list[str]()
        left = itertools.count() if steps is None else iter(range(steps))
        for path in [*writes, *removals, "settled", *last]:
            if path == "settled":  # what is remembered comes before the bootstrap
                self.bootstrapped = True
                for gone in removals:
                    del self.ours[gone]
            elif path not in removals or path.rpartition("/")[0] in folders:
                if next(left, None) is None:
                    return changed, foreign, False
                changed += [path] if path not in removals or path in self.files else []
                self._step(path, new.get(path))
        return changed, foreign, True

    def _build(self, wanted: WorkspaceContent, demand: Demand, steps: int | None) -> tuple[list[str], list[str], bool]:
        """Make a workspace where there is none, in one step or not at all."""
        if steps == 0:
            return [], [], False
        again = demand.bootstrap or not (self.remembered and self.bootstrapped)
        made = [file for file in wanted.files if file.owner != "nobody" or again]
        self.files = {file.path: file.content for file in made}
        self.odd, self.remembered, self.bootstrapped = set(), True, True
        self.ours = {file.path: {file.content} for file in made if file.is_skill}
        self.stands = {file.path: file.content for file in made if file.owner == "database"}
        return list(self.files), [], True

    def _plan(
        self, wanted: WorkspaceContent, known: dict[str, bytes], demand: Demand
    ) -> tuple[list[str], list[str], list[str], list[str]]:
        """Return what is to be written, removed, written last, and reported."""
        self.stands = {}
        writes, removals, last, foreign = list[str](), list[str](), list[str](), list[str]()
        for file in wanted.files:
            path, there = file.path, file.path in self.files
            just = self.files.get(path) == file.content and path not in self.odd
            match file.owner:
                case "nobody" if demand.bootstrap:
                    last += [] if just else [path]
                case "nobody":
                    last += [] if self.bootstrapped or there else [path]
                case "agent" if not demand.overwrite:
                    writes += [] if there else [path]
                case _ if known.get(path) == file.content and (not file.is_skill or self.ours.get(path)):
                    self.stands[path] = file.content
                case _ if just:
                    self.stands[path] = file.content
                    self.ours.update({path: {file.content}} if file.is_skill else {})
                case _ if file.is_skill and there and not self.ours.get(path) and not demand.overwrite:
                    foreign.append(path)
                case _:
                    writes.append(path)
                    if file.is_skill:
                        replaced = {self.files[path]} if there else set[bytes]()
                        self.ours[path] = {file.content} | (replaced & self.ours.get(path, set()))
        for path in sorted(self.ours.keys() - contents(wanted).keys()):
            if path in self.files and self.files[path] not in self.ours[path]:
                foreign.append(path)
                self.ours[path] = set()
            else:
                removals.append(path)
        return writes, removals, last, foreign

    def _step(self, path: str, content: bytes | None) -> None:
        """Write a file, or remove it."""
        self.odd.discard(path)
        self.files.pop(path, None)
        if content is not None:
            self.files[path] = self.stands[path] = content


class Workspaces(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = patch.object(os, "fsync", lambda _: None)  # whether a disk keeps it is not asked here
        self.patch.start()
        memory = Path("/dev/shm")  # a quick disk
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.house = House(self.folder)
        self.model = Model()
        self.text = ""
        self.skills: tuple[str, ...] = ("git",)
        self.wanted = workspace(self.text, skills=self.skills)
        self.standing: WorkspaceContent | None = None
        self.numbers = itertools.count()

    def teardown(self) -> None:
        self.patch.stop()
        shutil.rmtree(self.folder)

    # --- the operator

    @rule()
    def reword(self) -> None:
        self.text = f"text {next(self.numbers)}"
        self.wanted = workspace(self.text, skills=self.skills)

    @rule(skills=st.sampled_from([(), ("git",), ("git", "sql")]))
    def assign(self, skills: tuple[str, ...]) -> None:
        self.skills = skills
        self.wanted = workspace(self.text, skills=skills)

    @precondition(lambda self: self.model.remembered)
    @rule()
    def archive(self) -> None:
        self.house.tree.archive("coder", "coder", at=f"{next(self.numbers)}")
        self.model, self.standing = Model(), None

    # --- the agent

    @rule(path=st.sampled_from(PATHS), empty=st.booleans())
    def edit(self, path: str, empty: bool) -> None:
        content = b"" if empty else b"mine %d" % next(self.numbers)
        (self.house.home / path).parent.mkdir(parents=True, exist_ok=True)
        (self.house.home / path).write_bytes(content)
        self.model.odd |= {path} - self.model.files.keys()
        self.model.files[path] = content

    @precondition(lambda self: self.model.files)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.model.files)))
        (self.house.home / path).unlink()
        del self.model.files[path]
        self.model.odd.discard(path)

    @precondition(lambda self: self.model.files)
    @rule(data=st.data())
    def let_others_read(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.model.files)))
        (self.house.home / path).chmod(0o644)
        self.model.odd.add(path)

    # --- we

    @rule()
    def live_again(self) -> None:
        self.house.live_again()
        self.model.stands, self.standing = {}, None

    @rule(look=st.booleans())
    def publish(self, look: bool) -> None:
        if not look and self.standing is self.wanted:
            assert self.house.made(self.wanted, look=False).changes == ()
        else:
            self._publish(look, None)

    @rule(overwrite=st.booleans(), bootstrap=st.booleans())
    def publish_on_demand(self, overwrite: bool, bootstrap: bool) -> None:
        self._publish(look=True, demand=Demand(overwrite=overwrite, bootstrap=bootstrap))

    @rule(steps=st.integers(0, 5), bootstrap=st.booleans())
    def be_killed(self, steps: int, bootstrap: bool) -> None:
        self.house.live_again(GateWith(kill, at=steps + 1))
        demand, folders = Demand(bootstrap=bootstrap), self._folders()
        *_, whole = self.model.publish(self.wanted, look=True, demand=demand, folders=folders, steps=steps)
        if whole:
            self.house.made(self.wanted, demand=demand)
        else:
            with pytest.raises(Killed):
                self.house.publish(self.wanted, demand=demand)
        self.live_again()
        self._agree()

    def _publish(self, look: bool, demand: Demand | None) -> None:
        before = {path: self._identity(path) for path in self.model.files}
        said = self.house.tree.preview([self.wanted], demand)[0] if look else None
        folders = self._folders()
        outcome = self.house.made(self.wanted, look=look, demand=demand)
        changed, foreign, _ = self.model.publish(self.wanted, look=look, demand=demand, folders=folders)
        assert sorted(change.path for change in outcome.changes) == sorted(changed)
        assert sorted(outcome.foreign) == sorted(foreign)
        assert said is None or said == outcome
        self._agree()
        kept = before.keys() - set(changed)
        assert {path: self._identity(path) for path in kept} == {path: before[path] for path in kept}
        self.standing = self.wanted

    def _agree(self) -> None:
        assert self.house.files() == self.model.files
        assert self.house.temporaries() == []

    def _folders(self) -> set[str] | None:
        """Every folder, and whatever else stands at the top of the workspace; None where there is none."""
        home = self.house.home
        if not home.exists():
            return None
        return {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_dir() or path.parent == home}

    def _identity(self, path: str) -> tuple[int, int]:
        status = (self.house.home / path).stat()
        return status.st_ino, status.st_mtime_ns


TestWorkspaces = Workspaces.TestCase
TestWorkspaces.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)

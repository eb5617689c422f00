"""Disks of a test's own, and files that are mounts. Only root mounts."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(place: Path, *words: str) -> Iterator[None]:
    """Mount something at this place, until the end; then it is gone although somebody may still have it open."""
    if os.geteuid():
        pytest.fail("these tests mount disks: run them as root")
    subprocess.run(["mount", *words, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "64k") -> Iterator[Path]:
    """Let a small disk be this folder."""
    with mounted(folder, "-t", "tmpfs", "-o", f"size={size},mode=700", "agent-config-sync-test"):
        yield folder


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Let somebody's own file take all the room that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    yield
    filler.unlink()


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Let nobody write to this disk meanwhile; nobody may have a file open for writing."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)

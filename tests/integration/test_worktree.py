"""`agent-config-sync worktree`: one worktree and one branch a task, with a real git and a remote on the disk."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commands import Ended, command, started
from harness import DEADLINE

from agent_config_sync.errors import SettingsError, UnkeptWorkError, WorktreeError
from agent_config_sync.worktrees.clone import Clone, Removed, TaskWorktree
from agent_config_sync.worktrees.task_branch import TaskBranch
from agent_config_sync.worktrees.work import Work

TASK = "7d0f3c5e-6b1a-4c54-9b2e-8c1f0a5d2e11"
BRANCH = f"feat/task-{TASK}"
FOLDER = f"feat-task-{TASK}"
OTHER = "0b8e1f42-93d7-4f0c-a6c5-5a7f1f0c9d33"


class Repository:
    """A remote with the branches main and dev, and a clone of it whose path has a space."""

    def __init__(self, folder: Path) -> None:
        self.remote = folder / "remote.git"
        self.clone = folder / "re pos" / "shop"
        self.root = folder / "re pos" / "worktrees"
        self.tree = self.root / FOLDER
        folder.mkdir(exist_ok=True)
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        first = folder / "first"
        git(folder, "clone", "--quiet", str(self.remote), str(first))
        git(first, "switch", "--quiet", "--create", "main")
        commit(first, "README", "shop")
        git(first, "push", "--quiet", "origin", "main", "main:dev")
        shutil.rmtree(first)
        git(folder, "clone", "--quiet", str(self.remote), str(self.clone))

    async def worktree(self, *words: str, **environment: str) -> Ended:
        return await command("worktree", *words, "--repo", str(self.clone), **environment)

    async def added(self, task: str = TASK, prefix: str = "feat", **options: Any) -> Path:
        return await (await Clone.at(self.clone)).add(TaskBranch.of(task, prefix), **options)

    async def listed(self) -> dict[str, TaskWorktree]:
        return {each.task.task: each for each in await (await Clone.at(self.clone)).tasks()}

    async def work(self) -> Work:
        work = (await self.listed())[TASK].work
        assert work is not None
        return work

    async def removed(self, *, force: bool = False) -> Removed:
        return await (await Clone.at(self.clone)).remove(TaskBranch.of(TASK), force=force)

    def branches(self) -> list[str]:
        return git(self.clone, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()

    def someone_pushes(self, branch: str, name: str, *, onto: str = "main") -> str:
        """Let another clone push a commit that adds a file, and return the commit."""
        there = self.remote.with_name(f"of-someone-{name}")
        git(self.remote.parent, "clone", "--quiet", "--branch", onto, str(self.remote), str(there))
        made = commit(there, name, "theirs")
        git(there, "push", "--quiet", "origin", f"HEAD:{branch}")
        return made

    def remote_squashes(self, branch: str, base: str) -> None:
        """Merge a branch at the remote as one new commit, and delete it there, as the button of a web page does."""
        there = self.remote.with_name("of-the-button")
        git(self.remote.parent, "clone", "--quiet", "--branch", base, str(self.remote), str(there))
        git(there, "merge", "--quiet", "--squash", f"origin/{branch}")
        git(there, "commit", "--quiet", "--message", "squashed")
        git(there, "push", "--quiet", "origin", base, f":{branch}")


def git(folder: Path, *words: str) -> str:
    assert shutil.which("git") is not None, "these tests need git: apt install git"
    return subprocess.run(
        ["git", *words], cwd=folder, check=True, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    ).stdout.strip()


def commit(folder: Path, name: str, text: str) -> str:
    """Commit a file, and return the commit."""
    (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", name)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def _own_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the person's configuration out, and whatever a git that runs these tests as a hook has set."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada Example")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.org")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


# Adding


async def test_a_task_gets_a_folder_and_a_branch_of_its_own(repository: Repository) -> None:
    ended = await repository.worktree("add", TASK)
    assert (ended.status, ended.out, ended.err) == (0, f"{repository.tree}\n", "")
    assert git(repository.tree, "branch", "--show-current") == BRANCH
    assert git(repository.clone, "branch", "--show-current") == "main"


async def test_it_starts_from_what_the_remote_has_now(repository: Repository) -> None:
    made = repository.someone_pushes("main", "new")
    assert git(await repository.added(), "rev-parse", "HEAD") == made


async def test_without_a_fetch_it_starts_from_what_the_clone_has(repository: Repository) -> None:
    repository.someone_pushes("main", "new")
    tree = await repository.added(fetch=False)
    assert git(tree, "rev-parse", "HEAD") == git(repository.clone, "rev-parse", "main")


async def test_it_starts_from_the_base_that_is_named_and_keeps_its_name_for_the_pull_request(
    repository: Repository,
) -> None:
    made = repository.someone_pushes("dev", "new", onto="dev")
    tree = await repository.added(base="dev")
    assert git(tree, "rev-parse", "HEAD") == made
    assert git(tree, "config", f"branch.{BRANCH}.gh-merge-base") == "dev"


async def test_a_push_without_words_does_not_go_to_the_base(repository: Repository) -> None:
    git(repository.clone, "config", "push.default", "upstream")
    tree = await repository.added()
    commit(tree, "mine", "1")
    with pytest.raises(subprocess.CalledProcessError):
        git(tree, "push")
    assert git(repository.remote, "log", "--format=%s", "main") == "README"


async def test_a_clone_without_a_remote_starts_from_its_own_branch(repository: Repository) -> None:
    git(repository.clone, "remote", "remove", "origin")
    git(repository.clone, "switch", "--quiet", "--create", "trunk")
    made = commit(repository.clone, "own", "1")
    assert git(await repository.added(), "rev-parse", "HEAD") == made


async def test_a_remote_that_was_not_cloned_is_asked_for_its_default_branch(repository: Repository) -> None:
    git(repository.clone, "remote", "set-head", "origin", "--delete")
    git(repository.clone, "switch", "--quiet", "--create", "aside")
    commit(repository.clone, "aside", "1")
    assert git(await repository.added(), "rev-parse", "HEAD") == git(repository.remote, "rev-parse", "main")


async def test_added_again_it_is_the_same_and_nothing_changes(repository: Repository) -> None:
    tree = await repository.added()
    mine = commit(tree, "mine", "1")
    (tree / "mine").write_text("2")
    shutil.rmtree(repository.remote)  # nobody is asked
    assert await repository.added(root=Path("/elsewhere"), base="gone") == tree
    assert (git(tree, "rev-parse", "HEAD"), (tree / "mine").read_text()) == (mine, "2")


async def test_tasks_do_not_see_each_others_work(repository: Repository) -> None:
    one, other = await repository.added(), await repository.added(OTHER)
    commit(one, "mine", "1")
    assert not (other / "mine").exists()
    assert git(other, "log", "--oneline", f"{BRANCH}..") == ""


async def test_a_branch_of_the_clone_is_taken_as_it_is(repository: Repository) -> None:
    git(repository.clone, "switch", "--quiet", "--create", BRANCH)
    mine = commit(repository.clone, "mine", "1")
    git(repository.clone, "switch", "--quiet", "main")
    assert git(await repository.added(), "rev-parse", "HEAD") == mine


async def test_a_branch_of_the_remote_is_taken_and_followed(repository: Repository) -> None:
    theirs = repository.someone_pushes(BRANCH, "theirs")
    tree = await repository.added()
    assert git(tree, "rev-parse", "HEAD") == theirs
    assert git(tree, "rev-parse", "--abbrev-ref", "@{upstream}") == f"origin/{BRANCH}"


async def test_prefix_and_root_can_be_chosen(repository: Repository, tmp_path: Path) -> None:
    tree = await repository.added(prefix="fix", root=tmp_path / "else where")
    assert tree == tmp_path / "else where" / f"fix-task-{TASK}"
    assert git(tree, "branch", "--show-current") == f"fix/task-{TASK}"


async def test_a_worktree_leads_to_its_clone(repository: Repository) -> None:
    tree = await repository.added()
    assert (await Clone.at(tree)).main == repository.clone


async def test_a_relative_path_is_taken_from_where_the_command_runs(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.clone)
    ended = await command("worktree", "add", TASK, "--repo", ".", "--root", "../trees")
    assert ended.out == f"{repository.clone.with_name('trees') / FOLDER}\n"


async def test_what_a_hook_has_in_its_environment_leads_nowhere_else(repository: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    place = str(other.clone / ".git")
    ended = await repository.worktree("add", TASK, GIT_DIR=place, GIT_COMMON_DIR=place, GIT_INDEX_FILE=f"{place}/index")
    assert ended.out == f"{repository.tree}\n"
    assert other.branches() == ["main"]


async def test_a_folder_that_was_removed_by_hand_is_made_again(repository: Repository) -> None:
    mine = commit(await repository.added(), "mine", "1")
    shutil.rmtree(repository.tree)
    assert git(await repository.added(), "rev-parse", "HEAD") == mine


async def test_several_at_once_get_the_same_folder(repository: Repository) -> None:
    both = await asyncio.gather(*(repository.worktree("add", TASK) for _ in range(4)))
    assert [(ended.status, ended.out, ended.err) for ended in both] == [(0, f"{repository.tree}\n", "")] * 4


async def test_different_tasks_at_once_each_get_their_own(repository: Repository) -> None:
    tasks = [f"task-{number}" for number in range(4)]
    trees = await asyncio.gather(*(repository.added(task) for task in tasks))
    assert {git(tree, "branch", "--show-current") for tree in trees} == {f"feat/task-{task}" for task in tasks}


async def test_one_that_is_interrupted_leaves_nothing_half_made(repository: Repository, tmp_path: Path) -> None:
    entered, leave = tmp_path / "entered", tmp_path / "leave"
    for fifo in (entered, leave):
        os.mkfifo(fifo)
    git(repository.clone, "config", "filter.slow.smudge", f"echo > '{entered}'; cat '{leave}'; cat")
    (repository.clone / ".git" / "info" / "attributes").write_text("README filter=slow\n")
    async with started("worktree", "add", TASK, "--repo", str(repository.clone)) as running, asyncio.timeout(DEADLINE):
        await asyncio.to_thread(entered.read_text)
        running.send_signal(signal.SIGINT)
        assert await running.wait() == 130
    git(repository.clone, "config", "--unset", "filter.slow.smudge")
    assert not repository.tree.exists()
    assert (await repository.added() / "README").read_text() == "shop"


# What cannot be added


async def test_what_is_no_id_of_a_task_is_refused(repository: Repository) -> None:
    for what, task in (("add", "../x"), ("remove", "--force")):
        ended = await command("worktree", what, "--repo", str(repository.clone), "--", task)
        assert (ended.status, ended.out) == (2, "")
        assert f"'{task}' can be no task's id: 1 to 64 letters, digits, _ and -, and no - first" in ended.err
        assert ended.err.count("\n") == 1
    assert repository.branches() == ["main"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--prefix", "a/b"), "--prefix 'a/b': 1 to 32 letters, digits, _ and -"),
        (("--base", "gone"), "--base gone: neither "),
        (("--base", "main~1"), f"--base 'main~1' can be no base of {BRANCH}"),
        (("--base", "--force"), f"--base '--force' can be no base of {BRANCH}"),
        (("--base", BRANCH), f"--base '{BRANCH}' can be no base of {BRANCH}"),
        (("--root", "x\ny"), "--root "),
    ],
)
async def test_a_wrong_word_is_told_in_one_line(repository: Repository, words: tuple[str, str], said: str) -> None:
    ended = await repository.worktree("add", TASK, "=".join(words))
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"agent-config-sync: {said}")
    assert ended.err.count("\n") == 1
    assert repository.branches() == ["main"]


async def test_a_root_inside_the_clone_or_a_worktree_is_refused(repository: Repository) -> None:
    tree = await repository.added(OTHER)
    for root in (repository.clone, repository.clone / "trees", repository.clone / ".git", tree / "trees"):
        with pytest.raises(SettingsError, match="which would take it for its own: name a folder outside"):
            await repository.added(root=root)


async def test_a_link_into_the_clone_is_no_way_around(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(repository.clone)
    with pytest.raises(SettingsError, match="name a folder outside"):
        await repository.added(root=tmp_path / "link" / "trees")


@pytest.mark.parametrize("what", ["folder", "file", "link", "clone"])
async def test_what_stands_at_the_place_is_left_alone(repository: Repository, what: str) -> None:
    repository.root.mkdir()
    if what == "folder":
        repository.tree.mkdir()
    elif what == "file":
        repository.tree.write_text("mine")
    elif what == "link":
        repository.tree.symlink_to("/gone")
    else:
        git(repository.root, "clone", "--quiet", str(repository.remote), str(repository.tree))
    with pytest.raises(WorktreeError, match="is there and is no worktree of this clone: remove it, or name another"):
        await repository.added()
    assert os.path.lexists(repository.tree)


async def test_what_is_no_clone_is_refused(repository: Repository, tmp_path: Path) -> None:
    below = repository.clone / "src"
    below.mkdir()
    for place, said in (
        (tmp_path / "gone", "is no folder: name the clone of the repository"),
        (tmp_path, "is no clone of a repository: not a git repository"),
        (below, "lies inside of a clone: name the clone's own folder"),
    ):
        with pytest.raises(SettingsError, match=said):
            await Clone.at(place)


async def test_a_clone_that_is_on_the_tasks_branch_itself_is_told_to_leave_it(repository: Repository) -> None:
    git(repository.clone, "switch", "--quiet", "--create", BRANCH)
    for do in (repository.added, repository.removed):
        with pytest.raises(WorktreeError, match=f"the clone {repository.clone} itself is on {BRANCH}"):
            await do()


async def test_a_worktree_that_is_on_another_branch_is_not_given_to_an_agent(repository: Repository) -> None:
    tree = await repository.added()
    git(tree, "switch", "--quiet", "--create", "aside")
    with pytest.raises(WorktreeError, match=f"{tree} is on aside and not on {BRANCH}"):
        await repository.added()


async def test_a_remote_that_cannot_be_reached_is_told_with_the_way_out(repository: Repository) -> None:
    shutil.rmtree(repository.remote)
    ended = await repository.worktree("add", TASK)
    assert (ended.status, ended.out) == (1, "")
    assert "git fetch origin failed" in ended.err
    assert "with --no-fetch, what the clone has is enough" in ended.err
    assert await repository.added(fetch=False) == repository.tree


async def test_a_clone_without_a_commit_is_told_so(repository: Repository, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "empty")
    clone = await Clone.at(tmp_path / "empty")
    with pytest.raises(WorktreeError, match="has no commit to start from"):
        await clone.add(TaskBranch.of(TASK))


async def test_without_git_that_is_said(repository: Repository, tmp_path: Path) -> None:
    ended = await repository.worktree("add", TASK, PATH=str(tmp_path))
    assert (ended.status, ended.err) == (1, "agent-config-sync: there is no git on PATH: install it\n")


# Listing


async def test_without_a_worktree_none_is_shown(repository: Repository) -> None:
    ended = await repository.worktree("list")
    assert (ended.status, ended.out) == (0, "no task has a worktree\n")


async def test_scripts_read_json(repository: Repository) -> None:
    await repository.added(base="dev")
    ended = await repository.worktree("list", "--json")
    assert (ended.status, ended.err) == (0, "")
    assert json.loads(ended.out) == [
        {
            "task": TASK,
            "branch": BRANCH,
            "folder": str(repository.tree),
            "base": "dev",
            "changes": 0,
            "commits": 0,
            "merged": True,
            "problem": None,
        }
    ]


async def test_changes_and_commits_are_counted(repository: Repository) -> None:
    tree = await repository.added()
    commit(tree, "one", "1")
    commit(tree, "two", "1")
    (tree / "one").write_text("2")
    (tree / "new").write_text("1")
    assert await repository.work() == Work("main", changes=2, commits=2, merged=False)
    git(tree, "push", "--quiet", "origin", "HEAD")
    assert await repository.work() == Work("main", changes=2, commits=0, merged=False)


async def test_settings_of_git_hide_no_change(repository: Repository) -> None:
    tree = await repository.added()
    git(tree, "config", "status.showUntrackedFiles", "no")
    (tree / "new").write_text("1")
    assert (await repository.work()).changes == 1


async def test_worktrees_that_are_no_tasks_are_not_shown(repository: Repository) -> None:
    git(repository.clone, "worktree", "add", "--quiet", "-b", "aside", str(repository.root / "aside"))
    await repository.added(prefix="fix")
    assert [each.task.name for each in (await repository.listed()).values()] == [f"fix/task-{TASK}"]


async def test_people_read_a_table(repository: Repository) -> None:
    commit(await repository.added(), "mine", "1")
    ended = await repository.worktree("list")
    heads, row = ended.out.splitlines()
    assert heads.split() == ["TASK", "BRANCH", "BASE", "CHANGES", "COMMITS", "NOTES", "FOLDER"]
    assert row.startswith(f"{TASK}  {BRANCH}  main  ")
    assert row.endswith(str(repository.tree))


async def test_what_is_wrong_with_one_is_shown(repository: Repository) -> None:
    trees = {name: await repository.added(name) for name in ("gone", "broken", "half", "aside", "none")}
    shutil.rmtree(trees["gone"])
    (trees["broken"] / ".git").unlink()
    (repository.clone / ".git" / "worktrees" / "feat-task-half" / "locked").write_text("initializing\n")
    git(trees["aside"], "switch", "--quiet", "--create", "aside")
    git(trees["none"], "switch", "--quiet", "--detach")
    assert {task: each.problem for task, each in (await repository.listed()).items()} == {
        "gone": "its folder is gone",
        "broken": "its .git is gone",
        "half": "half made",
        "aside": "on aside",
        "none": "on no branch",
    }
    assert (await repository.worktree("list")).status == 0


# Removing


async def test_what_is_not_there_is_no_error(repository: Repository) -> None:
    ended = await repository.worktree("remove", TASK)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"nothing to remove: task {TASK} has neither a worktree nor a branch {BRANCH}")


async def test_one_without_work_goes_with_its_branch(repository: Repository) -> None:
    await repository.added()
    ended = await repository.worktree("remove", TASK)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(
        f"removed {repository.tree}; deleted the branch {BRANCH}: all of it is in main (it was "
    )
    assert not repository.tree.exists()
    assert repository.branches() == ["main"]
    assert git(repository.clone, "worktree", "list", "--porcelain").count("worktree ") == 1


@pytest.mark.parametrize("name", ["README", "new"])
async def test_changes_that_are_in_no_commit_are_not_lost(repository: Repository, name: str) -> None:
    tree = await repository.added()
    (tree / name).write_text("mine")
    ended = await repository.worktree("remove", TASK)
    assert (ended.status, ended.out) == (3, "")
    assert ended.err == (
        f"agent-config-sync: {tree} holds 1 file with changes that are in no commit:"
        " commit and push, or remove it all the same with --force\n"
    )
    assert (tree / name).read_text() == "mine"


async def test_commits_that_are_nowhere_else_are_not_lost(repository: Repository) -> None:
    commit(await repository.added(base="dev"), "mine", "1")
    ended = await repository.worktree("remove", TASK)
    assert (ended.status, ended.out) == (3, "")
    assert "holds 1 commit that neither dev nor a remote has: commit and push" in ended.err
    assert (repository.tree / "mine").exists()


async def test_commits_on_no_branch_are_not_lost(repository: Repository) -> None:
    tree = await repository.added()
    git(tree, "switch", "--quiet", "--detach")
    commit(tree, "mine", "1")
    with pytest.raises(UnkeptWorkError):
        await repository.removed()


async def test_force_removes_changes_and_keeps_commits_on_the_branch(repository: Repository) -> None:
    tree = await repository.added()
    mine = commit(tree, "mine", "1")
    (tree / "mine").write_text("2")
    ended = await repository.worktree("remove", TASK, "--force")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"removed {tree}; kept the branch {BRANCH}: it is not merged into main\n"
    assert git(repository.clone, "rev-parse", BRANCH) == mine


async def test_what_is_pushed_can_go_and_its_branch_stays_until_it_is_merged(repository: Repository) -> None:
    tree = await repository.added(base="dev")
    commit(tree, "mine", "1")
    git(tree, "push", "--quiet", "origin", "HEAD")
    await repository.removed()
    assert repository.branches() == [BRANCH, "main"]
    git(repository.remote, "update-ref", "refs/heads/dev", f"refs/heads/{BRANCH}")
    ended = await repository.worktree("remove", TASK)
    assert ended.out.startswith(f"task {TASK} has no worktree; deleted the branch {BRANCH}: all of it is in dev")
    assert repository.branches() == ["main"]


async def test_what_was_merged_as_one_commit_is_merged(repository: Repository) -> None:
    tree = await repository.added(base="dev")
    commit(tree, "one", "1")
    commit(tree, "two", "1")
    git(tree, "push", "--quiet", "origin", "HEAD")
    repository.remote_squashes(BRANCH, "dev")
    repository.someone_pushes("dev", "later", onto="dev")
    git(repository.clone, "config", "fetch.prune", "true")
    await repository.removed()
    assert repository.branches() == ["main"]


async def test_commits_that_undo_each_other_are_not_taken_for_merged(repository: Repository) -> None:
    tree = await repository.added()
    commit(tree, "mine", "1")
    git(tree, "revert", "--no-edit", "HEAD")
    with pytest.raises(UnkeptWorkError, match="holds 2 commits"):
        await repository.removed()


async def test_it_can_be_removed_from_inside(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(await repository.added())
    ended = await command("worktree", "remove", TASK, "--repo", ".")
    assert (ended.status, ended.err) == (0, "")
    assert not repository.tree.exists()


async def test_a_folder_that_was_removed_by_hand_can_be_removed(repository: Repository) -> None:
    shutil.rmtree(await repository.added())
    await repository.removed()
    assert await repository.listed() == {}


async def test_one_that_is_locked_stays(repository: Repository) -> None:
    tree = await repository.added()
    git(repository.clone, "worktree", "lock", "--reason", "on a disk of its own", str(tree))
    with pytest.raises(WorktreeError, match="lock reason: on a disk of its own"):
        await repository.removed(force=True)
    assert tree.exists()


async def test_one_that_is_half_made_can_be_removed_by_force_only(repository: Repository) -> None:
    tree = await repository.added()
    (repository.clone / ".git" / "worktrees" / FOLDER / "locked").write_text("initializing\n")
    for do in (repository.added, repository.removed):
        with pytest.raises(WorktreeError, match=f"{tree} is half made"):
            await do()
    await repository.removed(force=True)
    assert not tree.exists()


async def test_one_whose_git_file_is_gone_is_left_to_a_person(repository: Repository) -> None:
    tree = await repository.added()
    (tree / ".git").unlink()
    for do in (repository.added, repository.removed, functools.partial(repository.removed, force=True)):
        with pytest.raises(WorktreeError, match=r"is no worktree any more, its \.git is gone: save what you need"):
            await do()
    assert tree.exists()


async def test_the_worktree_of_another_task_of_the_same_folder_name_stays(repository: Repository) -> None:
    tree = await repository.added("c", "a-task-b")
    ended = await repository.worktree("remove", "b-task-c", "--prefix", "a", "--force")
    assert ended.out.startswith("nothing to remove")
    assert tree.exists()

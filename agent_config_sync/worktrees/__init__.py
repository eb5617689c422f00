"""One git worktree and one branch a task, so that its commits and its pull request hold nothing of another's."""

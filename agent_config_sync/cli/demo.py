"""`agent-config-sync demo`: the main job, on screen."""


def demo() -> None:
    """Show it."""

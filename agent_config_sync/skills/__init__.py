"""Skills that agents install by themselves, as their files say it."""

"""What agents work with: the tools of the board."""

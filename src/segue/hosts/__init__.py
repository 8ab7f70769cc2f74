"""Floor 4: who runs the loop, with which clock."""

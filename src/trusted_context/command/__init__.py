"""What the command ``trusted-context`` does: a room for each of its words."""

"""What the command ``trusted-context`` does: a module for each of its sub-commands."""

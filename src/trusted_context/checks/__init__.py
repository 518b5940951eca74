"""The check of one server: the way there, what this machine is set up to, the verdicts, and the report."""

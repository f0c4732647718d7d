"""Exit statuses of the commands."""

REFUSED = 2
"""Exit status after an error that the user can correct."""
INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""

"""One module for each command: its arguments, what it would do, and doing it."""

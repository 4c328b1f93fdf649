"""Frozen values and pure functions; nothing here does I/O."""

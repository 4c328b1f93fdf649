"""Killing the whole gateway while its configuration changes."""

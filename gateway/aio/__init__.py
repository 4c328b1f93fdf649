"""Coroutine building blocks: the retry loop, tallies, latest values."""

"""Decoding single pictures, in a child process that may die of them; the gateway never does."""

"""Hostile peers over real sockets on loopback: for tests, and for the bench `attack`."""

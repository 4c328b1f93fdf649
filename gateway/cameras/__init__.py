"""Cameras: one supervisor per stream, camera state, probe, picture monitoring."""

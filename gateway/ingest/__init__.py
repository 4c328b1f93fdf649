"""Cameras to access units."""

"""Finds the cameras and recorders of the camera networks, and asks them what they have."""

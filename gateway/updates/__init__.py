"""Releases of this program: signed bundles, their installation by root, and the way back."""

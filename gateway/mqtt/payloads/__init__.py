"""Payloads: one module per family; the only place where keys are spelled."""

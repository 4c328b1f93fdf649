"""Desired and reported configuration: validate, store, roll out, confirm, roll back."""

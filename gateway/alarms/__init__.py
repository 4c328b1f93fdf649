"""Alarms: rules, damping, state, service, store."""

"""Presence, birth and health reports over MQTT; metrics for Prometheus."""

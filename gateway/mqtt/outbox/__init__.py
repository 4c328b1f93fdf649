"""The durable queue of events."""

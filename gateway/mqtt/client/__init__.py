"""The MQTT 5 client: connection, TLS, failover, in-flight window, echo."""

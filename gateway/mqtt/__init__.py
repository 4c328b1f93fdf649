"""The MQTT topic tree, connection epochs and the router of inbound messages."""

"""The MQTT link, the topic tree and the payload encoding."""

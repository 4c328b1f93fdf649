"""Writes the contract for others from the code: schemas, AsyncAPI, docs/mqtt.md."""

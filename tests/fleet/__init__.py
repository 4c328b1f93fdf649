"""A whole country in one machine: simulated gateways, a fake centre, and what the broker bears."""

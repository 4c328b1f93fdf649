"""Virtual cameras with faults, and a launcher that runs them with broker, gateway and page."""

"""Settings, site document, strict JSON, faults, secrets, signatures."""

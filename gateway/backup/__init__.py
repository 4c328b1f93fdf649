"""Settings, secrets and identity of a box in one encrypted file, for the box after it."""

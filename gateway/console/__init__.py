"""The operators' page and its server, a process of its own."""

"""What the centre wants of this gateway: verified, tried, confirmed, and undone if it is wrong."""

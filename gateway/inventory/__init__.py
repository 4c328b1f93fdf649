"""What a site has: sections built, compared, and the network's graph asked. Pure functions."""

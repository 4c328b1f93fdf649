"""What every page of ours has in common: security of HTTP, and a bound on connections."""

"""Host measurements and the health report."""

"""Health of the machine and of cameras, measured."""

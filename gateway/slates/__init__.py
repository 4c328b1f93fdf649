"""What viewers see of a camera that is gone: why, and the time, made in a sandboxed child."""

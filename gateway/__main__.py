"""``python -m gateway`` is ``camera-gateway``."""

from gateway.cli import main

main()

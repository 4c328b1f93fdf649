"""``python -m gateway`` is ``camera-gateway``."""

from gateway.cli.main import main

if __name__ == "__main__":
    main()

"""``python -m gateway`` is ``camera-gateway``."""

import gateway.lean  # noqa: F401  (has to be first)
from gateway.cli import main

if __name__ == "__main__":
    main()

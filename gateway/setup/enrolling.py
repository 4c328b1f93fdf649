"""How a set-up has its box enrolled at the centre, as far as this version can."""

from __future__ import annotations

from typing import Protocol


class Enrolment(Protocol):
    """Enrols this box."""

    async def enrol(self, address: str, code: str) -> str:
        """Enrol at the centre at *address* with its one-time *code*; return as whom.

        Raises:
            GatewayError: The centre cannot be reached, or refuses the code.
        """
        ...

"""Enrols this box for the set-up page and its questions."""

from __future__ import annotations

from pathlib import Path

from gateway.enrolment.enrol import enrol
from gateway.enrolment.errors import EnrolmentError
from gateway.model.reasons import Wording
from gateway.setup.model import SetupMistake


class BoxEnrolment:
    """Enrols the box of the settings *path* (as `gateway.setup.enrolling.Enrolment`)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def enrol(self, address: str, code: str) -> str:
        """Enrol at the centre at *address* with *code*; return the name of the site.

        Raises:
            SetupMistake: It was not done, and nothing has changed.
        """
        name = ""
        try:
            async for step in enrol(address, code, settings=self._path):
                name = step.identity.name if step.identity is not None else name
        except EnrolmentError as error:
            found = f" ({error.detail})" if error.detail else ""
            known = error.wording
            wording = Wording(known.vi + found, known.en + found, known.vi_todo, known.en_todo)
            raise SetupMistake(wording) from None
        return name

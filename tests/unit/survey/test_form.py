"""The form is the one that was sent out, word by word."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from gateway.survey.form import (
    CONTACT_COLUMNS,
    CONTACT_HINT,
    GROUPS,
    PART_I,
    PART_II,
    PART_III,
    QUESTION_COLUMNS,
    SUBTITLE,
    SYSTEM_COLUMNS,
    TITLE,
)

SENT = Path(__file__).parents[2] / "data" / "form-10362.md"
"""The appendix of the dispatch as it was received."""


def test_every_line_stands_in_the_dispatch_in_this_order() -> None:
    """No word is better, none is left out, and none has moved."""
    text = re.sub(r"<[^>]*>|[*#]", "", SENT.read_text(encoding="utf-8"))
    sent = re.sub(r"\s+", " ", text)
    ours = [*TITLE, *SUBTITLE, PART_I, " ".join(CONTACT_COLUMNS), CONTACT_HINT]
    ours += [PART_II, " ".join(QUESTION_COLUMNS)]
    for heading, questions in GROUPS:
        ours += [heading, *(f"{each.line} {each.wording}" for each in questions)]
    ours += [PART_III, " ".join(SYSTEM_COLUMNS)]

    at = 0
    for line in ours:
        at = sent.find(line, at)
        assert at >= 0, line
        at += len(line)


def test_the_wording_is_composed_unicode() -> None:
    """NFC, as Vietnamese is typed."""
    texts = [question.wording for _, questions in GROUPS for question in questions]

    assert all(unicodedata.is_normalized("NFC", text) for text in [*texts, *TITLE, PART_II])

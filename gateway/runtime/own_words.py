"""The sentences that this program is made of, so that redaction leaves them whole.

A password may be an ordinary word: ``wrong`` makes "*** user or password" of what should help. What
stands in our own program text says nothing about a secret, so a secret found wholly inside one of
its sentences is left there; anywhere else, in what a camera or a file says, it is hidden.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from types import CodeType, ModuleType

from gateway.runtime.redact import Redactor

SHORTEST_WORDS = 2
"""A piece of text with fewer words is a key or a name, which a camera may say as well; unless it is
a piece from within a sentence, with spaces at both ends."""


def redact_foreign(redactor: Redactor, text: str) -> str:
    """Return *text* as `Redactor.redact_text` does, with our own sentences in it left whole.

    Costs nothing while there is no secret in *text*; else once the reading of our own bytecode.
    """
    if redactor.redact_known(text) == text:
        return redactor.redact_text(text)
    return redactor.redact_text(text, own=own_sentences())


def own_sentences() -> frozenset[str]:
    """Return the sentences, and pieces of sentences, in the modules that are loaded by now."""
    names = tuple(name for name in sys.modules if name.partition(".")[0] == "gateway")
    return _sentences_of(names)


@cache
def _sentences_of(names: tuple[str, ...]) -> frozenset[str]:
    found: set[str] = set()
    for name in names:
        code = _code_of(sys.modules[name], name)
        if code is not None:
            found.update(each for each in _texts_in(code) if _is_sentence(each))
    return frozenset(found)


def _code_of(module: ModuleType, name: str) -> CodeType | None:
    loader = getattr(module.__spec__, "loader", None)
    read = getattr(loader, "get_code", None)  # a compiled extension has none
    code = read(name) if read is not None else None
    return code if isinstance(code, CodeType) else None


def _texts_in(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _texts_in(constant)
        elif isinstance(constant, tuple):
            yield from (each for each in constant if isinstance(each, str))


def _is_sentence(text: str) -> bool:
    within = text.startswith(" ") and text.endswith(" ")
    return "\n" not in text and (within or len(text.split()) >= SHORTEST_WORDS) and text != " "

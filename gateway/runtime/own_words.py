"""The sentences that this program is made of, so that redaction leaves them whole.

A password may be an ordinary word: ``wrong`` makes "*** user or password" of what should help. What
stands in our own program text says nothing about a secret, so a secret found wholly inside one of
its sentences is left there; anywhere else, in what a camera or a file says, it is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType

from gateway.runtime.redact import Redactor

SHORTEST_WORDS = 2
"""A piece of text with fewer words is a key or a name, which a camera may say as well; unless it is
a piece from within a sentence, with spaces at both ends."""


def redact_foreign(redactor: Redactor, text: str, code: Callable[..., object]) -> str:
    """Return *text* as `Redactor.redact_text` does, with our own sentences in it left whole.

    Costs nothing while there is no secret in *text*; else a walk through the code behind *code*.

    Args:
        redactor: Knows the secrets.
        text: Ours, with what others have said in it.
        code: A function; the sentences are those of its module and of all that it imports.
    """
    if redactor.redact_known(text) == text:
        return redactor.redact_text(text)
    return redactor.redact_text(text, own=own_sentences(code))


@cache
def own_sentences(code: Callable[..., object]) -> frozenset[str]:
    """Return the sentences, and pieces of sentences, in the modules that *code* leads to.

    They are the constants of their functions, and those of the modules by their names.
    """
    found: set[str] = set()
    ahead = [getattr(code, "__globals__", {})]
    seen = {id(ahead[0])}
    while ahead:
        module = ahead.pop()
        for name, value in list(module.items()):
            if name.isupper():
                found.update(filter(_is_sentence, _constants_in(value)))
            for function in _functions_in(value):
                found.update(filter(_is_sentence, _texts_in(function.__code__)))
                if id(function.__globals__) not in seen:
                    seen.add(id(function.__globals__))
                    ahead.append(function.__globals__)
    return frozenset(found)


def _functions_in(value: object) -> Iterator[FunctionType]:
    """Yield *value* if it is a function of ours, or those of a class of ours."""
    within = list(vars(value).values()) if isinstance(value, type) else [value]
    for each in within:
        plain = getattr(each, "fget", None) or getattr(each, "__func__", None) or each
        function = getattr(plain, "__wrapped__", plain)
        ours = str(getattr(function, "__module__", "")).startswith("gateway.")
        if ours and isinstance(function, FunctionType):
            yield function


def _constants_in(value: object) -> Iterator[str]:
    """Yield the texts in a constant: one, a tuple or table of them, or of tuples of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (each for each in value.values() if isinstance(each, str))
    elif isinstance(value, tuple | frozenset):
        for each in value:
            texts = each if isinstance(each, tuple) else (each,)
            yield from (text for text in texts if isinstance(text, str))


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

"""What an installer most likely did where a file is no JSON or TOML: a comma, a quote, a comment.

A reader says where it gave up; what stands there, and before it, says why.
"""

from __future__ import annotations

import re

ENGLISH = {
    "comma": "a comma is missing before this",
    "trailing_comma": "there is a comma behind the last item; remove it",
    "colon": 'a colon is missing; write "name": value',
    "equals": "an equals sign is missing; write name = value",
    "single_quotes": 'there are single quotes; use "..."',
    "curly_quotes": 'these are curly quotes, as Word and chats make them; type " anew',
    "unquoted": 'quotes are missing; write "..."',
    "comment": "JSON has no comments; remove it",
    "toml_comment": "a comment begins with #",
    "word": "write true, false or null in lower case",
    "unclosed_text": "this text has no closing quote",
    "line_break": "there is a line break or tab within quotes",
    "backslash": "a backslash cannot stand like this; write \\\\ or /",
    "unclosed": "the file ends before all brackets are closed",
    "bracket": "this bracket closes none that is open here",
    "behind": "something stands behind the end",
    "twice": "this stands here twice",
    "value": "the value is missing",
}
"""By kind, what the message says."""

_CURLY = "“”„‟‘’‚‛«»"
_WORDS = ("True", "False", "None", "TRUE", "FALSE", "NULL", "Null", "nil", "yes", "no")
_BY_FIRST = {"/": "comment", "#": "comment", "'": "single_quotes", "]": "bracket", "}": "bracket"}
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\w*")
_JSON = {
    "Expecting ':' delimiter": "colon",
    "Unterminated string starting at": "unclosed_text",
    "Invalid control character at": "line_break",
    "Invalid \\escape": "backslash",
    "Invalid \\uXXXX escape": "backslash",
}
_TOML = (
    ("Expected '='", "equals"),
    ("Unterminated", "unclosed_text"),
    ("Expected '\"'", "unclosed_text"),
    ("Illegal character", "unclosed_text"),
    ("Unclosed", "unclosed"),
    ("Cannot", "twice"),
    ("Unescaped", "backslash"),
    ("Expected newline", "behind"),
    ("Expected ']'", "bracket"),
    ("Duplicate", "twice"),
)


def kind_in_json(text: str, at: int, said: str) -> str:
    """Return which of `ENGLISH` it is; empty: none.

    Args:
        text: The file.
        at: Where the reader gave up.
        said: What `json` says.
    """
    found = _next(text, at)
    if found[:1] and found[0] in _CURLY:
        return "curly_quotes"
    for beginning, kind in _JSON.items():
        if said.startswith(beginning):
            return kind
    if not found:
        return "unclosed"
    kind = _BY_FIRST.get(found[0], "")
    if kind == "comment" or said.startswith("Extra data"):
        return kind if kind == "comment" else "behind"
    if "delimiter" in said:
        return {"bracket": "bracket", "single_quotes": kind}.get(kind, "comma")
    return _where_a_value_belongs(text, at, found)


def _where_a_value_belongs(text: str, at: int, found: str) -> str:
    """Return the kind of *found*, which stands at *at* where a name or a value must be."""
    before = text[: at + 1].rstrip(" \t\r\n]}")[-1:]
    if found[0] in "]}" and before == ",":
        return "trailing_comma"
    if found[0] in ",]}":
        after = _next(text, at + 1)[:1]
        return "trailing_comma" if found[0] == "," and after and after in "]}" else "value"
    word = _WORD.match(found)
    if word is not None and word[0] in _WORDS:
        return "word"
    return _BY_FIRST.get(found[0], "unquoted")


def kind_in_toml(text: str, line: int, column: int, said: str) -> str:
    """Return which of `ENGLISH` it is; empty: none.

    Args:
        text: The file.
        line: Where the reader gave up, from 1; 0: at the end.
        column: Likewise.
        said: What `tomllib` says.
    """
    lines = text.split("\n")
    whole = lines[line - 1] if 0 < line <= len(lines) else ""
    found = whole[column - 1 :].lstrip()
    if said.startswith("Unclosed array") and found:
        return "comma"
    if any(char in _CURLY for char in found[:1]):
        return "curly_quotes"
    if found.startswith(("//", "/*")) or whole.lstrip().startswith("//"):
        return "toml_comment"
    for beginning, kind in _TOML:
        if said.startswith(beginning):
            return kind
    if said.startswith("Invalid value"):
        word = _WORD.match(found)
        if not found:
            return "value"
        return "word" if word is not None and word[0] in _WORDS else "unquoted"
    return ""


def _next(text: str, at: int) -> str:
    """Return a few characters from the next one on that is no space."""
    space = _SPACE.match(text, at)
    begin = at if space is None else space.end()
    return text[begin : begin + 20]

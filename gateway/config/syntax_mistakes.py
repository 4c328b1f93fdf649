"""What an installer most likely did where a file is no JSON or TOML: a comma, a quote, a comment.

A reader says where it gave up; what stands there, and before it, says why.
"""

from __future__ import annotations

import re
import unicodedata

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
    "fullwidth": "this is a full-width character of an East Asian keyboard; type it anew",
    "invisible": "there is a space or character that cannot be seen; delete it and type anew",
    "line_comma": "no comma stands at the end of a line; remove it",
    "control": "there is a control character within quotes",
    "json_file": "this is JSON, where settings (TOML) belong",
    "toml_file": "these are settings (TOML), where JSON belongs",
    "foreign": "this is no JSON; it may be a web page, or a packed or Office file",
}
"""By kind, what the message says."""

_INVISIBLE = "\u00a0\u200b\u200c\u200d\u2060\ufeff\u2007\u202f\u00ad"
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
    ("Invalid hex value", "backslash"),
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
    found, char = _next(text, at), text[at : at + 1]
    if kind := _foreign_to_json(text) or _odd_character(char) or _odd_character(found[:1]):
        return kind
    if said.startswith("Invalid control character") and char not in "\t\r\n":
        return "control"
    return _by_words(text, at, found, said)


def _by_words(text: str, at: int, found: str, said: str) -> str:
    """Return the kind by what `json` *said* at *at*, where *found* stands."""
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


def _odd_character(char: str) -> str:
    """Return the kind of *char* if no keyboard here would have typed it there; else nothing."""
    if not char:
        return ""
    if char in _CURLY:
        return "curly_quotes"
    if char in _INVISIBLE:
        return "invisible"
    return "fullwidth" if unicodedata.east_asian_width(char) in "FW" else ""


def _foreign_to_json(text: str) -> str:
    begin = text.lstrip()
    if re.match(r"\[[A-Za-z_][\w.]*\]\s*(?:#.*)?(?:\n|$)|[A-Za-z_]\w*\s*=", begin):
        return "toml_file"
    return "foreign" if begin.startswith(("<", "PK\x03\x04", "\x1f", "%PDF")) else ""


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
    if text.lstrip()[:1] == "{":
        return "json_file"
    if kind := _odd_character(whole[column - 1 : column]) or _odd_character(found[:1]):
        return kind
    if found.startswith(("//", "/*")) or whole.lstrip().startswith(("//", ";")):
        return "toml_comment"
    return _in_toml_by_words(found, said)


def _in_toml_by_words(found: str, said: str) -> str:
    """Return the kind by what `tomllib` *said*, where *found* stands."""
    if said.startswith("Unclosed array") and found:
        return "comma"
    if said.startswith("Expected newline") and found.startswith(","):
        return "line_comma"
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

"""A fault in one sentence for people, where there is no file to point into: a page, a message."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.config.faults import VIETNAMESE, code_of
from gateway.config.places import place_name
from gateway.model.errors import Fault
from gateway.model.fault_text import FaultText, text_of
from gateway.model.reasons import Wording

NAMED = 5
"""So many faults are told; of the others their number."""


def said_of(fault: Fault) -> FaultText:
    """Return what *fault* says in Vietnamese, its values filled in, and its cure."""
    known = fault.code if fault.code in VIETNAMESE or "." in fault.code else code_of(fault.code)
    return text_of(fault, VIETNAMESE.get(known, ""))


def wording_of(fault: Fault, tree: object = None) -> Wording:
    """Return *fault*, its place named as *tree* calls it: ``cameras[17] “Quầy 3” id: …``."""
    said = said_of(fault)
    place = place_name(tree, fault.at)
    vi = said.vi or fault.message
    return Wording(f"{place}: {vi}" if place else vi, str(fault), said.vi_todo, said.en_todo)


def joined(faults: Iterable[Fault], tree: object = None) -> Wording:
    """Return *faults* as one, with the cures of each kind once."""
    told = [wording_of(fault, tree) for fault in faults]
    shown = told[:NAMED]
    more = f" (+{len(told) - NAMED})" if len(told) > NAMED else ""
    vi_todo = " ".join(dict.fromkeys(each.vi_todo for each in shown if each.vi_todo))
    en_todo = " ".join(dict.fromkeys(each.en_todo for each in shown if each.en_todo))
    vi = "; ".join(each.vi.rstrip(".") for each in shown) + more
    return Wording(vi, "; ".join(each.en for each in shown) + more, vi_todo, en_todo)

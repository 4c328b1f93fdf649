"""A module that is loaded when somebody asks it for something, for libraries that import to spare.

`importlib.util.LazyLoader` would be that, but in Python 3.11 a second ``import`` of the name, and
that is all a library ever does with it, already loads the module.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType


class Late(ModuleType):
    """Stands for a module until it is asked for a name that it does not have.

    Then it is the module, under the same identity: there is one of them in a process.
    """

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # Python asks any module for those, only to look at it
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        load(self)
        return getattr(self, name)


def load(late: Late) -> None:
    """Make *late* the module that it stands for."""
    spec = late.__spec__
    assert spec is not None
    assert spec.loader is not None
    late.__class__ = ModuleType  # type: ignore[assignment]
    spec.loader.exec_module(late)


def put_off(name: str, stand_in: type[Late] = Late) -> None:
    """Let module *name*, of some package, be imported without being loaded.

    Does nothing if it is there already, or is nowhere. The package is not loaded either; if it is
    there, it has the module from now on.

    Args:
        name: The full one.
        stand_in: What it is until then; it may know some answers itself.
    """
    if name in sys.modules:
        return
    parent, _, short = name.rpartition(".")
    package = find_spec(parent)
    if package is None:
        return
    spec = PathFinder.find_spec(name, package.submodule_search_locations)
    if spec is None:
        return
    late = module_from_spec(spec)
    late.__class__ = stand_in
    sys.modules[name] = late
    if parent in sys.modules:
        setattr(sys.modules[parent], short, late)

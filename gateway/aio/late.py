"""A module that is loaded when somebody asks it for something, for libraries that import to spare.

`importlib.util.LazyLoader` would be that, but in Python 3.11 a second ``import`` of the name, and
that is all a library ever does with it, already loads the module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import NoReturn


class Late(ModuleType):
    """Stands for a module until it is asked for a name that it does not have.

    Then it is the module, under the same identity: there is one of them in a process.
    """

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # Python asks any module for those, only to look at it
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        load(self)
        return getattr(self, name)


class Named(ModuleType):
    """Stands for a module of which only names are taken: classes that refuse to be made."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        only = type(name, (_OnlyAName,), {"__module__": self.__name__})
        setattr(self, name, only)
        return only


class _OnlyAName:
    def __new__(cls, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError(f"{cls.__module__} is not loaded here; this is only a name of it")

    def __class_getitem__(cls, _: object) -> type[_OnlyAName]:
        return cls


def load(late: Late) -> None:
    """Make *late* the module that it stands for."""
    spec = late.__spec__
    assert spec is not None
    assert spec.loader is not None
    late.__class__ = ModuleType  # type: ignore[assignment]
    spec.loader.exec_module(late)


def put_off(name: str, stand_in: type[Late] = Late, *, calls: tuple[str, ...] = ()) -> None:
    """Let module *name* be imported without being loaded.

    Does nothing if it is there already, or is nowhere. Its package, if it is in one, is not loaded
    either; if that is there, it has the module from now on.

    Args:
        name: The full one.
        stand_in: What it is until then; it may know some answers itself.
        calls: Functions of it that may be taken ahead: it is loaded when one of them is called.
    """
    if name in sys.modules:
        return
    parent, _, short = name.rpartition(".")
    spec = _spec_of(name, parent)
    if spec is None:
        return
    late = module_from_spec(spec)
    late.__class__ = stand_in
    for each in calls:
        setattr(late, each, _call_of(late, each))
    sys.modules[name] = late
    if parent in sys.modules:
        setattr(sys.modules[parent], short, late)


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Let whoever imports module *name* meanwhile find that it is not installed.

    Does nothing if it is there already.
    """
    absent: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    with _instead(absent, name, None):  # which makes an import of it an error
        yield


@contextmanager
def only_named(name: str) -> Iterator[None]:
    """Let whoever imports module *name* meanwhile have names that stand for nothing.

    For what is imported to be compared with, or for a feature that nobody uses. Does nothing if the
    module is there already.
    """
    with _instead(sys.modules, name, Named(name)):
        yield


@contextmanager
def _instead(
    modules: dict[str, ModuleType | None] | dict[str, ModuleType],
    name: str,
    module: ModuleType | None,
) -> Iterator[None]:
    if name in modules:
        yield
        return
    modules[name] = module  # type: ignore[assignment]
    try:
        yield
    finally:
        del modules[name]


def _call_of(late: ModuleType, name: str) -> Callable[..., object]:
    def call(*args: object, **named: object) -> object:
        if isinstance(late, Late):
            load(late)
        found: Callable[..., object] = vars(late)[name]
        return found(*args, **named)

    return call


def _spec_of(name: str, parent: str) -> ModuleSpec | None:
    if not parent:
        return find_spec(name)
    package = find_spec(parent)
    if package is None:
        return None
    return PathFinder.find_spec(name, package.submodule_search_locations)

"""Says in a sentence that a library is missing, since the code is newer than what is installed.

Loads nothing but the standard library: it must work where all else is missing.
"""

from __future__ import annotations

import sys
from types import TracebackType


def missing_library(error: BaseException | None, traceback: TracebackType | None) -> str | None:
    """Return the library that *error* means, if code of ours needs one that is not, or too old.

    What a library misses, what Python should have, and a module of ours that is gone are bugs.
    """
    if not isinstance(error, ImportError) or traceback is None:
        return None
    library = (error.name or "").partition(".")[0]
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    importer = str(traceback.tb_frame.f_globals.get("__name__", ""))
    if importer == "__main__" and traceback.tb_frame.f_globals.get("__package__"):
        importer = str(traceback.tb_frame.f_globals["__package__"])
    ours = importer.partition(".")[0] == "gateway"
    if not ours or library in ("", "gateway") or library in sys.stdlib_module_names:
        return None
    return library


def tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print one sentence instead of a traceback (as `sys.excepthook`); the exit code is 1."""
    library = missing_library(error, traceback)
    if library is None:
        sys.__excepthook__(kind, error, traceback)
        return
    sys.stderr.write(
        f"Thư viện {library} chưa cài hoặc quá cũ: mã mới hơn bản cài đặt."
        " Chạy: scripts/install run\n"
        f"The library {library} is missing or too old: the code is newer than the installation."
        " Run: scripts/install run\n"
    )

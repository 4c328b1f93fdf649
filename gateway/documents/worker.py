"""The child that looks into one document: ``python -I -m gateway.documents.worker PARENT_PID``.

Reads a head and the file from standard input, writes what is wrong with it to standard output, and
ends. It is in its sandbox before it looks at the first byte.
"""

from __future__ import annotations

import os
import sys
from io import BytesIO
from zipfile import ZipFile

from gateway.documents.faults import fault
from gateway.documents.messages import HEAD_BYTES, READY, pack_faults, parse_request
from gateway.documents.validate import inspect
from gateway.model.document_template import DOCUMENT_BYTES, DocumentKind
from gateway.vision.sandbox import enter_sandbox, install_seccomp_filter, limit_cpu_time

MEMORY_BYTES = 384 * 1024 * 1024


def main() -> int:
    """Look into one document; return the exit code."""
    parent = int(sys.argv[1])
    enter_sandbox(parent, memory_bytes=MEMORY_BYTES)
    warm_up()
    install_seccomp_filter()
    limit_cpu_time()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    raw = sys.stdin.buffer.read(HEAD_BYTES + DOCUMENT_BYTES + 1)
    kind, content = parse_request(raw)
    try:
        found = inspect(content, kind)
    except (MemoryError, RecursionError):
        found = (fault("", "cost"),)
    sys.stdout.buffer.write(pack_faults(found))
    sys.stdout.buffer.flush()
    os._exit(0)  # memory may be short, and there is nothing to tidy up


def warm_up() -> None:
    """Look into small documents, so that libraries load their late parts before the sandbox."""
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        for name, content in _WORKBOOK.items():
            archive.writestr(name, content)
    column = {"key": "a", "type": "integer"}
    kind = {"id": "a", "name": "a", "columns": [column]}
    good = {"xlsx": file.getvalue(), "csv": b"\xef\xbb\xbfa\n1\n", "json": b'[{"a":1}]'}
    for ending, small in good.items():
        named = DocumentKind.model_validate(kind | {"file": f"a{{yyyy}}{{mm}}.{ending}"})
        assert inspect(small, named) == ()
        assert inspect(small[:-3] + b"\xff", named)


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_WORKBOOK = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
    "</Types>",
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
    f' Type="{_RELATED}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATED}"><sheets>'
    '<sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_RELATED}/worksheet" Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
    "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData><row r="1">'
    '<c r="A1" t="inlineStr"><is><t>a</t></is></c></row><row r="2"><c r="A2"><v>1</v></c></row>'
    "</sheetData></worksheet>",
}
"""The least that is a workbook (ECMA-376 part 2 and 1, 18.2)."""


if __name__ == "__main__":
    sys.exit(main())

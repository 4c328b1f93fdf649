"""Turns an error of pydantic into a `Fault` that the installer can act on.

A fault has a stable code, a sentence with what was given and what is allowed, and by its code a
sentence in Vietnamese.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.capture.options import DEVICE_PATH
from gateway.config.near_values import near_network, near_pattern
from gateway.model.errors import Fault
from gateway.model.signalling import ICE_URL
from gateway.runtime.redact import redact_patterns

SECRET = re.compile(r"pass|secret|credential|token|\$ref|(?:^|_)key$", re.IGNORECASE)
"""Keys whose values are never repeated."""

PATTERNS = {
    r"^[a-z0-9]{1,16}$": "1 to 16 of a-z and 0-9",
    r"^[a-z0-9-]{1,32}$": "1 to 32 of a-z, 0-9 and -",
    r"^[a-z0-9-]{4,40}$": "4 to 40 of a-z, 0-9 and -",
    r"^[0-9]{2}$": "two digits",
    r"^[!-.0-?A-~]+$": "a host's name or address alone",
    r"^[a-z0-9.-]{1,253}(:[0-9]{1,5})?$": "a host, or host:port where that is not 443",
    r"^[A-Za-z0-9.:/-]{1,253}$": "a host's name, an address or a network",
    f"^{DEVICE_PATH.pattern}$": "/dev/video<number>, or a name in /dev/v4l/by-id or by-path",
    r"^https://[!-~]{1,270}$": "https://HOST:PORT",
    r"^/[!-~]*$": "a path that begins with /",
    r"^[a-z0-9][a-z0-9-]{0,31}$": "1 to 32 of a-z, 0-9 and -",
    r"^https://[!-~]{1,500}/$": "https://HOST/FOLDER/, ending with /",
    r"^[^:]+$": "a name without :",
    f"^(?:{ICE_URL.pattern})$": "stun:host, turn:host or turns:host, each with a port if need be",
    r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$": "six pairs of 0-9 and a-f with colons, lower case",
    r"^[0-9+][0-9 .-]{2,30}$": "a telephone number: digits, spaces, dots and -",
    r"^/(site|broker)(/[^/\s]{1,64}){0,6}$": "a place, e.g. /site/cameras/*/enabled",
    r"^-----BEGIN CERTIFICATE-----\n": "certificates in PEM form",
    r"^[!-~]{1,64}$": "1 to 64 printable characters without spaces",
    r"^secret:[a-z0-9][a-z0-9_.-]{0,63}$": "secret: and a name, e.g. secret:nvr1",
}
"""What the patterns of `gateway.model` allow, in words."""

PATTERNS_VI = {
    r"^[a-z0-9]{1,16}$": "1 đến 16 ký tự a-z và 0-9, không dấu, không khoảng trắng",
    r"^[a-z0-9-]{1,32}$": "1 đến 32 ký tự a-z, 0-9 và -",
    r"^[a-z0-9-]{4,40}$": "4 đến 40 ký tự a-z, 0-9 và -, không dấu, không khoảng trắng",
    r"^[0-9]{2}$": "hai chữ số",
    r"^[!-.0-?A-~]+$": "chỉ tên máy hoặc địa chỉ IP",
    r"^[a-z0-9.-]{1,253}(:[0-9]{1,5})?$": "tên máy, hoặc tên máy:cổng nếu cổng khác 443",
    r"^[A-Za-z0-9.:/-]{1,253}$": "tên máy, địa chỉ IP hoặc dải mạng",
    f"^{DEVICE_PATH.pattern}$": "/dev/video<số>, hoặc tên trong /dev/v4l/by-id, by-path",
    r"^https://[!-~]{1,270}$": "https://TÊN-MÁY:CỔNG",
    r"^/[!-~]*$": "đường dẫn bắt đầu bằng /",
    r"^[a-z0-9][a-z0-9-]{0,31}$": "1 đến 32 ký tự a-z, 0-9 và -",
    r"^https://[!-~]{1,500}/$": "https://TÊN-MÁY/THƯ-MỤC/, kết thúc bằng /",
    r"^[^:]+$": "tên không có dấu :",
    f"^(?:{ICE_URL.pattern})$": "stun:máy, turn:máy hoặc turns:máy, kèm cổng nếu cần",
    r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$": "sáu cặp 0-9, a-f cách nhau bằng dấu :, chữ thường",
    r"^[0-9+][0-9 .-]{2,30}$": "số điện thoại: chữ số, dấu cách, chấm và -",
    r"^/(site|broker)(/[^/\s]{1,64}){0,6}$": "chỗ trong cấu hình, ví dụ /site/cameras/*/enabled",
    r"^-----BEGIN CERTIFICATE-----\n": "chứng thư dạng PEM",
    r"^[!-~]{1,64}$": "1 đến 64 ký tự không dấu, không khoảng trắng",
    r"^secret:[a-z0-9][a-z0-9_.-]{0,63}$": "secret: và một tên, ví dụ secret:nvr1",
}
"""The same in Vietnamese."""

VIETNAMESE = {
    "missing": "Thiếu mục bắt buộc.",
    "unknown_key": "Không có mục nào tên như vậy.",
    "range": "Giá trị nằm ngoài khoảng cho phép.",
    "length": "Quá dài hoặc quá ngắn.",
    "pattern": "Viết không đúng mẫu.",
    "choice": "Không phải giá trị được phép.",
    "type": "Sai kiểu giá trị.",
    "duplicate": "Bị trùng với mục khác.",
    "duplicate_key": "Khóa này xuất hiện hai lần.",
    "incomplete": "Thiếu tên đăng nhập đi cùng mật khẩu.",
    "value": "Giá trị không dùng được.",
    "number": "Không phải số dùng được.",
    "text": "Có ký tự điều khiển hoặc ký tự hỏng.",
    "syntax": "Sai cú pháp của tệp.",
    "encoding": "Tệp phải lưu dạng UTF-8 không có BOM.",
    "empty": "Tệp trống.",
    "size": "Tệp quá lớn.",
    "depth": "Lồng nhau quá sâu.",
    "file": "Không đọc được tệp.",
    "output": "Không ghi được tệp.",
    "output.link": "Đường dẫn đi qua liên kết của người dùng khác.",
    "plain_broker": "Kết nối MQTT không mã hóa chỉ được phép trong chính máy này.",
    "host_port": "Cổng phải ghi ở mục port, không ghi sau tên máy.",
    "tls": "Chứng thư và khóa phải đi cùng nhau.",
    "turn_credentials": "Dùng shared_secret, hoặc username cùng credential, không dùng cả hai.",
    "network": "Không phải dải mạng.",
    "address": "Không phải địa chỉ IP.",
    "unknown_id": "Không có camera, đầu ghi hay thiết bị mạng nào mang mã này.",
    "link": "Một liên kết phải nối hai thiết bị khác nhau.",
    "url.scheme": "Địa chỉ phải bắt đầu bằng giao thức được hỗ trợ, ví dụ rtsp://; "
    "giao thức khác phải được mở trong [cameras] schemes của thiết bị.",
    "url.userinfo": "Không ghi mật khẩu trong địa chỉ; camera cần thì ghi {username}, {password}.",
    "url.login": "{username}, {password} trong địa chỉ cần username, password và allow_basic.",
    "url.host": "Địa chỉ thiếu tên máy.",
    "url.port": "Cổng phải là số từ 1 đến 65535 và có trong danh sách cho phép ([cameras] ports).",
    "url.control": "Địa chỉ có ký tự không được phép.",
    "url.length": "Địa chỉ quá dài.",
    "url.path": "Đường dẫn có ký tự phải viết dạng %XX.",
    "url.network": "Địa chỉ không thuộc dải mạng camera được phép.",
    "url.device": "Thiết bị chưa có trong [cameras] devices, hoặc tùy chọn viết không đúng.",
    "url.fragment": "Địa chỉ không được có dấu #.",
    "forbidden": "Máy này không cho phép trung tâm thay đổi mục đó.",
    "schema": "Phiên bản mẫu cấu hình không được hỗ trợ.",
    "version.old": "Phiên bản không mới hơn phiên bản đã nhận.",
    "version.future": "Số phiên bản lớn quá mức cho phép.",
    "release.old": "Bản này quá cũ: một bản mới hơn đã chạy ở đây và cấm nó; hãy cài bản mới.",
    "time.missing": "Thiếu thời hạn hiệu lực.",
    "time.period": "Thời hạn hiệu lực dài quá mức cho phép.",
    "time.early": "Chưa đến thời điểm có hiệu lực; hãy kiểm tra đồng hồ của máy.",
    "time.late": "Đã hết hạn hiệu lực; hãy ký lại, và kiểm tra đồng hồ của máy.",
    "version.base": "Cấu hình được soạn từ một phiên bản không còn chạy.",
    "gw.other": "Cấu hình dành cho máy khác.",
    "sha256": "Mã băm không khớp với nội dung.",
    "canonical": "Nội dung không viết được dưới dạng JSON chuẩn.",
    "key.id": "Mã khóa không đúng mẫu.",
    "key.file": "Không dùng được tệp khóa.",
    "sig.missing": "Chưa có chữ ký.",
    "sig.there": "Tài liệu này đã được ký.",
    "sig.form": "Chữ ký sai mẫu.",
    "sig.purpose": "Khóa này không được dùng để ký loại tài liệu đó.",
    "sig.key": "Khóa ký không được máy này tin cậy.",
    "sig.value": "Chữ ký không khớp với nội dung.",
    "confirm.stale": "Không có cấu hình như vậy đang chờ xác nhận.",
    "confirm.nonce": "Xác nhận này không trả lời báo cáo hiện tại, hoặc đã được dùng.",
    "rate_limited": "Gửi quá nhiều, hãy gửi lại sau.",
    "secret.missing": "Không tìm thấy mật khẩu trong thư mục bí mật.",
    "secret.use": "Mật khẩu này dành cho việc khác, camera không được dùng.",
    "secret.host": "Mật khẩu này không được nhập cho địa chỉ đó; hãy nhập tại máy của điểm.",
    "secret.basic": "Gửi mật khẩu không mã hóa (Basic) phải được cho phép tại máy của điểm.",
    "secret.permissions": "Tệp mật khẩu phải chỉ chủ sở hữu đọc được (chmod 600).",
    "identity.province": "Mã tỉnh không có trong danh mục, hoặc không khớp với địa điểm.",
    "identity.user": "Tên đăng nhập máy chủ MQTT không khớp với mã tỉnh và mã thiết bị.",
    "identity.certificate": "Chứng thư cấp cho thiết bị khác; đăng ký lại: camera-gateway enrol.",
    "identity.key": "Khóa riêng không đi cùng chứng thư; đăng ký lại: camera-gateway enrol.",
    "identity.authority": "Chứng thư không do trung tâm trong tệp ca cấp; đăng ký lại: "
    "camera-gateway enrol.",
    "identity.early": "Chứng thư chưa có hiệu lực: kiểm tra đồng hồ của máy (timedatectl).",
    "identity.ended": "Chứng thư đã hết hạn; xin trung tâm mã mới và chạy camera-gateway enrol.",
    "identity.pem": "Tệp không chứa chứng thư dạng PEM.",
    "secret.content": "Tệp mật khẩu trống hoặc không đọc được.",
}
"""For every code, a sentence for the installer who reads Vietnamese, said beside the English."""

_KINDS = {
    "missing": "missing",
    "extra_forbidden": "unknown_key",
    "literal_error": "choice",
    "enum": "choice",
    "string_pattern_mismatch": "pattern",
    "finite_number": "number",
    "value_error": "value",
}
_TOLD = ("network", "plain_broker", "host_port", "duplicate", "unknown_id")
"""Codes of our own whose values are for the installer."""

_LONGEST_SAID = 120
_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
_LENGTH = ("string_too_long", "string_too_short", "too_long", "too_short")
_BOUNDS = {"ge": "min", "min_length": "min", "le": "max", "max_length": "max"}
_LONGEST_GIVEN = 60


def pointer(at: Iterable[str | int]) -> str:
    """Return *at* as JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in at)


def fault_of(line: ErrorDetails, model: type[BaseModel]) -> Fault:
    """Return *line*, one error of *model*, as a fault; the value of a secret is not in it."""
    at, kind = line["loc"], line["type"]
    code = code_of(kind)
    if code == "unknown_key":
        return unknown_key(at, model)
    if code == "missing":
        message = "this is required and is not there"
        return Fault(pointer(at), code, message, {"key": str(at[-1])} if at else {})
    if code == "type" and (said := _type_fault(line)) is not None:
        return said
    field = field_at(model, at)
    bounds = _bounds(field) if code in ("range", "length") and field is not None else {}
    allowed = _sentence(code, bounds) if bounds else _allowed(code, line)
    given = _given(at, code, line["input"])
    args: dict[str, str | int | float] = {**bounds}
    args |= _args_of(code, line)
    if not given:
        shown = {key: args[key] for key in args if key not in ("near", "name", "port")}
        return Fault(pointer(at), code, allowed, shown)
    return Fault(pointer(at), code, f"{given}: {allowed}", {"got": given, **args})


def _args_of(code: str, line: ErrorDetails) -> dict[str, str | int | float]:
    """Return the values that the Vietnamese sentence names, and what was probably meant."""
    context = line.get("ctx") or {}
    if code == "pattern":
        pattern = str(context.get("pattern", ""))
        allowed = PATTERNS_VI.get(pattern) or PATTERNS.get(pattern, pattern)
        return {"allowed": allowed, **near_pattern(pattern, line["input"])}
    if code == "choice":
        return {"allowed": str(context.get("expected", "")).replace(" or ", ", ")}
    args: dict[str, str | int | float] = {
        key: str(value)[:_LONGEST_SAID] for key, value in context.items() if key != "error"
    }
    if code == "network" and "kind" not in args:
        return {**args, **near_network(line["input"])}
    if code == "length" and line["input"] in ([], (), "", {}):
        return {"kind": "empty"}
    return args if "." in code or code in _TOLD else {}


def _type_fault(line: ErrorDetails) -> Fault | None:
    """Return what a value should be instead, with it written so; None: there is no word for it."""
    at, value = line["loc"], line["input"]
    kind = next((name for word, name in _TYPES.items() if line["type"].startswith(word)), "")
    given = _given(at, "type", value)
    if not at:
        return Fault("", "type", f"{given}: the file must hold an object", {"kind": "top"})
    if not kind or not given:
        return None
    args: dict[str, str | int | float] = {"kind": kind, "key": str(at[-1]), "got": given}
    if (example := _EXAMPLES[kind](value)) is not None:
        args["example"] = example
    message = f"{given}: it must be {_KIND_WORDS[kind]}"
    return Fault(pointer(at), "type", f"{message}, e.g. {example}" if example else message, args)


def _as_list(value: object) -> str | None:
    return None if isinstance(value, dict | list | tuple) else f"[{_written(value)}]"


def _as_text(value: object) -> str | None:
    return f'"{value}"' if isinstance(value, int | float) else None


def _as_number(value: object) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    return text if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text) else None


def _as_flag(value: object) -> str | None:
    said = str(value).strip().lower()
    return "true" if said in ("1", "yes", "true", "on") else "false"


def _nothing(_value: object) -> str | None:
    return None


def _written(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


_TYPES = {
    "tuple_type": "list",
    "list_type": "list",
    "string_type": "text",
    "int_": "number",
    "float_": "number",
    "bool_": "bool",
    "model_": "table",
    "dict_type": "table",
}
"""Our word for a type, by how pydantic's begins."""

_KIND_WORDS = {
    "list": "a list in square brackets",
    "text": "text in quotes",
    "number": "a number without quotes",
    "bool": "true or false",
    "table": "a table with keys of its own",
}
_EXAMPLES: dict[str, Callable[[object], str | None]] = {
    "list": _as_list,
    "text": _as_text,
    "number": _as_number,
    "bool": _as_flag,
    "table": _nothing,
}


def field_at(model: type[BaseModel], at: tuple[str | int, ...]) -> FieldInfo | None:
    """Return the field of *model* that *at* leads to, if it leads to one."""
    field: FieldInfo | None = None
    inside: type[BaseModel] | None = model
    for step in at:
        if isinstance(step, int):
            continue
        named = _fields(inside)
        if step not in named:
            return None
        field = named[step]
        inside = _model_in(field.annotation)
    return field


def code_of(kind: str) -> str:
    """Return our code for *kind*, pydantic's word for what is wrong with a value."""
    if kind in _RANGE:
        return "range"
    if kind in _LENGTH:
        return "length"
    if kind.startswith("ip_"):
        return "network"
    if kind in VIETNAMESE:  # our own codes come through as they are
        return kind
    return _KINDS.get(kind, "type")


def _fields(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    if model is None:
        return {}
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(inner) for inner in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)


def unknown_key(at: tuple[str | int, ...], model: type[BaseModel]) -> Fault:
    *outer, key = at
    parent = field_at(model, tuple(outer))
    home = _model_in(parent.annotation) if parent is not None else model
    known = sorted(_fields(home))
    near = difflib.get_close_matches(str(key), known, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    args: dict[str, str | int | float] = {"got": str(key)[:_LONGEST_GIVEN]}
    args |= {"near": near[0]} if near else {"kind": "none", "allowed": ", ".join(known)}
    return Fault(pointer(at), "unknown_key", f"there is no such key; {advice}", args)


def _allowed(code: str, line: ErrorDetails) -> str:
    context = line.get("ctx") or {}
    if code == "pattern":
        pattern = str(context.get("pattern", ""))
        return f"it must be {PATTERNS.get(pattern, pattern)}"
    if code == "choice":
        return f"it must be {context.get('expected')}"
    message = line["msg"].replace("Input should", "it must")
    return message[:1].lower() + message[1:]


def _sentence(code: str, bounds: Mapping[str, object]) -> str:
    what = "length" if code == "length" else "value"
    return f"the {what} must be from {bounds['min']} to {bounds['max']}"


def _bounds(field: FieldInfo) -> dict[str, str | int | float]:
    rules = [*field.metadata, *_rules_in(field.annotation)]
    bounds: dict[str, str | int | float] = {}
    for rule in rules:
        for word, name in _BOUNDS.items():
            if getattr(rule, word, None) is not None:
                bounds[name] = getattr(rule, word)
    return bounds if len(bounds) == len(set(_BOUNDS.values())) else {}


def _rules_in(annotation: object) -> Iterator[object]:
    """Yield the constraints inside *annotation*: those of ``Port`` in ``Port | None``."""
    for inner in typing.get_args(annotation):
        if isinstance(inner, FieldInfo):
            yield from inner.metadata
        elif typing.get_args(inner):
            yield from _rules_in(inner)
        else:
            yield inner


def _given(at: tuple[str | int, ...], code: str, given: object) -> str:
    if any(SECRET.search(str(step)) for step in at) or code == "url.userinfo":
        return ""
    if given is None or (isinstance(given, dict | list | tuple | BaseModel) and code != "type"):
        return ""
    if isinstance(given, dict | list | tuple):
        return "a table" if isinstance(given, dict) else "a list"
    text = redact_patterns(repr(given) if isinstance(given, str) else str(given))
    if ":" in text and "@" in text:  # whatever else is wrong, a password may stand in it
        return ""
    return text if len(text) <= _LONGEST_GIVEN else text[:_LONGEST_GIVEN] + "…"

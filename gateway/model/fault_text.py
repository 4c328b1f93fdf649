"""What a fault says to an installer in Vietnamese, with its values, and how to mend it.

A row is a template; its places are filled with the fault's `args`. ``code/kind`` goes before
``code``; a row whose values are not there gives way to the next, and in the end to the plain
sentence of the code. ``probe:code`` is for who types a URL at a command, where the cure is another.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.errors import Fault

PROGRAM = "camera-gateway"
"""What ``{program}`` becomes where the fault's `args` do not say by which program it is told."""

RESTART = "rồi chạy: sudo systemctl restart camera-gateway"


@dataclass(frozen=True, slots=True)
class FaultText:
    """Of one kind of fault.

    Attributes:
        vi: What is wrong, in Vietnamese.
        vi_todo: What to do, in Vietnamese; empty: that is said already.
        en_todo: What to do, in English, where the fault's message does not say it.
    """

    vi: str
    vi_todo: str = ""
    en_todo: str = ""


TEXTS: dict[str, FaultText] = {
    "url.scheme": FaultText(
        "Địa chỉ thiếu giao thức ở đầu (được phép: {allowed}).",
        "Viết đủ, ví dụ rtsp://192.168.1.10/Streaming/Channels/102.",
        "Write it whole, e.g. rtsp://192.168.1.10/Streaming/Channels/102.",
    ),
    "url.scheme/unknown": FaultText(
        "Không hỗ trợ giao thức “{got}”; được phép: {allowed}.",
        "Dùng địa chỉ RTSP của camera, ví dụ rtsp://192.168.1.10/Streaming/Channels/102.",
    ),
    "url.scheme/closed": FaultText(
        "Giao thức {got}:// chưa được mở trên máy này.",
        f'Thêm "{{got}}" vào schemes của mục [cameras] trong gateway.toml, {RESTART}.',
    ),
    "url.scheme/case": FaultText(
        "Giao thức “{got}” phải viết chữ thường.", "Viết chữ thường, ví dụ rtsp://."
    ),
    "url.scheme/slashes": FaultText(
        "Sau giao thức {got} phải là dấu hai chấm và hai gạch chéo.",
        "Viết {got}://, ví dụ rtsp://192.168.1.10/Streaming/Channels/102.",
    ),
    "url.path": FaultText(
        "Đường dẫn có ký tự phải viết dạng %XX (khoảng trắng %20, dấu \\ %5C).",
        "Dùng gạch chéo /, hoặc viết ký tự đó dạng %XX.",
        "Use /, or percent-encode that character.",
    ),
    "url.userinfo": FaultText(
        "Địa chỉ chứa tên đăng nhập hoặc mật khẩu.",
        "Xóa phần đứng trước dấu @; ghi tên vào “username”, đặt mật khẩu vào tệp bí mật và ghi "
        "“password”: “secret:tên”.",
    ),
    "url.userinfo/path": FaultText(
        "Mật khẩu được viết thẳng trong đường dẫn.",
        "Viết đúng chữ {{username}} và {{password}} ở chỗ đó; ghi tên và mật khẩu ở mục riêng.",
    ),
    "probe:url.userinfo": FaultText(
        "Địa chỉ chứa tên đăng nhập hoặc mật khẩu; lệnh này không nhận như vậy.",
        "Xóa phần đứng trước dấu @, rồi thêm: --username TÊN --password-file TỆP "
        "(hoặc --password-file - rồi gõ mật khẩu).",
        "Remove what stands before the @ and add: --username NAME --password-file FILE "
        "(or --password-file - and type it).",
    ),
    "url.host": FaultText(
        "Địa chỉ thiếu tên máy, hoặc tên máy viết không đúng.",
        "Sau :// phải là địa chỉ IP hoặc tên của camera, ví dụ rtsp://192.168.1.10/...",
    ),
    "url.host/address": FaultText(
        "“{got}” không phải địa chỉ IP viết đúng.", "Viết bốn số từ 0 đến 255, ví dụ 192.168.1.10."
    ),
    "url.host/device": FaultText(
        "Địa chỉ thiết bị viết không đúng.", "Viết ba dấu gạch chéo: {scheme}:///dev/video0."
    ),
    "url.web_server": FaultText(
        "{place} trả lời bằng HTTP: đây là máy chủ web, không phải cổng RTSP.",
        "Dùng cổng RTSP của camera hoặc đầu ghi, thường là 554, ví dụ rtsp://192.168.1.10:554/….",
        "Use the RTSP port of the camera or recorder, usually 554.",
    ),
    "output.link": FaultText(
        "{path} đi qua liên kết của người dùng khác (tới {to}); root không ghi qua đó.",
        "Nêu đường dẫn thật, hoặc một thư mục của chính bạn.",
        "Give the real path, or a folder of your own.",
    ),
    "url.port": FaultText("Cổng {got} không hợp lệ.", "Cổng phải là số từ 1 đến 65535."),
    "url.port/closed": FaultText(
        "Cổng {got} chưa được mở trên máy này; đang mở: {allowed}.",
        f"Nếu camera dùng đúng cổng đó: thêm {{got}} vào ports của mục [cameras] trong "
        f"gateway.toml, {RESTART}.",
    ),
    "url.control": FaultText(
        "Địa chỉ có khoảng trắng, dấu tiếng Việt hoặc ký tự không được phép.",
        "Xóa ký tự đó, hoặc viết dạng %XX (khoảng trắng là %20).",
    ),
    "url.length": FaultText("Địa chỉ dài {got} ký tự, tối đa {max}."),
    "url.network": FaultText(
        "{got} nằm ngoài các dải mạng camera được phép ({networks}).",
        f"Sửa địa chỉ camera; nếu đúng là mạng camera thì thêm vào networks của mục [cameras] "
        f"trong gateway.toml, {RESTART}.",
    ),
    "probe:url.network": FaultText(
        "{got} nằm ngoài các dải mạng được phép ({networks}).",
        "Sửa địa chỉ; nếu đúng là mạng camera thì thêm: --network DẢI, ví dụ "
        "--network 203.0.113.0/24.",
        "Correct the address; if the camera is there, add its network: --network 203.0.113.0/24.",
    ),
    "url.device/closed": FaultText(
        "{got} chưa có trong danh sách thiết bị được mở.",
        f"Thêm vào devices của mục [cameras] trong gateway.toml, {RESTART}.",
    ),
    "url.fragment": FaultText("Địa chỉ không được có dấu #.", "Viết %23 nếu dấu # là cần thiết."),
    "type/list": FaultText(
        "“{key}” phải là danh sách trong ngoặc vuông, không phải {got}.", "Viết: {example}"
    ),
    "type/text": FaultText(
        "“{key}” phải là chữ trong dấu nháy, không phải {got}.", "Viết: {example}"
    ),
    "type/number": FaultText(
        "“{key}” phải là số không có dấu nháy, không phải {got}.", "Viết: {example}"
    ),
    "type/bool": FaultText("“{key}” phải là true hoặc false, không phải {got}.", "Viết: {example}"),
    "type/table": FaultText("“{key}” phải là một nhóm có các mục bên trong, không phải {got}."),
    "network": FaultText(
        "{got} không phải dải mạng.", "Viết địa chỉ và mặt nạ, ví dụ 192.168.1.0/24."
    ),
    "network/near": FaultText("{got} không phải dải mạng.", "Viết: {near}", "write: {near}"),
    "network/several": FaultText(
        "{got} là nhiều dải mạng trong một dấu nháy.",
        'Mỗi dải mạng một dấu nháy riêng: ["192.168.1.0/24", "10.0.0.0/8"]',
        'Quote each network by itself: ["192.168.1.0/24", "10.0.0.0/8"]',
    ),
    "network/mask": FaultText(
        "{value} thiếu mặt nạ mạng nên chỉ là một địa chỉ, không phải cả mạng.",
        "Viết {value}/24 (mạng 255.255.255.0), hoặc mặt nạ đúng của mạng này.",
    ),
    "range": FaultText("Giá trị {got} nằm ngoài khoảng cho phép, từ {min} đến {max}."),
    "length/empty": FaultText("Chỗ này trống.", "Viết ít nhất một giá trị.", "write one at least"),
    "length": FaultText("{got}: độ dài phải từ {min} đến {max}."),
    "pattern/province": FaultText(
        "Phải ghi mã tỉnh hai chữ số, không ghi tên {got}.",
        'Viết: "{near}" ({name}).',
        'write "{near}" ({name})',
    ),
    "pattern/digits": FaultText(
        "{got}: mã tỉnh là hai chữ số thường.", 'Viết: "{near}"', 'write "{near}"'
    ),
    "pattern/no_province": FaultText(
        "{got} không phải mã tỉnh.",
        'Viết mã hai chữ số, ví dụ "24" là Bắc Ninh; bảng mã ở docs/survey.md.',
        'Write its two digits, e.g. "24" is Bắc Ninh.',
    ),
    "pattern/identifier": FaultText(
        "{got}: chỉ được {allowed}.", 'Viết, ví dụ: "{near}"', 'write e.g. "{near}"'
    ),
    "pattern/host": FaultText(
        "{got}: {allowed}, không có http:// hay đường dẫn.", 'Viết: "{near}"', 'write "{near}"'
    ),
    "pattern/host_port": FaultText(
        "{got}: {allowed}; cổng ghi ở mục port.",
        'Viết: host = "{near}" và port = {port}',
        'write host = "{near}" and port = {port}',
    ),
    "pattern/secret": FaultText(
        "Ở đây không ghi mật khẩu hay tên đăng nhập, chỉ ghi tên của tệp mật khẩu.",
        'Ghi "secret:nvr1" (nvr1 là tên tự đặt) rồi đặt mật khẩu vào tệp; nếu tên đăng nhập và '
        "mật khẩu bị đổi chỗ thì đổi lại.",
        'Write "secret:nvr1" and put the password into that file; see whether user and password '
        "have changed places.",
    ),
    "host_port": FaultText(
        "Cổng không ghi sau tên máy.",
        'Viết: host = "{near}" và port = {port}',
        'write host = "{near}" and port = {port}',
    ),
    "plain_broker": FaultText(
        "Kết nối MQTT tới máy khác phải mã hóa.",
        "Thêm mục [broker.tls] với ca, cert, key; hoặc đăng ký: sudo camera-gateway enrol.",
        "Add [broker.tls] with ca, cert, key; or enrol: sudo camera-gateway enrol.",
    ),
    "missing": FaultText("Thiếu mục bắt buộc “{key}”.", "Thêm mục đó vào chỗ này.", "add it here"),
    "incomplete": FaultText(
        "Thiếu tên đăng nhập đi cùng mật khẩu.",
        "Thêm “username” với tên đăng nhập của thiết bị.",
    ),
    "duplicate_key": FaultText(
        "Tên mục này xuất hiện hai lần.", "Xóa một trong hai.", "remove one of them"
    ),
    "empty": FaultText("Tệp trống.", "Chép lại tệp, hoặc tạo lại bằng camera-gateway setup."),
    "identity.province": FaultText(
        "Mã tỉnh không có trong danh mục, hoặc không khớp với địa điểm.",
        'Kiểm tra province (34 tỉnh từ 7/2025; mã cũ cần province_scheme = "vn-2020") và địa điểm '
        "trong danh sách camera.",
    ),
    "type/top": FaultText(
        "Cả tệp phải là một nhóm trong ngoặc nhọn.", 'Viết {{ "cameras": [ … ] }}'
    ),
    "pattern": FaultText("{got} viết không đúng mẫu.", "Phải là: {allowed}"),
    "choice": FaultText("{got} không phải giá trị được phép.", "Được phép: {allowed}"),
    "unknown_key": FaultText("Không có mục nào tên “{got}”.", "Có phải ý bạn là “{near}”?"),
    "unknown_key/none": FaultText("Không có mục nào tên “{got}”.", "Ở đây có: {allowed}"),
    "duplicate": FaultText("{got} đã được dùng ở mục thứ {before} (đếm từ 0)."),
    "encoding/bom": FaultText(
        "Tệp bắt đầu bằng dấu BOM (do Notepad của Windows thêm vào).",
        "Lưu lại dạng “UTF-8” thay vì “UTF-8 with BOM”, hoặc chạy: "
        "sed -i '1s/^\\xEF\\xBB\\xBF//' TỆP",
    ),
    "encoding/utf16": FaultText(
        "Tệp được lưu dạng UTF-16 (Notepad gọi là “Unicode”).",
        "Mở tệp và lưu lại với mã “UTF-8”.",
    ),
    "encoding/cr": FaultText(
        "Các dòng kết thúc bằng ký tự CR (kiểu Mac cũ).",
        "Lưu lại với dấu xuống dòng “LF” (Unix), hoặc chạy: sed -i 's/\\r/\\n/g' TỆP",
    ),
    "encoding": FaultText(
        "Dòng {line} có ký tự không phải UTF-8.", "Mở tệp và lưu lại với mã UTF-8."
    ),
    "file/missing": FaultText("Không có tệp {path}.", "Kiểm tra lại đường dẫn và tên tệp."),
    "file/denied": FaultText("Không có quyền đọc tệp {path}.", "Chạy lại bằng sudo."),
    "file/folder": FaultText("{path} là thư mục, không phải tệp.", "Viết cả tên tệp."),
    "file/other": FaultText("Không đọc được tệp {path} ({why}).", "Kiểm tra thẻ nhớ hoặc ổ đĩa."),
    "key.file/permissions": FaultText(
        "Tệp khóa {path} người khác cũng đọc được.", "Chạy: chmod 600 {path}"
    ),
    "key.file/passphrase": FaultText(
        "Tệp khóa {path} được khóa bằng mật khẩu, phần mềm không hỏi mật khẩu đó.",
        "Tạo khóa bằng: {program} keys make cfg-2026a",
    ),
    "key.file/content": FaultText(
        "{path} không phải khóa bí mật Ed25519.",
        "Chọn đúng tệp .key; tạo khóa bằng: {program} keys make cfg-2026a",
    ),
    "key.file/name": FaultText(
        "Tên tệp khóa {path} phải là mã khóa.", "Đổi tên tệp, ví dụ cfg-2026a.key."
    ),
    "key.purpose": FaultText(
        "{path} không phải khóa cho việc này.", "Dùng tệp khóa có tên {purpose}-….key."
    ),
    "size": FaultText("Tệp quá lớn, tối đa {max} byte."),
    "syntax": FaultText("Dòng {line}, cột {column}: sai cú pháp."),
    "syntax/comma": FaultText(
        "Dòng {line}, cột {column}: thiếu dấu phẩy trước chỗ này.",
        "Thêm dấu phẩy vào cuối mục đứng trước.",
    ),
    "syntax/trailing_comma": FaultText(
        "Dòng {line}, cột {column}: thừa dấu phẩy trước dấu đóng ngoặc.",
        "Xóa dấu phẩy sau mục cuối cùng.",
    ),
    "syntax/colon": FaultText(
        "Dòng {line}, cột {column}: thiếu dấu hai chấm sau tên mục.", 'Viết "tên": giá trị.'
    ),
    "syntax/single_quotes": FaultText(
        "Dòng {line}, cột {column}: dùng dấu nháy đơn.", 'Dùng dấu nháy kép thẳng: "…"'
    ),
    "syntax/curly_quotes": FaultText(
        "Dòng {line}, cột {column}: dấu nháy cong (do Word hoặc Zalo đổi).",
        'Xóa và gõ lại dấu nháy kép thẳng: "',
    ),
    "syntax/fullwidth": FaultText(
        "Dòng {line}, cột {column}: ký tự toàn khổ (bàn phím Trung, Nhật).",
        "Xóa và gõ lại ký tự đó bằng bàn phím thường.",
    ),
    "syntax/invisible": FaultText(
        "Dòng {line}, cột {column}: có ký tự không nhìn thấy (chép từ Word hoặc web).",
        "Xóa chỗ đó và gõ lại dấu cách thường.",
    ),
    "syntax/line_comma": FaultText(
        "Dòng {line}, cột {column}: thừa dấu phẩy ở cuối dòng.", "Xóa dấu phẩy đó."
    ),
    "syntax/control": FaultText(
        "Dòng {line}, cột {column}: có ký tự điều khiển bên trong dấu nháy.", "Xóa và gõ lại."
    ),
    "syntax/json_file": FaultText(
        "Đây là tệp JSON, nhưng chỗ này cần tệp cấu hình TOML.",
        "Kiểm tra tên hai tệp: gateway.toml và site.json có bị đổi chỗ không.",
    ),
    "syntax/toml_file": FaultText(
        "Đây là tệp cấu hình TOML, nhưng chỗ này cần tệp JSON.",
        "Kiểm tra tên hai tệp: gateway.toml và site.json có bị đổi chỗ không.",
    ),
    "syntax/foreign": FaultText(
        "Đây không phải tệp JSON (có thể là trang web, tệp nén hoặc tệp Office).",
        "Chép lại đúng tệp.",
    ),
    "syntax/unquoted": FaultText(
        "Dòng {line}, cột {column}: thiếu dấu nháy quanh tên hoặc chữ.", 'Đặt trong dấu nháy: "…"'
    ),
    "syntax/comment": FaultText(
        "Dòng {line}, cột {column}: JSON không có chú thích (//, #, /*).", "Xóa phần chú thích."
    ),
    "syntax/word": FaultText(
        "Dòng {line}, cột {column}: true, false và null phải viết chữ thường.",
        "Viết true, false hoặc null.",
    ),
    "syntax/unclosed_text": FaultText(
        "Dòng {line}, cột {column}: chữ bắt đầu ở đây không có dấu nháy đóng.",
        "Thêm dấu nháy đóng ở cuối.",
    ),
    "syntax/line_break": FaultText(
        "Dòng {line}, cột {column}: có dấu xuống dòng hoặc tab bên trong dấu nháy.",
        "Viết phần chữ trên một dòng, và đóng dấu nháy.",
    ),
    "syntax/backslash": FaultText(
        "Dòng {line}, cột {column}: dấu \\ không dùng được như vậy.", "Viết \\\\ hoặc dùng /."
    ),
    "syntax/equals": FaultText(
        "Dòng {line}, cột {column}: thiếu dấu bằng sau tên mục.", "Viết: tên = giá trị"
    ),
    "syntax/toml_comment": FaultText(
        "Dòng {line}, cột {column}: chú thích viết sai.", "Chú thích bắt đầu bằng dấu #."
    ),
    "syntax/twice": FaultText(
        "Dòng {line}: mục hoặc tên này đã có ở phía trên.", "Xóa một trong hai, hoặc gộp lại."
    ),
    "syntax/bracket": FaultText(
        "Dòng {line}, cột {column}: dấu đóng ngoặc không khớp với dấu mở.",
        "Kiểm tra [ ] và {{ }} ở các dòng trước.",
    ),
    "syntax/unclosed": FaultText(
        "Tệp kết thúc ở dòng {line} mà chưa đóng hết ngoặc.", "Thêm dấu ] hoặc }} còn thiếu."
    ),
    "syntax/behind": FaultText(
        "Dòng {line}, cột {column}: còn nội dung sau dấu đóng ngoặc cuối cùng.",
        "Xóa phần thừa, hoặc bỏ dấu đóng ngoặc thừa phía trước.",
    ),
    "syntax/value": FaultText("Dòng {line}, cột {column}: thiếu giá trị ở chỗ này."),
    "secret.content/bom": FaultText(
        "Tệp mật khẩu {path} bắt đầu bằng dấu BOM (do Notepad của Windows thêm vào).",
        "Tạo lại tệp trên máy này: systemd-ask-password > {path}",
    ),
    "secret.content/cr": FaultText(
        "Tệp mật khẩu {path} có ký tự xuống dòng kiểu Windows (CR) bên trong.",
        "Chạy: sudo sed -i 's/\\r//g' {path}",
    ),
    "secret.space": FaultText(
        "Tệp mật khẩu {path} có dấu cách ở đầu hoặc cuối; dấu cách được gửi như một phần mật khẩu.",
        "Nếu mật khẩu không có dấu cách đó: xóa rồi lưu lại.",
    ),
    "secret.quotes": FaultText(
        "Tệp mật khẩu {path} có dấu nháy bao quanh; dấu nháy được gửi như một phần mật khẩu.",
        "Nếu mật khẩu không có dấu nháy: xóa hai dấu nháy rồi lưu lại.",
    ),
    "secret.named": FaultText(
        "Tệp mật khẩu {path} bắt đầu bằng tên mục rồi dấu = hoặc :; cả dòng được gửi làm mật khẩu.",
        "Chỉ để lại mật khẩu trên dòng đó.",
    ),
    "secret.ascii": FaultText(
        "Mật khẩu trong {path} có chữ có dấu hoặc ký tự toàn khổ; nhiều đầu ghi không nhận.",
        "Kiểm tra lại; nếu gõ nhầm bộ gõ tiếng Việt thì tắt bộ gõ và gõ lại.",
    ),
    "secret.content/invisible": FaultText(
        "Tệp mật khẩu {path} có ký tự không nhìn thấy (do chép từ Word, Zalo hoặc web).",
        "Gõ lại trên máy này: systemd-ask-password > {path}",
    ),
    "secret.content/tab": FaultText("Tệp mật khẩu {path} có dấu tab.", "Xóa dấu tab rồi lưu lại."),
    "secret.content/lines": FaultText(
        "Tệp mật khẩu {path} có {got} dòng; chỉ được một dòng.", "Chỉ để lại dòng mật khẩu."
    ),
    "secret.content/empty": FaultText(
        "Tệp mật khẩu {path} trống.", "Tạo lại: systemd-ask-password > {path}"
    ),
    "secret.content/utf8": FaultText(
        "Tệp mật khẩu {path} không phải dạng văn bản UTF-8 (có thể là UTF-16 của Windows).",
        "Tạo lại tệp trên máy này: systemd-ask-password > {path}",
    ),
    "secret.content/control": FaultText(
        "Tệp mật khẩu {path} có ký tự điều khiển.",
        "Tạo lại tệp trên máy này: systemd-ask-password > {path}",
    ),
    "secret.missing": FaultText(
        "Không có tệp mật khẩu của “{name}”.",
        "Tạo tệp: sudo sh -c 'umask 077; systemd-ask-password > {path}'",
    ),
    "secret.permissions": FaultText(
        "Tệp mật khẩu {path} người khác cũng đọc được (quyền {mode}).",
        "Chạy: sudo chmod 600 {path}",
    ),
}
"""By code, by ``code/kind``, and by ``probe:code``."""


def text_of(fault: Fault, plain: str = "", *, use: str = "") -> FaultText:
    """Return what *fault* says in Vietnamese, its values filled in.

    Args:
        fault: Its code, its kind (`args`), its values.
        plain: Of its code, said where no row fits.
        use: ``probe``: the URL was typed at a command.
    """
    kind = fault.args.get("kind")
    keys = [f"{fault.code}/{kind}"] if kind else []
    keys.append(fault.code)
    if use:
        keys = [f"{use}:{key}" for key in keys] + keys
    values = {"program": PROGRAM, **fault.args}
    for key in keys:
        row = TEXTS.get(key)
        if row is None:
            continue
        try:
            said = (text.format_map(values) for text in (row.vi, row.vi_todo, row.en_todo))
            return FaultText(*said)
        except (KeyError, ValueError, IndexError):
            continue
    return FaultText(plain)

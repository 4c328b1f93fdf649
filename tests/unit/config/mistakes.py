"""What installers type wrongly, and what `check` says of it: the rows of docs/mistakes.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

TOML = """\
[gateway]
id = "hcm-q1-01"
province = "79"
[broker]
host = "127.0.0.1"
port = 1883
[cameras]
networks = ["192.168.1.0/24"]
[state]
dir = "state"
secrets = "secrets"
"""
URL = "rtsp://192.168.1.10/1"
SITE = json.dumps(
    {
        "cameras": [
            {
                "id": "quay3",
                "name": "Quầy 3",
                "username": "admin",
                "password": "secret:nvr1",
                "streams": [{"url": URL}],
            }
        ]
    },
    ensure_ascii=False,
    indent=1,
)
FILES = {"gateway.toml": TOML, "site.json": SITE, "secrets/camera/nvr1": "matkhau1\n"}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake.

    Attributes:
        what: In English, for the table.
        file: In which it is.
        before: What stands there; empty: the whole file.
        after: What stands there instead.
        vi: What is said, from its first word on.
        todo: Of the cure, a part.
        code: How the file is encoded.
    """

    what: str
    file: str
    before: str
    after: str
    vi: str
    todo: str
    code: str = "utf-8"

    def write(self, folder: Path) -> None:
        """Write the files into *folder*, with the mistake."""
        for name, text in FILES.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            code = self.code if name == self.file else "utf-8"
            wrong = self.after if not self.before else text.replace(self.before, self.after, 1)
            path.touch(mode=0o600)
            path.write_bytes((wrong if name == self.file else text).encode(code))
        (folder / "state").mkdir()


G, S, P = "gateway.toml", "site.json", "secrets/camera/nvr1"
MISTAKES = (
    Mistake("UTF-16", G, "79", "79", "Tệp được lưu dạng UTF-16", "UTF-8", "utf-16"),
    Mistake("UTF-16", S, "Quầy", "Quầy", "Tệp được lưu dạng UTF-16", "UTF-8", "utf-16-le"),
    Mistake("UTF-16", P, "m", "m", "Tệp mật khẩu", "systemd-ask-password", "utf-16"),
    Mistake("byte order mark", G, "79", "79", "Tệp bắt đầu bằng dấu BOM", "sed -i", "utf-8-sig"),
    Mistake("byte order mark", S, "79", "79", "Tệp bắt đầu bằng dấu BOM", "sed -i", "utf-8-sig"),
    Mistake("byte order mark", P, "m", "m", "Tệp mật khẩu", "systemd-ask-password", "utf-8-sig"),
    Mistake("CR for line ends", G, TOML, TOML.replace("\n", "\r"), "Các dòng kết thúc", "LF"),
    Mistake("curly quotes", G, '"79"', "“79”", "Dòng 3, cột 12: dấu nháy cong", "gõ lại"),
    Mistake("curly quotes", S, '"quay3"', "“quay3”", "Dòng 4, cột 10: dấu nháy cong", "gõ lại"),
    Mistake("full-width colon", S, '"id":', '"id"：', "Dòng 4, cột 8: ký tự toàn khổ", "gõ lại"),
    Mistake("full-width digits", G, '"79"', '"７９"', "'７９': mã tỉnh", 'Viết: "79"'),
    Mistake(
        "a space of Word", G, "province =", "province\u00a0=", "Dòng 3, cột 9: có ký tự", "gõ lại"
    ),
    Mistake("a tab within quotes", S, "Quầy 3", "Quầy\t3", "Dòng 5, cột 17: có dấu", "một dòng"),
    Mistake("a comma too many", S, f'"{URL}"', f'"{URL}",', "Dòng 11, cột 5: thừa dấu", "Xóa"),
    Mistake("a comma too many", G, '"79"', '"79",', "Dòng 3, cột 16: thừa dấu phẩy", "Xóa"),
    Mistake("a comma too few", S, '"quay3",', '"quay3"', "Dòng 5, cột 4: thiếu dấu phẩy", "Thêm"),
    Mistake("a comment in JSON", S, '"quay3",', '"quay3", // x', "Dòng 4, cột 19: JSON", "Xóa"),
    Mistake("a comment by ;", G, "[broker]", "; x\n[broker]", "Dòng 4, cột 1: chú thích", "#"),
    Mistake("a key twice", S, '"id": "quay3",', '"id": "a", "id": "b",', "Tên mục này", "Xóa một"),
    Mistake("a key twice", G, "[broker]", 'id = "x"\n[broker]', "Dòng 4: mục hoặc tên", "Xóa một"),
    Mistake("the files swapped", S, "", TOML, "Đây là tệp cấu hình TOML", "đổi chỗ"),
    Mistake("the files swapped", G, "", SITE, "Đây là tệp JSON", "đổi chỗ"),
    Mistake("a web page saved", S, "", "<html>login</html>", "Đây không phải tệp JSON", "Chép lại"),
    Mistake("a province's name", G, '"79"', '"Bắc Giang"', "Phải ghi mã tỉnh", 'Viết: "24" (Bắc G'),
    Mistake("a number for text", G, '"79"', "24", "“province” phải là chữ", 'Viết: "24"'),
    Mistake("a mistyped key", G, "province", "provnce", "Thiếu mục bắt buộc “province”", "Thêm"),
    Mistake("an id with a space", S, '"quay3"', '"Quầy 3"', "'Quầy 3': chỉ được 1 đến", '"quay3"'),
    Mistake("http:// before a host", G, '"127.0.0.1"', '"http://127.0.0.1/"', "'http://", '"127.0'),
    Mistake(
        "a port behind a host", G, '"127.0.0.1"', '"127.0.0.1:1883"', "Cổng không", "port = 1883"
    ),
    Mistake("no scheme", S, URL, "192.168.1.10", "Địa chỉ thiếu giao thức", "Viết đủ"),
    Mistake("one slash", S, URL, "rtsp:/192.168.1.10/1", "Sau giao thức rtsp phải", "rtsp://"),
    Mistake("HTTP", S, URL, "http://192.168.1.10/1", "Giao thức http:// chưa được mở", "schemes"),
    Mistake("login in the address", S, URL, "rtsp://a:b@192.168.1.10/1", "Địa chỉ chứa tên", "Xóa"),
    Mistake(
        "another port", S, URL, "rtsp://192.168.1.10:5544/1", "Cổng 5544 chưa được mở", "ports"
    ),
    Mistake("no port", S, URL, "rtsp://192.168.1.10:99999/1", "Cổng 99999 không hợp lệ", "65535"),
    Mistake("no address", S, URL, "rtsp://192.168.1.300/1", "“192.168.1.300” không phải", "bốn số"),
    Mistake("outside the networks", S, URL, "rtsp://10.9.9.9/1", "10.9.9.9 nằm ngoài", "networks"),
    Mistake("no list", G, '["192.168.1.0/24"]', '"192.168.1.0/24"', "“networks” phải là", '["192'),
    Mistake("no mask", G, "192.168.1.0/24", "192.168.1.0", "192.168.1.0 thiếu mặt nạ", "/24"),
    Mistake("a star", G, "192.168.1.0/24", "192.168.1.*", "'192.168.1.*' không phải dải", ".0/24"),
    Mistake("two in one", G, "1.0/24", "1.0/24, 10.0.0.0/8", "'192.168.1.0/24, 10", "một dấu nháy"),
    Mistake(
        "password in clear", S, "secret:nvr1", "matkhau1", "Ở đây không ghi mật khẩu", "secret:"
    ),
    Mistake("two lines", P, "", "admin\nmatkhau1\n", "Tệp mật khẩu", "Chỉ để lại dòng mật khẩu"),
    Mistake("quotes around it", P, "", '"matkhau1"\n', "Tệp mật khẩu", "xóa hai dấu nháy"),
    Mistake("its name before it", P, "", "password=matkhau1\n", "Tệp mật khẩu", "Chỉ để lại mật"),
    Mistake("a space before it", P, "", " matkhau1\n", "Tệp mật khẩu", "không có dấu cách đó"),
    Mistake("marks from a keyboard", P, "", "mâtkhau1\n", "Mật khẩu trong", "tắt bộ gõ"),
    Mistake(
        "an unseen character", P, "", "\u200bmatkhau1\n", "Tệp mật khẩu", "Gõ lại trên máy này"
    ),
)

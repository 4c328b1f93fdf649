"""Why an enrolment failed, in Vietnamese and English: what it is, and what to do about it."""

from __future__ import annotations

from enum import StrEnum

from gateway.model.reasons import Wording


class EnrolmentReason(StrEnum):
    """Every way in which an enrolment or a renewal ends badly."""

    CODE_EMPTY = "code.empty"
    CODE_LENGTH = "code.length"
    CODE_SYMBOL = "code.symbol"
    CODE_CHECK = "code.check"
    CODE_UNKNOWN = "code.unknown"
    CODE_EXPIRED = "code.expired"
    CODE_USED = "code.used"
    CODE_EXHAUSTED = "code.exhausted"
    URL = "url"
    UNREACHABLE = "unreachable"
    NOT_ENROLMENT = "not_enrolment"
    WRONG_CA = "wrong_ca"
    CLOCK = "clock"
    REQUEST = "request"
    TOO_OFTEN = "too_often"
    REVOKED = "revoked"
    KEY_UNKNOWN = "key_unknown"
    CENTRE_FAULT = "centre_fault"
    NOT_ROOT = "not_root"
    SETTINGS = "settings"
    DISK = "disk"


_R = EnrolmentReason

WORDING: dict[EnrolmentReason, Wording] = {
    _R.CODE_EMPTY: Wording(
        "Chưa nhập mã đăng ký",
        "No code is given",
        "Nhập 20 ký tự mà trung tâm đọc cho, ví dụ 7K3M-Q9TX-….",
        "Type the 20 symbols that the centre tells you, e.g. 7K3M-Q9TX-….",
    ),
    _R.CODE_LENGTH: Wording(
        "Mã đăng ký phải có đúng 20 ký tự",
        "A code has exactly 20 symbols",
        "Đếm lại: năm nhóm, mỗi nhóm bốn ký tự; dấu gạch và dấu cách không tính.",
        "Count again: five groups of four; dashes and spaces do not count.",
    ),
    _R.CODE_SYMBOL: Wording(
        "Mã đăng ký có ký tự không thuộc mã",
        "There is a symbol that no code has",
        "Mã chỉ có chữ số và chữ cái không dấu, không có chữ U; hãy hỏi lại nhóm đó.",
        "A code has 0-9 and A-Z without I, L, O and U; ask for that group again.",
    ),
    _R.CODE_CHECK: Wording(
        "Mã đăng ký gõ sai: ký tự kiểm tra không khớp",
        "The code is mistyped: its check symbols do not fit",
        "Nghe đọc lại và so từng nhóm bốn ký tự.",
        "Have it told again and compare group by group.",
    ),
    _R.CODE_UNKNOWN: Wording(
        "Trung tâm không biết mã đăng ký này",
        "The centre does not know this code",
        "Hỏi trung tâm: mã có thể đã bị mã mới thay thế. Xin mã mới.",
        "Ask the centre: a newer code may have replaced it. Ask for a new one.",
    ),
    _R.CODE_EXPIRED: Wording(
        "Mã đăng ký đã hết hạn (72 giờ)",
        "The code has expired (72 hours)",
        "Xin trung tâm mã mới: camera-console centre enrol, hoặc trên trang quản trị.",
        "Ask the centre for a new one: camera-console centre enrol, or its page.",
    ),
    _R.CODE_USED: Wording(
        "Mã đăng ký đã được một máy khác dùng",
        "Another machine has used the code",
        "Nếu bạn không đăng ký máy nào khác bằng mã này, báo ngay cho trung tâm để thu hồi; "
        "rồi xin mã mới.",
        "If you have enrolled no other machine with it, tell the centre at once, so that it is "
        "revoked; then ask for a new code.",
    ),
    _R.CODE_EXHAUSTED: Wording(
        "Mã đăng ký bị khóa vì thử quá nhiều lần",
        "The code is locked: it was tried too often",
        "Xin trung tâm mã mới.",
        "Ask the centre for a new one.",
    ),
    _R.URL: Wording(
        "Địa chỉ trung tâm viết không đúng",
        "The centre's address is not valid",
        "Viết dạng https://10.1.2.3:8443 hoặc https://trungtam.example:8443, không gì sau cổng.",
        "Write https://10.1.2.3:8443 or https://centre.example:8443, with nothing after the port.",
    ),
    _R.UNREACHABLE: Wording(
        "Không tới được trung tâm",
        "The centre cannot be reached",
        "Kiểm tra cáp mạng, địa chỉ, cổng và tường lửa: từ máy này, thử camera-gateway doctor.",
        "Check cable, address, port and firewall: camera-gateway doctor on this machine.",
    ),
    _R.NOT_ENROLMENT: Wording(
        "Máy chủ ở địa chỉ này không phải máy chủ đăng ký",
        "The server at this address is no enrolment server",
        "Kiểm tra địa chỉ và cổng (mặc định 8443); có thể một máy chủ web hay proxy trả lời thay.",
        "Check address and port (8443 by default); a web server or proxy may answer instead.",
    ),
    _R.WRONG_CA: Wording(
        "Máy chủ không phải trung tâm đã cấp mã: vân tay không khớp",
        "The server is not the centre that gave the code: the fingerprint differs",
        "Không có gì được gửi đi. Kiểm tra địa chỉ; nếu đúng, có thể có máy đứng giữa: báo trung "
        "tâm và không thử lại trên mạng này.",
        "Nothing was sent. Check the address; if it is right, somebody may stand between: tell the "
        "centre and do not try again on this network.",
    ),
    _R.CLOCK: Wording(
        "Đồng hồ của máy này sai: chứng thư của trung tâm chưa hoặc không còn hiệu lực",
        "This machine's clock is wrong: the centre's certificate is not valid yet, or no longer",
        "Xem giờ bằng timedatectl; đặt lại: sudo timedatectl set-time 'yyyy-MM-dd HH:mm:ss', rồi "
        "chạy lại lệnh.",
        "Look: timedatectl; set: sudo timedatectl set-time 'yyyy-MM-dd HH:mm:ss'; try again.",
    ),
    _R.REQUEST: Wording(
        "Trung tâm không đọc được yêu cầu",
        "The centre cannot read the request",
        "Cài cùng một phiên bản ở hai bên rồi thử lại.",
        "Install the same version on both sides and try again.",
    ),
    _R.TOO_OFTEN: Wording(
        "Thử quá nhiều lần từ địa chỉ này",
        "Too many attempts from this address",
        "Chờ mười phút rồi thử lại một lần.",
        "Wait ten minutes, then try once.",
    ),
    _R.REVOKED: Wording(
        "Trung tâm đã thu hồi điểm này",
        "The centre has revoked this site",
        "Liên hệ trung tâm; muốn dùng lại thì xin mã đăng ký mới.",
        "Ask the centre; a new code enrols it again.",
    ),
    _R.KEY_UNKNOWN: Wording(
        "Trung tâm không cấp chứng thư cho khóa của máy này",
        "The centre has issued no certificate for this machine's key",
        "Đăng ký lại bằng mã mới: sudo camera-gateway enrol.",
        "Enrol again with a new code: sudo camera-gateway enrol.",
    ),
    _R.CENTRE_FAULT: Wording(
        "Trung tâm gặp lỗi khi cấp chứng thư",
        "The centre failed to issue a certificate",
        "Báo trung tâm xem nhật ký của trang điều hành; mã vẫn dùng được.",
        "Have the centre look at its console's log; the code stays good.",
    ),
    _R.NOT_ROOT: Wording(
        "Phải chạy lệnh này với quyền root",
        "This must be run as root",
        "Chạy lại với sudo.",
        "Run it again with sudo.",
    ),
    _R.SETTINGS: Wording(
        "Không sửa được tệp cấu hình gateway.toml",
        "The settings file gateway.toml cannot be changed",
        "Chạy camera-gateway check để xem lỗi, sửa rồi chạy lại; chưa có gì bị thay đổi.",
        "camera-gateway check says what is wrong; mend it and try again. Nothing was changed.",
    ),
    _R.DISK: Wording(
        "Không ghi được tệp; những gì có trước vẫn nguyên",
        "A file cannot be written; what was there is untouched",
        "Kiểm tra ổ đĩa đầy hoặc chỉ đọc (df -h, mount), rồi chạy lại cùng mã đó.",
        "Look whether the disk is full or read-only (df -h, mount); the same code works again.",
    ),
}


class EnrolmentError(Exception):
    """An enrolment, or a renewal, that was not done. Nothing on this machine has changed.

    Attributes:
        reason: Why.
        detail: What was found, for people; holds no code and no key.
    """

    def __init__(self, reason: EnrolmentReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail

    @property
    def wording(self) -> Wording:
        """What it is and what to do."""
        return WORDING[self.reason]

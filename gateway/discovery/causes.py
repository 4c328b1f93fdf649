"""Why a device told no more: codes, and for each what an installer reads and can do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.reasons import Wording


class CauseCode(StrEnum):
    """Why a device could not be asked further. The value is what is sent."""

    NO_ACCOUNT = "no_account"
    WRONG_LOGIN = "wrong_login"
    LOCKED = "locked"
    NOT_TRIED = "not_tried"
    NO_RIGHTS = "no_rights"
    UNSUPPORTED_LOGIN = "unsupported_login"
    NO_SESSION = "no_session"
    SLOW = "slow"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    HOSTILE = "hostile"
    REDIRECTS = "redirects"
    OUTSIDE = "outside"
    NO_INTERFACE = "no_interface"
    NO_CHANNEL = "no_channel"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a device could not be asked further.

    Attributes:
        code: Which cause.
        detail: What was seen, in English, for support; printable, without secrets.
    """

    code: CauseCode
    detail: str = ""

    @property
    def wording(self) -> Wording:
        """What a person reads: the fact, and what to do about it."""
        return WORDING[self.code]


WORDING: dict[CauseCode, Wording] = {
    CauseCode.NO_ACCOUNT: Wording(
        "Thiết bị yêu cầu đăng nhập, chưa có tài khoản",
        "The device asks for a login, and none was given",
        "Cho tài khoản của đầu ghi: --account TÊN --password-file TỆP.",
        "Give the recorder's account: --account USER --password-file FILE.",
    ),
    CauseCode.WRONG_LOGIN: Wording(
        "Sai tài khoản hoặc mật khẩu",
        "The device refuses the user or the password",
        "Đăng nhập thử trên trang web của thiết bị. Hệ thống chỉ thử một lần để không bị khoá; "
        "Hikvision có tài khoản ONVIF riêng.",
        "Try the account on the device's own page. We try once only, so as not to be locked out; "
        "Hikvision has ONVIF users of its own.",
    ),
    CauseCode.LOCKED: Wording(
        "Thiết bị đang khoá tài khoản vì đăng nhập sai nhiều lần",
        "The device has locked the account after too many wrong logins",
        "Chờ 30 phút hoặc khởi động lại thiết bị, rồi thử lại với mật khẩu đúng.",
        "Wait 30 minutes or restart the device, then try again with the right password.",
    ),
    CauseCode.NOT_TRIED: Wording(
        "Không thử đăng nhập: thiết bị vừa từ chối tài khoản nhiều lần",
        "No login was tried: the device has just refused several",
        "Chờ 30 phút để thiết bị không khoá tài khoản, và kiểm tra lại mật khẩu.",
        "Wait 30 minutes, lest the device locks the account, and check the password.",
    ),
    CauseCode.NO_RIGHTS: Wording(
        "Tài khoản không có quyền xem cấu hình thiết bị, hoặc đang bị khoá",
        "The account may not read the device's settings, or is locked",
        "Cấp quyền xem từ xa và đọc cấu hình cho tài khoản trên thiết bị.",
        "Give the account the rights to view remotely and to read parameters.",
    ),
    CauseCode.UNSUPPORTED_LOGIN: Wording(
        "Thiết bị yêu cầu cách đăng nhập không được hỗ trợ",
        "The device asks for a kind of login that is not supported",
        "Đặt xác thực của thiết bị thành Digest; mật khẩu không được gửi dạng rõ (Basic).",
        "Set the device's authentication to Digest; the password is not sent in clear (Basic).",
    ),
    CauseCode.NO_SESSION: Wording(
        "Thiết bị hết phiên đăng nhập hoặc phiên xem",
        "The device has no session left",
        "Đóng bớt phần mềm đang xem thiết bị rồi thử lại sau một phút.",
        "Close other programs that view this device, and try again in a minute.",
    ),
    CauseCode.SLOW: Wording(
        "Thiết bị không trả lời kịp",
        "The device does not answer in time",
        "Kiểm tra tải của thiết bị và mạng nội bộ rồi dò lại.",
        "Check the device's load and the local network, then look again.",
    ),
    CauseCode.UNREACHABLE: Wording(
        "Không tới được thiết bị",
        "The device cannot be reached",
        "Kiểm tra nguồn điện, cáp mạng, địa chỉ IP và cổng của thiết bị.",
        "Check the device's power, cable, IP address and ports.",
    ),
    CauseCode.BROKEN: Wording(
        "Thiết bị trả lời không đúng chuẩn",
        "The device answers in a way that cannot be read",
        "Cập nhật phần mềm của thiết bị, hoặc khai báo camera bằng tay.",
        "Update the device's firmware, or enter its cameras by hand.",
    ),
    CauseCode.HOSTILE: Wording(
        "Thiết bị gửi dữ liệu bất thường, đã ngắt kết nối",
        "The device sends what no camera should; it was cut off",
        "Kiểm tra thiết bị có bị can thiệp; cập nhật phần mềm hoặc thay thiết bị.",
        "Check whether the device was tampered with; update or replace it.",
    ),
    CauseCode.REDIRECTS: Wording(
        "Thiết bị chuyển hướng sang nơi khác, đã từ chối",
        "The device redirects elsewhere; refused",
        "Kiểm tra thiết bị có bị can thiệp; nếu nó chỉ chấp nhận HTTPS, hãy bật HTTP trong mạng "
        "camera.",
        "Check whether it was tampered with; if it takes HTTPS only, switch HTTP on in the camera "
        "network.",
    ),
    CauseCode.OUTSIDE: Wording(
        "Địa chỉ nằm ngoài dải mạng camera",
        "The address is outside the camera networks",
        "Thêm dải mạng vào [cameras] networks trong gateway.toml nếu đây đúng là camera.",
        "Add its network to [cameras] networks in gateway.toml if this is a camera.",
    ),
    CauseCode.NO_INTERFACE: Wording(
        "Thiết bị không có ONVIF, ISAPI hay CGI, hoặc chưa bật",
        "The device has neither ONVIF, ISAPI nor CGI, or they are switched off",
        "Bật ONVIF trên thiết bị, hoặc thêm theo mẫu của hãng: camera-gateway add --maker ….",
        "Switch ONVIF on in the device, or add it by its maker's template: camera-gateway add "
        "--maker ….",
    ),
    CauseCode.NO_CHANNEL: Wording(
        "Thiết bị không có kênh hình nào",
        "The device has no video channel",
        "Kiểm tra camera đã được thêm vào đầu ghi và tài khoản được xem các kênh.",
        "See that cameras were added to the recorder, and that the account may view its channels.",
    ),
}

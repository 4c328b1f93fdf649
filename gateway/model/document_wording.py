"""What the reasons about monthly documents say, in Vietnamese (NFC) and English."""

from __future__ import annotations

from gateway.model.reasons import Reason, Wording

DOCUMENT_WORDING: dict[Reason, Wording] = {
    Reason.DOCUMENT_MISSING: Wording(
        "Chưa có báo cáo tháng",
        "A monthly document is not there",
        "Đặt tệp đúng tên vào thư mục hoặc máy chủ đã khai báo ở [documents] trước hạn.",
        "Put the file, named as its template says, where [documents] looks, before it is due.",
    ),
    Reason.DOCUMENT_SOURCE: Wording(
        "Không đọc được nơi để báo cáo tháng",
        "The place of the monthly documents cannot be read",
        "Kiểm tra thư mục hoặc máy chủ ở mục [documents], quyền đọc và tài khoản.",
        "Check folder or server in [documents], the right to read it, and the account.",
    ),
    Reason.DOCUMENT_INVALID: Wording(
        "Báo cáo tháng không đúng mẫu",
        "A monthly document is not as its template says",
        "Sửa các ô được nêu (camera-gateway documents check TỆP) rồi lưu lại; máy tự gửi.",
        "Correct the cells named (camera-gateway documents check FILE) and save; it is sent then.",
    ),
    Reason.DOCUMENT_REFUSED: Wording(
        "Trung tâm không nhận báo cáo tháng",
        "The centre has refused a monthly document",
        "Xem camera-gateway documents status: sửa tệp, hoặc báo trung tâm nếu mẫu hai nơi khác "
        "nhau.",
        "See camera-gateway documents status: correct the file, or tell the centre where the "
        "templates differ.",
    ),
    Reason.DOCUMENT_UNCONFIRMED: Wording(
        "Trung tâm chưa xác nhận báo cáo tháng",
        "The centre has not acknowledged a monthly document",
        "Chờ đường truyền; nếu kéo dài, hỏi trung tâm đã bật nhận báo cáo và khóa doc- chưa.",
        "Wait for the line; if it lasts, ask the centre whether it takes documents, and for its "
        "doc- key.",
    ),
}
"""Part of `gateway.model.wording.WORDING`."""

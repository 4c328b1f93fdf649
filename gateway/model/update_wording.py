"""What the reasons of updates say to people, as `gateway.model.wording`."""

from __future__ import annotations

from gateway.model.reasons import Reason, Wording

UPDATE_WORDING: dict[Reason, Wording] = {
    Reason.UPDATE_BUSY: Wording(
        "Đang thử một bản cập nhật khác",
        "Another update is being tried",
        "Chờ bản đó được giữ lại hoặc bị gỡ, rồi gửi lại.",
        "Wait until that one is kept or undone, then send it again.",
    ),
    Reason.UPDATE_FORM: Wording(
        "Tệp cập nhật không đúng dạng",
        "The file is no update bundle",
        "Lấy lại tệp .update do trung tâm phát hành.",
        "Take the .update file that the centre has released.",
    ),
    Reason.UPDATE_DAMAGED: Wording(
        "Tệp cập nhật bị hỏng hoặc thiếu",
        "The update bundle is damaged or cut short",
        "Chép hoặc tải lại tệp, rồi thử lại.",
        "Copy or download the file again, and try again.",
    ),
    Reason.UPDATE_SIGNATURE: Wording(
        "Chữ ký của bản cập nhật không được máy này tin cậy",
        "The update is not signed by a release key that is trusted here",
        "Chỉ dùng bản do trung tâm ký; kiểm tra khóa rel-*.pem trong thư mục khóa tin cậy.",
        "Use what the centre has signed; check the rel-*.pem key in the folder of trusted keys.",
    ),
    Reason.UPDATE_ARCHITECTURE: Wording(
        "Bản cập nhật dành cho loại bộ xử lý khác",
        "The update is for another kind of processor",
        "Chọn bản đúng kiến trúc của thiết bị (arm64 hoặc amd64).",
        "Choose the one for this machine's architecture (arm64 or amd64).",
    ),
    Reason.UPDATE_PYTHON: Wording(
        "Bản cập nhật cần phiên bản Python khác",
        "The update needs another version of Python",
        "Chọn bản dành cho hệ điều hành của thiết bị, hoặc nâng cấp hệ điều hành trước.",
        "Choose the one for this machine's system, or upgrade the system first.",
    ),
    Reason.UPDATE_NAME: Wording(
        "Bản cập nhật dành cho chương trình khác",
        "The update is for another program",
        "Chọn bản cập nhật của camera-gateway.",
        "Choose an update of camera-gateway.",
    ),
    Reason.UPDATE_SAME: Wording(
        "Phiên bản này đang chạy rồi",
        "This very version is running already",
        "Không cần làm gì thêm; kiểm tra lại phiên bản định gửi.",
        "Nothing is left to do; check which version was meant.",
    ),
    Reason.UPDATE_OLDER: Wording(
        "Bản cập nhật cũ hơn bản đang chạy",
        "The update is older than what runs",
        "Muốn quay về bản cũ thì phải yêu cầu rõ (downgrade).",
        "To go back to an older one, ask for it (downgrade).",
    ),
    Reason.UPDATE_TOO_OLD: Wording(
        "Bản này quá cũ và có lỗ hổng đã biết, máy không cài nữa",
        "This version is below the lowest that may still be installed here",
        "Chọn một bản mới hơn.",
        "Choose a newer one.",
    ),
    Reason.UPDATE_CONTENT: Wording(
        "Nội dung bản cập nhật có mục không được phép",
        "The update holds something that no release may hold",
        "Báo cho đơn vị phát hành; bản đang chạy vẫn giữ nguyên.",
        "Tell whoever released it; what runs is untouched.",
    ),
    Reason.UPDATE_INTERRUPTED: Wording(
        "Việc cập nhật bị ngắt giữa chừng (mất điện hoặc khởi động lại), bản cũ vẫn chạy",
        "The update was interrupted (power or restart); the former version runs",
        "Gửi lại lệnh cập nhật.",
        "Send the update again.",
    ),
    Reason.UPDATE_DOWNLOAD: Wording(
        "Không tải được bản cập nhật",
        "The update cannot be downloaded",
        "Kiểm tra địa chỉ, máy chủ phát hành và đường truyền, rồi gửi lại.",
        "Check the URL, the mirror and the line, and send it again.",
    ),
    Reason.UPDATE_CRASHED: Wording(
        "Bản mới tự dừng nhiều lần, đã quay về bản trước",
        "The new version kept ending by itself; the former one runs again",
        "Gửi nhật ký cho đơn vị phát hành.",
        "Send the log to whoever released it.",
    ),
    Reason.UPDATE_SILENT: Wording(
        "Bản mới không báo tình trạng, đã quay về bản trước",
        "The new version did not say how it is; the former one runs again",
        "Gửi nhật ký cho đơn vị phát hành.",
        "Send the log to whoever released it.",
    ),
    Reason.UPDATE_UNCONNECTED: Wording(
        "Bản mới không kết nối được trung tâm, đã quay về bản trước",
        "The new version did not reach the centre; the former one runs again",
        "Kiểm tra đường truyền trong thời gian thử, rồi gửi lại.",
        "Check the line at the time of the trial, then send it again.",
    ),
    Reason.UPDATE_CAMERAS: Wording(
        "Với bản mới, một số camera không hoạt động, đã quay về bản trước",
        "Cameras that worked did not work with the new version; the former one runs again",
        "Xem danh sách camera được nêu và báo cho đơn vị phát hành.",
        "See which cameras are named, and tell whoever released it.",
    ),
}
"""Each ends with what runs now, or what to do to get there."""

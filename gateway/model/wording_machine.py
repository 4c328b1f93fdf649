"""What a person reads about the gateway's own machine and about alarms as such."""

from __future__ import annotations

from gateway.model.reasons import Reason, Wording

MACHINE: dict[Reason, Wording] = {
    Reason.OVERHEATED: Wording(
        "Thiết bị quá nóng",
        "The machine is too hot",
        "Kiểm tra quạt, lỗ thông gió và nhiệt độ phòng; chuyển thiết bị ra khỏi nơi nóng, bí.",
        "Check the fan, the vents and the room; move the machine out of heat and closed cabinets.",
    ),
    Reason.THROTTLED: Wording(
        "Thiết bị đang tự giảm tốc độ",
        "The machine is slowing itself down",
        "Kiểm tra tản nhiệt và nguồn điện của thiết bị.",
        "Check the machine's cooling and its power supply.",
    ),
    Reason.UNDERVOLTAGE: Wording(
        "Nguồn điện của thiết bị quá yếu",
        "The machine's power supply is too weak",
        "Thay bộ nguồn và cáp nguồn đúng loại của nhà sản xuất.",
        "Replace the power supply and its cable by the maker's own.",
    ),
    Reason.CPU_BUSY: Wording(
        "Bộ xử lý quá tải",
        "The processor is overloaded",
        "Đóng bớt lượt xem, giảm độ phân giải luồng phụ hoặc dùng thiết bị mạnh hơn.",
        "Close some viewers, lower the sub-streams' resolution or use a stronger machine.",
    ),
    Reason.MEMORY_LOW: Wording(
        "Thiết bị sắp hết bộ nhớ",
        "The machine is running out of memory",
        "Kiểm tra phần mềm khác trên thiết bị; khởi động lại nếu kéo dài.",
        "Check what else runs on the machine; restart it if this lasts.",
    ),
    Reason.DISK_NEARLY_FULL: Wording(
        "Sắp hết dung lượng lưu trữ",
        "The disk is nearly full",
        "Dọn bớt dữ liệu trước khi đầy hoặc thay thẻ nhớ lớn hơn.",
        "Free some space before it is full, or fit a larger card.",
    ),
    Reason.DESCRIPTORS_LOW: Wording(
        "Sắp hết số tệp và kết nối được phép mở",
        "Nearly all files and connections that may be open are open",
        "Đóng bớt lượt xem và báo cho đơn vị hỗ trợ kỹ thuật.",
        "Close some viewers and tell technical support.",
    ),
    Reason.CLOCK_UNSYNCED: Wording(
        "Đồng hồ chưa được đồng bộ",
        "The clock is not synchronised",
        "Kiểm tra máy chủ thời gian (NTP) và cổng UDP 123.",
        "Check the time server (NTP) and UDP port 123.",
    ),
    Reason.CLOCK_OFF: Wording(
        "Đồng hồ lệch quá mức",
        "The clock is wrong by too much",
        "Kiểm tra máy chủ thời gian và pin đồng hồ của thiết bị.",
        "Check the time server and the machine's clock battery.",
    ),
    Reason.RECORDER_DOWN: Wording(
        "Mất kết nối với đầu ghi, mọi camera của đầu ghi đều ngừng",
        "The recorder is lost, and all its cameras with it",
        "Kiểm tra nguồn điện, cáp mạng và địa chỉ IP của đầu ghi.",
        "Check the recorder's power, cable and IP address.",
    ),
    Reason.PARENT_DOWN: Wording(
        "Thiết bị mạng phía trước ngừng hoạt động, kéo theo các camera phía sau",
        "A network device has failed, and all cameras behind it with it",
        "Kiểm tra nguồn điện và cáp của bộ chuyển mạch hoặc thiết bị mạng được nêu.",
        "Check power and cables of the switch or network device that is named.",
    ),
    Reason.FLAPPING: Wording(
        "Chập chờn, lúc được lúc mất",
        "Comes and goes",
        "Kiểm tra đầu nối, cáp, nguồn điện và trùng địa chỉ IP.",
        "Check plugs, cables and power, and for a second device with the same IP address.",
    ),
    Reason.CERT_ENDS_SOON: Wording(
        "Chứng thư của thiết bị sắp hết hạn",
        "The gateway's certificate ends soon",
        "Gia hạn chứng thư trước ngày hết hạn.",
        "Renew the certificate before it ends.",
    ),
    Reason.ROLLED_BACK: Wording(
        "Cấu hình mới không chạy được, đã quay về cấu hình trước",
        "The new configuration did not work; the one before is in force again",
        "Xem mục lỗi được nêu, sửa rồi gửi lại cấu hình.",
        "See what failed, correct it and send the configuration again.",
    ),
}
"""Joined with all the others in `gateway.model.wording`."""

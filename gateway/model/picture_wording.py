"""What is told of a camera's picture and clock, although it works, as `gateway.model.wording`."""

from __future__ import annotations

from gateway.model.reasons import Reason, Wording

PICTURE_WORDING: dict[Reason, Wording] = {
    Reason.PICTURE_BLACK: Wording(
        "Hình ảnh tối đen",
        "The picture is black",
        "Kiểm tra đèn, nắp che ống kính và nguồn của camera analog.",
        "Check the light, the lens cap, and the power of an analog camera.",
    ),
    Reason.PICTURE_FROZEN: Wording(
        "Hình ảnh đứng yên",
        "The picture is frozen",
        "Khởi động lại camera hoặc đầu ghi; kiểm tra xem có phát lại hình cũ không.",
        "Restart the camera or the recorder; check that no old picture is being replayed.",
    ),
    Reason.PICTURE_BLURRED: Wording(
        "Hình ảnh bị mờ",
        "The picture is blurred",
        "Lau ống kính, chỉnh lại tiêu cự.",
        "Clean the lens and focus it.",
    ),
    Reason.PICTURE_COVERED: Wording(
        "Camera bị che",
        "The camera is covered",
        "Kiểm tra vật che trước camera.",
        "See what stands before the camera.",
    ),
    Reason.PICTURE_MOVED: Wording(
        "Camera bị xoay lệch",
        "The camera has been turned",
        "Chỉnh lại hướng camera; nếu đổi hướng có chủ ý thì cảnh báo tự hết sau một ngày.",
        "Turn it back; if it was meant, the warning ends by itself after a day.",
    ),
    Reason.PICTURE_LOOP: Wording(
        "Hình ảnh lặp lại: nghi phát lại bản ghi cũ thay cho hình trực tiếp",
        "The picture repeats: an old recording seems to be played in place of live video",
        "So hình với thực tế tại chỗ; kiểm tra dây và đầu ghi có bị thay; khởi động lại camera.",
        "Compare it with the place; see whether cable or recorder was tampered with; restart it.",
    ),
    Reason.PICTURE_INTERLACED: Wording(
        "Hình xen kẽ (interlaced): răng cưa khi có chuyển động, hoặc phải chuyển mã",
        "The picture is interlaced: combed where something moves, or it has to be transcoded",
        "Trên đầu ghi, đặt luồng phụ quét liên tục (progressive), ví dụ 640x480.",
        "Set the recorder's sub-stream to a progressive size, such as 640x480.",
    ),
    Reason.PICTURE_ASPECT: Wording(
        "Tỉ lệ hình sai: người trong hình bị béo ra hoặc gầy đi",
        "The picture has the wrong shape: people look too wide or too narrow",
        "Trên đầu ghi, chọn cỡ hình điểm ảnh vuông (640x480, 1280x720), không 960H hay 1080N.",
        "Choose a size with square pixels in the recorder (640x480, 1280x720), not 960H or 1080N.",
    ),
    Reason.CAMERA_TIME_ZONE: Wording(
        "Giờ của camera lệch tròn giờ: sai múi giờ, thường là +8 mặc định của nhà máy",
        "The camera's clock is whole hours off: a wrong time zone, often the factory's +8",
        "Trên camera hoặc đầu ghi, đặt múi giờ GMT+07:00, tắt giờ mùa hè, rồi chỉnh lại giờ.",
        "Set the zone GMT+07:00 (Hanoi), no daylight saving, then the time, in camera or recorder.",
    ),
    Reason.CAMERA_CLOCK_OFF: Wording(
        "Giờ của camera sai",
        "The camera's clock is wrong",
        "Bật đồng bộ giờ (NTP) trên camera hoặc đầu ghi; nếu mất điện lại sai thì thay pin.",
        "Switch on NTP in camera or recorder; if it is lost with the power, replace its battery.",
    ),
}

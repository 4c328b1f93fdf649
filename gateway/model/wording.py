"""What each code says to people: what it is and what to do, in Vietnamese (NFC) and English."""

from __future__ import annotations

from gateway.model.document_wording import DOCUMENT_WORDING
from gateway.model.reasons import Reason, Wording
from gateway.model.update_wording import UPDATE_WORDING

WORDING: dict[Reason, Wording] = {
    Reason.OK: Wording("Trực tuyến", "Online"),
    Reason.IDLE: Wording("Sẵn sàng, chưa có lượt xem", "Ready, nobody is watching"),
    Reason.CONNECTING: Wording(
        "Đang kết nối",
        "Connecting",
        "Chờ trong giây lát; nếu kéo dài, kiểm tra nguồn điện và cáp mạng của camera.",
        "Wait a moment; if it lasts, check the camera's power and cable.",
    ),
    Reason.AUTH_FAILED: Wording(
        "Sai tài khoản hoặc mật khẩu camera",
        "The camera refuses the user or the password",
        "Kiểm tra tài khoản trên đầu ghi rồi gửi lại cấu hình; hệ thống không thử dồn dập để "
        "tránh bị khoá.",
        "Check the account on the recorder and send the configuration again; we do not keep "
        "trying, so as not to be locked out.",
    ),
    Reason.LOGIN_MISSING: Wording(
        "Camera yêu cầu đăng nhập nhưng chưa có tài khoản",
        "The camera asks for a login, and none is given",
        "Khai báo tên đăng nhập và mật khẩu của camera hoặc đầu ghi (với lệnh probe: --username và "
        "--password-file).",
        "Give the user and password of the camera or recorder (with probe: --username and "
        "--password-file).",
    ),
    Reason.LOGIN_FORBIDDEN: Wording(
        "Camera không cho tài khoản này xem: thiếu quyền hoặc đang bị khóa",
        "The camera does not let this account watch: it lacks the right, or is locked",
        "Trên đầu ghi: cấp cho tài khoản quyền xem trực tiếp kênh này từ xa; nếu bị khóa do gõ sai "
        "thì chờ 30 phút hoặc mở khóa.",
        "In the recorder give the account the right to watch this channel remotely; if it is "
        "locked by wrong attempts, wait for 30 minutes or unlock it.",
    ),
    Reason.NOT_FOUND: Wording(
        "Không tìm thấy kênh",
        "No such channel",
        "Kiểm tra số kênh và đường dẫn trong địa chỉ theo mẫu của hãng.",
        "Check the channel number and the path in the URL against the maker's template.",
    ),
    Reason.BUSY_SESSIONS: Wording(
        "Đầu ghi hết phiên xem",
        "The recorder has no session left",
        "Đóng bớt phần mềm đang xem trên đầu ghi hoặc tăng giới hạn phiên.",
        "Close other viewers of this recorder or raise its session limit.",
    ),
    Reason.REFUSED: Wording(
        "Camera từ chối kết nối",
        "The camera refuses the connection",
        "Kiểm tra cổng trong địa chỉ, và giao thức đó (RTSP, RTMP, HTTP) đã bật trên camera.",
        "Check the port in the URL, and that its protocol (RTSP, RTMP, HTTP) is on in the camera.",
    ),
    Reason.UNREACHABLE: Wording(
        "Không tới được camera",
        "The camera cannot be reached",
        "Kiểm tra nguồn điện, cáp mạng và địa chỉ IP của camera.",
        "Check the camera's power, cable and IP address.",
    ),
    Reason.DNS_FAILED: Wording(
        "Không phân giải được tên máy",
        "The host name cannot be resolved",
        "Dùng địa chỉ IP hoặc kiểm tra máy chủ DNS.",
        "Use the IP address, or check the DNS server.",
    ),
    Reason.TIMEOUT: Wording(
        "Camera không trả lời kịp",
        "The camera does not answer in time",
        "Kiểm tra tải của đầu ghi và đường truyền nội bộ.",
        "Check the recorder's load and the local network.",
    ),
    Reason.STALLED: Wording(
        "Mất tín hiệu camera, đang kết nối lại",
        "The picture has stopped, connecting again",
        "Nếu kéo dài, khởi động lại camera.",
        "If it lasts, restart the camera.",
    ),
    Reason.CORRUPT: Wording(
        "Dữ liệu camera bị lỗi",
        "The camera's data is damaged",
        "Kiểm tra cáp và phiên bản phần mềm của camera.",
        "Check the cable and the camera's firmware.",
    ),
    Reason.ABUSIVE: Wording(
        "Camera gửi quá nhiều dữ liệu bất thường, đã ngắt kết nối",
        "The camera sends far more than a camera should; it was cut off",
        "Kiểm tra camera có bị can thiệp hoặc hỏng không; cập nhật phần mềm của camera.",
        "Check whether the camera was tampered with or is broken; update its firmware.",
    ),
    Reason.UNSUPPORTED_CODEC: Wording(
        "Không hỗ trợ chuẩn nén này",
        "This codec is not supported here",
        "Đặt luồng phụ của camera về H.264, không B-frame, tắt Smart Codec.",
        "Set the camera's sub-stream to H.264 without B-frames, smart codec off.",
    ),
    Reason.UNSUPPORTED_TRANSPORT: Wording(
        "Camera không hỗ trợ cách truyền đã chọn",
        "The camera does not offer the chosen transport",
        "Đổi cách truyền RTSP (TCP hoặc UDP) trong cấu hình; với HLS, ghi mỗi đoạn thành một tệp.",
        "Change the RTSP transport (TCP or UDP) in the configuration; with HLS, have each segment "
        "be a file of its own.",
    ),
    Reason.UNSUPPORTED_LOGIN: Wording(
        "Không hỗ trợ cách đăng nhập mà camera yêu cầu",
        "The camera asks for a kind of login that is not supported",
        "Đặt xác thực RTSP của camera thành Digest (SHA-256 hoặc MD5); mật khẩu có thể vẫn đúng.",
        "Set the camera's RTSP authentication to Digest (SHA-256 or MD5); the password may well be "
        "right.",
    ),
    Reason.SRTP_REQUIRED: Wording(
        "Camera mã hoá hình ảnh theo cách riêng (SRTP), không hỗ trợ",
        "The camera encrypts its media itself (SRTP), which is not supported",
        "Dùng địa chỉ rtsps:// hoặc tắt SRTP trên camera.",
        "Use an rtsps:// address, or switch SRTP off in the camera.",
    ),
    Reason.ENCRYPTED: Wording(
        "Camera mã hoá luồng HLS, không hỗ trợ",
        "The camera encrypts its HLS stream, which is not supported",
        "Tắt mã hoá HLS (EXT-X-KEY) trên đầu ghi, hoặc dùng địa chỉ https://.",
        "Switch HLS encryption (EXT-X-KEY) off in the recorder, or use an https:// address.",
    ),
    Reason.INTERLEAVED_MODE: Wording(
        "Camera đóng gói H.264 ở chế độ xen kẽ (packetization-mode 2), không hỗ trợ",
        "The camera packs H.264 interleaved (packetization-mode 2), which is not supported",
        "Đặt packetization-mode của camera về 0 hoặc 1, hoặc cập nhật phần mềm của camera.",
        "Set the camera's packetization-mode to 0 or 1, or update its firmware.",
    ),
    Reason.DECODING_ORDER: Wording(
        "Camera gửi H.265 kèm số thứ tự giải mã (DON), không hỗ trợ",
        "The camera sends H.265 with decoding order numbers (DON), which are not supported",
        "Tắt chế độ gửi đảo thứ tự trên camera, hoặc đặt luồng phụ về H.264.",
        "Switch reordering off in the camera, or set its sub-stream to H.264.",
    ),
    Reason.CLOCK_RATE: Wording(
        "Camera khai báo sai nhịp thời gian của hình ảnh (phải là 90000 Hz)",
        "The camera declares a wrong clock rate for its video (it must be 90000 Hz)",
        "Cập nhật phần mềm của camera hoặc chọn luồng khác.",
        "Update the camera's firmware, or choose another of its streams.",
    ),
    Reason.SOURCE_ENDED: Wording(
        "Camera đã kết thúc luồng hình",
        "The camera has ended its stream",
        "Kiểm tra camera hoặc đầu ghi có vừa khởi động lại hoặc đổi cấu hình; hệ thống tự nối lại.",
        "See whether camera or recorder was restarted or set anew; we connect again by ourselves.",
    ),
    Reason.DEVICE_MISSING: Wording(
        "Không thấy bộ chuyển đổi USB",
        "The capture device is not there",
        "Cắm lại bộ chuyển đổi USB, thử cổng USB khác; kiểm tra đường dẫn trong cấu hình.",
        "Plug the USB grabber in again, at another port; check its path in the configuration.",
    ),
    Reason.DEVICE_BUSY: Wording(
        "Bộ chuyển đổi đang được chương trình khác sử dụng",
        "Another program uses the capture device",
        "Tắt chương trình đang dùng bộ chuyển đổi; mỗi đầu vào chỉ khai báo cho một camera.",
        "End that program; name each device for one camera only.",
    ),
    Reason.DEVICE_DENIED: Wording(
        "Không có quyền mở bộ chuyển đổi",
        "The gateway may not open the capture device",
        "Cho người dùng camera-gateway vào nhóm video và cho phép thiết bị trong systemd.",
        "Put the user camera-gateway into the group video, and allow the device in systemd.",
    ),
    Reason.NO_SIGNAL: Wording(
        "Không có tín hiệu hình ở đầu vào",
        "There is no video signal at the input",
        "Kiểm tra nguồn của camera analog, cáp đồng trục, đầu vào và hệ màu đã chọn.",
        "Check the analogue camera's power, the coaxial cable, the chosen input and standard.",
    ),
    Reason.CAPTURE_FORMAT: Wording(
        "Bộ chuyển đổi không có định dạng đã chọn",
        "The capture device does not have what was asked for",
        "Sửa đầu vào, hệ màu, kích thước hoặc định dạng trong địa chỉ v4l2.",
        "Correct input, standard, size or format in the v4l2 address.",
    ),
    Reason.KEYFRAME_STARVED: Wording(
        "Chờ khung hình chính",
        "Waiting for a keyframe",
        "Tắt Smart Codec và đặt khoảng khung hình chính từ 1 đến 2 giây.",
        "Switch the smart codec off and set a keyframe interval of 1 to 2 seconds.",
    ),
    Reason.B_FRAMES: Wording(
        "Camera gửi khung B (B-frame), hình giật và sai thứ tự",
        "The camera sends B-frames: the picture jerks, out of order",
        "Tắt B-frame trên camera, hoặc đặt luồng phụ H.264 không B-frame (profile Baseline).",
        "Switch B-frames off in the camera, or set its sub-stream to H.264 without them.",
    ),
    Reason.CLOCK_JUMP: Wording(
        "Đồng hồ luồng nhảy",
        "The stream's clock jumped",
        "Bật đồng bộ giờ (NTP) trên camera hoặc đầu ghi; nếu lặp lại, cập nhật phần mềm camera.",
        "Switch on NTP in the camera or recorder; if it comes again, update the firmware.",
    ),
    Reason.REDIRECT_REFUSED: Wording(
        "Camera chuyển hướng sang máy khác, đã từ chối",
        "The camera redirects to another host; refused",
        "Kiểm tra camera có bị can thiệp; khai báo đúng địa chỉ nếu việc chuyển hướng là chủ ý.",
        "Check whether the camera was tampered with; configure the real address if it is meant.",
    ),
    Reason.POLICY_DENIED: Wording(
        "Không được phép mở địa chỉ camera này",
        "This camera address may not be opened",
        "Sửa địa chỉ camera, hoặc khai báo dải mạng trong tệp cấu hình tại chỗ.",
        "Correct the camera's address, or list its network in the local settings file.",
    ),
    Reason.PAUSED_BY_CONFIG: Wording(
        "Tạm dừng theo cấu hình",
        "Paused by configuration",
        "Bật lại trong cấu hình khi cần.",
        "Switch it on in the configuration when it is wanted.",
    ),
    Reason.OVERLOADED: Wording(
        "Quá giới hạn lượt xem",
        "The viewing limit is reached",
        "Đóng bớt lượt xem hoặc tăng giới hạn của điểm.",
        "Close some viewers or raise the site's limit.",
    ),
    Reason.LINE_NARROW: Wording(
        "Đường truyền tới người xem hẹp, hình đã được giảm bớt",
        "The line to the viewer is narrow; less is sent",
        "Đóng bớt hình đang xem; nếu kéo dài, kiểm tra đường truyền lên của điểm và đặt tốc độ "
        "luồng phụ của camera từ 0,5 đến 1 Mb/s.",
        "Close some pictures; if it lasts, check the site's uplink and set the camera's sub-stream "
        "to 0.5 to 1 Mb/s.",
    ),
    Reason.TRANSCODING_FULL: Wording(
        "Máy tại điểm không đủ sức chuyển mã thêm camera",
        "The machine on site cannot transcode one more camera",
        "Đặt luồng phụ về H.264, không khung B, quét liên tục; hoặc đóng bớt camera đang xem. Với "
        "camera qua bộ chuyển đổi USB: bớt camera hoặc giảm size trong URL.",
        "Set the sub-stream to H.264 without B-frames, progressive; or close other cameras. With "
        "USB grabbers: fewer of them, or a smaller size in the URL.",
    ),
    Reason.UPLINK_DOWN: Wording(
        "Mất đường truyền lên trung tâm",
        "The line to the centre is down",
        "Kiểm tra đường truyền Internet hoặc kênh thuê riêng.",
        "Check the Internet line or the leased line.",
    ),
    Reason.TURN_DOWN: Wording(
        "Máy chủ chuyển tiếp không trả lời",
        "The TURN server does not answer",
        "Kiểm tra máy chủ TURN tại trung tâm.",
        "Check the centre's TURN server.",
    ),
    Reason.TLS_FAILED: Wording(
        "Không lập được kết nối bảo mật",
        "The secure connection fails",
        "Kiểm tra chứng thư gốc và tên máy chủ.",
        "Check the CA certificate and the server's name.",
    ),
    Reason.TLS_EXPIRED: Wording(
        "Chứng thư hết hạn",
        "A certificate has expired",
        "Gia hạn chứng thư.",
        "Renew the certificate.",
    ),
    Reason.TLS_NOT_YET_VALID: Wording(
        "Chứng thư chưa có hiệu lực",
        "A certificate is not valid yet",
        "Kiểm tra đồng hồ của thiết bị.",
        "Check this machine's clock.",
    ),
    Reason.NOT_AUTHORISED: Wording(
        "Trung tâm từ chối thiết bị này",
        "The centre does not accept this gateway",
        "Kiểm tra tài khoản hoặc chứng thư của thiết bị.",
        "Check this gateway's account or certificate.",
    ),
    Reason.DUPLICATE_IDENTITY: Wording(
        "Hai thiết bị dùng chung một danh tính",
        "Two machines use one identity",
        "Tìm và tắt thiết bị bị sao chép thẻ nhớ.",
        "Find and switch off the machine with the copied card.",
    ),
    Reason.DISK_FULL: Wording(
        "Hết dung lượng lưu trữ",
        "The disk is full",
        "Dọn bớt dữ liệu hoặc thay thẻ nhớ.",
        "Free some space or replace the card.",
    ),
    Reason.DISK_READONLY: Wording(
        "Thẻ nhớ chuyển sang chỉ đọc",
        "The card has become read-only",
        "Thay thẻ nhớ.",
        "Replace the card.",
    ),
    Reason.DISK_CORRUPT: Wording(
        "Tệp dữ liệu trên thiết bị bị hỏng",
        "A data file on the machine is damaged",
        "Tệp hỏng đã được cất riêng (*.corrupt) và tệp mới được tạo; nếu lặp lại, thay thẻ nhớ.",
        "It was set aside (*.corrupt) and a new one begun; if it happens again, replace the card.",
    ),
    Reason.CONFIG_REJECTED: Wording(
        "Cấu hình bị từ chối",
        "The configuration is rejected",
        "Sửa các mục được nêu rồi gửi lại.",
        "Correct what is listed and send it again.",
    ),
    Reason.INTERNAL_ERROR: Wording(
        "Lỗi của phần mềm cổng kết nối",
        "A fault of the gateway's own program",
        "Gửi nhật ký cho đơn vị hỗ trợ kỹ thuật; các camera và lượt xem khác vẫn hoạt động.",
        "Send the log to technical support; other cameras and viewers go on.",
    ),
    Reason.OFFER_INVALID: Wording(
        "Yêu cầu xem không hợp lệ",
        "The viewing request is not valid",
        "Tải lại trang; nếu vẫn bị từ chối, cập nhật trình duyệt hoặc chương trình xem.",
        "Reload the page; if it is refused again, update the browser or the viewing program.",
    ),
    Reason.VIEWER_CODEC: Wording(
        "Trình duyệt hoặc chương trình xem không nhận H.264",
        "The browser or viewing program does not take H.264",
        "Dùng Chrome, Edge hoặc Safari; với Firefox, bật phần bổ trợ OpenH264 rồi tải lại trang.",
        "Use Chrome, Edge or Safari; in Firefox enable the plugin OpenH264, then reload the page.",
    ),
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
    Reason.VIEWER_GONE: Wording(
        "Người xem đã rời đi",
        "The viewer has left",
        "Mở lại camera nếu muốn xem tiếp.",
        "Open the camera again to go on watching.",
    ),
    Reason.VIEW_NOT_ALLOWED: Wording(
        "Không có quyền xem camera này",
        "There is no permission to view this camera",
        "Tải lại trang; nếu vẫn bị từ chối, báo người quản trị kiểm tra khóa cấp quyền xem.",
        "Reload the page; if it is refused again, ask the administrator to check the viewing keys.",
    ),
    Reason.VIEW_TOKEN_EXPIRED: Wording(
        "Quyền xem đã hết hạn hoặc chưa có hiệu lực",
        "The permission to view has expired or is not valid yet",
        "Thử lại; nếu lặp lại, kiểm tra đồng hồ của trung tâm và của thiết bị.",
        "Try again; if it happens again, check the clocks of the centre and of the gateway.",
    ),
    Reason.VIEW_REVOKED: Wording(
        "Quyền xem của bạn đã bị thu hồi",
        "Your permission to view has been revoked",
        "Liên hệ người quản trị của trung tâm.",
        "Contact the centre's administrator.",
    ),
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
    Reason.CLOCK_BEHIND: Wording(
        "Đồng hồ chậm hơn thời điểm mà thiết bị đã biết",
        "The clock shows less than the machine has already seen",
        "Kiểm tra máy chủ thời gian và pin đồng hồ; thiết bị không tin giờ này khi xét hạn.",
        "Check the time server and the clock battery; this time is not trusted for expiry.",
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
    **DOCUMENT_WORDING,
    **UPDATE_WORDING,
}

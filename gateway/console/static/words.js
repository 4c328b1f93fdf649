// The page's own sentences in Vietnamese and English, and how times and numbers are spelled.
// Reasons of cameras and refusals are not here: they come from the server, one vocabulary.

const WORDS = {
  vi: {
    title: "Trung tâm Điều hành – Giám sát camera một cửa",
    subtitle: "Trung tâm Phục vụ hành chính công · Bộ phận Một cửa",
    skip: "Đến phần hình ảnh",
    sites: "Điểm và camera",
    pictures: "Hình ảnh trực tiếp",
    search: "Tìm điểm, camera, vị trí…",
    filter: "Lọc",
    all: "Tất cả",
    trouble: "Có sự cố",
    layout: "Bố cục",
    auto: "Tự động",
    wallMode: "Tường hình",
    wallModeHint: "Ẩn danh sách, chỉ còn hình ảnh (phím W)",
    themeHint: "Đổi nền sáng hoặc tối",
    dark: "Nền tối",
    light: "Nền sáng",
    otherLanguage: "English",
    brokerUp: "Máy chủ điều phối: đã kết nối",
    brokerDown: "Máy chủ điều phối: mất kết nối từ {time}",
    brokerUnknown: "Đang kết nối máy chủ…",
    serverDown: "Mất kết nối với máy chủ trung tâm từ {time}. Trạng thái dưới đây có thể đã cũ; đang kết nối lại.",
    brokerBanner: "Máy chủ điều phối (MQTT) mất kết nối từ {time}. Trạng thái không được cập nhật, chưa mở được hình mới; hình đang xem vẫn chạy.",
    summary: "{sites} điểm · {cams} camera: {on} trực tuyến",
    summaryDeg: "{n} chập chờn",
    summaryOff: "{n} mất tín hiệu",
    summaryUnk: "{n} chưa rõ",
    nothing: "Chưa có điểm nào báo về trung tâm.",
    noMatch: "Không có kết quả phù hợp.",
    watchAll: "Xem tất cả",
    watchAllOf: "Xem tất cả camera của {name}",
    siteOn: "Trực tuyến",
    siteOff: "Mất liên lạc",
    siteUnk: "Chưa rõ",
    camOn: "Trực tuyến",
    camDeg: "Chập chờn",
    camOff: "Mất tín hiệu",
    camUnk: "Chưa rõ",
    seen: "cập nhật {ago}",
    since: "từ {time} ({ago})",
    unknownWhy: "Không có tin về camera này; chưa rõ trạng thái.",
    siteGone: "Điểm mất liên lạc với trung tâm; trạng thái camera chưa rõ.",
    sevCritical: "Khẩn cấp",
    sevMajor: "Nghiêm trọng",
    sevMinor: "Nhẹ",
    sevWarning: "Lưu ý",
    explains: "kéo theo {n} cảnh báo khác",
    moreAlarms: "… và {n} cảnh báo khác",
    recorder: "Đầu ghi {id}",
    networkDevice: "Thiết bị mạng {id}",
    machine: "Thiết bị tại điểm",
    certificate: "Còn {n} ngày",
    configuration: "Cấu hình số {n}",
    attempts: "đã thử {n} lần",
    again: "thử lại sau {span}",
    againNow: "đang thử lại",
    viewers: "{n} lượt xem",
    cameras: "{n} camera",
    emptyTitle: "Chọn camera để xem trực tiếp",
    emptyText: "Bấm vào một camera ở danh sách bên trái, hoặc “Xem tất cả” của một điểm.",
    emptyKeys: "Phím tắt: / tìm kiếm · W tường hình · Esc thu nhỏ",
    live: "Trực tiếp",
    connecting: "Đang kết nối",
    badgeRefused: "Không xem được",
    badgeWaiting: "Chờ thử lại",
    stepRequest: "Đang gửi yêu cầu đến điểm…",
    stepPath: "Đang lập đường truyền hình…",
    stepFrame: "Đã kết nối, chờ khung hình đầu tiên…",
    stepBroker: "Chờ máy chủ điều phối…",
    lost: "Mất tín hiệu camera từ {time} — đang kết nối lại",
    never: "Chưa có hình từ camera — đang chờ",
    ended: "Phiên xem bị ngắt lúc {time} — đang kết nối lại",
    offline: "Điểm mất liên lạc từ {time} — sẽ tự kết nối lại",
    refused: "Không xem được camera",
    retryIn: "Thử lại sau {span}",
    retryNow: "Đang thử lại…",
    retry: "Thử lại ngay",
    close: "Đóng {name}",
    enlarge: "Phóng to {name}",
    shrink: "Thu nhỏ {name}",
    code400: "Yêu cầu xem không hợp lệ.",
    code403: "Không có quyền xem camera này.",
    code403todo: "Liên hệ quản trị trung tâm để được cấp quyền.",
    code404: "Điểm không có camera này.",
    code404todo: "Kiểm tra cấu hình camera của điểm.",
    code408: "Điểm không trả lời kịp.",
    code408todo: "Kiểm tra đường truyền của điểm; hệ thống sẽ tự thử lại.",
    code410: "Phiên xem đã kết thúc.",
    code480: "Điểm hoặc camera tạm thời chưa sẵn sàng.",
    code486: "Điểm đã đủ số lượt xem cho phép.",
    code486todo: "Đóng bớt lượt xem; hệ thống sẽ tự thử lại.",
    code488: "Trình duyệt không xem được chuẩn nén của camera này.",
    code488todo: "Đặt luồng phụ của camera về H.264, không B-frame, tắt Smart Codec.",
    code503: "Đường truyền của điểm không đủ băng thông.",
    code503todo: "Đóng bớt hình của điểm này hoặc xem luồng phụ.",
    seconds: "{n} giây",
    minutes: "{n} phút",
    hours: "{n} giờ",
    days: "{n} ngày",
    ago: "cách đây {span}",
    justNow: "vừa xong",
  },
  en: {
    title: "Operations Centre – One-stop Camera Monitoring",
    subtitle: "Public Administration Service Centres",
    skip: "Skip to the pictures",
    sites: "Sites and cameras",
    pictures: "Live pictures",
    search: "Find a site, camera or place…",
    filter: "Filter",
    all: "All",
    trouble: "In trouble",
    layout: "Layout",
    auto: "Auto",
    wallMode: "Wall",
    wallModeHint: "Hide the list, pictures only (key W)",
    themeHint: "Switch between light and dark",
    dark: "Dark",
    light: "Light",
    otherLanguage: "Tiếng Việt",
    brokerUp: "Broker: connected",
    brokerDown: "Broker: lost since {time}",
    brokerUnknown: "Connecting to the server…",
    serverDown: "The centre's server cannot be reached since {time}. What is shown may be out of date; connecting again.",
    brokerBanner: "The message broker (MQTT) is away since {time}. States are not updated and no new picture can be opened; running pictures go on.",
    summary: "Sites: {sites} · cameras: {cams}; {on} online",
    summaryDeg: "{n} unsteady",
    summaryOff: "{n} without signal",
    summaryUnk: "{n} unknown",
    nothing: "No site has reported to the centre yet.",
    noMatch: "Nothing matches.",
    watchAll: "Watch all",
    watchAllOf: "Watch all cameras of {name}",
    siteOn: "Online",
    siteOff: "Out of contact",
    siteUnk: "Unknown",
    camOn: "Online",
    camDeg: "Unsteady",
    camOff: "No signal",
    camUnk: "Unknown",
    seen: "updated {ago}",
    since: "since {time} ({ago})",
    unknownWhy: "No news of this camera; its state is not known.",
    siteGone: "The site is out of contact with the centre; the cameras' state is not known.",
    sevCritical: "Critical",
    sevMajor: "Major",
    sevMinor: "Minor",
    sevWarning: "Note",
    explains: "explains {n} other alarms",
    moreAlarms: "… and {n} more alarms",
    recorder: "Recorder {id}",
    networkDevice: "Network device {id}",
    machine: "The site's machine",
    certificate: "{n} days left",
    configuration: "Configuration {n}",
    attempts: "attempts: {n}",
    again: "next try in {span}",
    againNow: "trying again now",
    viewers: "viewers: {n}",
    cameras: "cameras: {n}",
    emptyTitle: "Choose a camera to watch it live",
    emptyText: "Click a camera in the list on the left, or “Watch all” of a site.",
    emptyKeys: "Keys: / search · W wall · Esc back to the grid",
    live: "Live",
    connecting: "Connecting",
    badgeRefused: "Not available",
    badgeWaiting: "Waiting",
    stepRequest: "Sending the request to the site…",
    stepPath: "Setting up the picture's path…",
    stepFrame: "Connected, waiting for the first picture…",
    stepBroker: "Waiting for the message broker…",
    lost: "Camera signal lost since {time} — connecting again",
    never: "No picture from the camera yet — waiting",
    ended: "The session broke at {time} — connecting again",
    offline: "The site is out of contact since {time} — will connect again by itself",
    refused: "This camera cannot be watched",
    retryIn: "Trying again in {span}",
    retryNow: "Trying again…",
    retry: "Try again now",
    close: "Close {name}",
    enlarge: "Enlarge {name}",
    shrink: "Shrink {name}",
    code400: "The viewing request is not valid.",
    code403: "You may not watch this camera.",
    code403todo: "Ask the centre's administrator for access.",
    code404: "The site has no such camera.",
    code404todo: "Check the site's camera configuration.",
    code408: "The site did not answer in time.",
    code408todo: "Check the site's line; we keep trying.",
    code410: "The session is over.",
    code480: "The site or the camera is not ready at the moment.",
    code486: "The site's viewing limit is reached.",
    code486todo: "Close some pictures; we keep trying.",
    code488: "This browser cannot play the camera's codec.",
    code488todo: "Set the camera's sub-stream to H.264 without B-frames, smart codec off.",
    code503: "The site's line has no bandwidth left.",
    code503todo: "Close some pictures of this site, or watch the sub-stream.",
    seconds: "{n} s",
    minutes: "{n} min",
    hours: "{n} h",
    days: "{n} days",
    ago: "{span} ago",
    justNow: "just now",
  },
};

const ZONE = "Asia/Ho_Chi_Minh";
const TIME = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, day: "2-digit", month: "2-digit", year: "numeric" });
const SHORT_DAY = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, day: "2-digit", month: "2-digit" });
const LANGUAGE_KEY = "camera-gateway.language";

let language = localStorage.getItem(LANGUAGE_KEY) === "en" ? "en" : "vi";
let reasons = {};
let skewMs = 0;

export const collator = new Intl.Collator("vi", { numeric: true, sensitivity: "base" });

export function currentLanguage() {
  return language;
}

export function chooseLanguage(chosen) {
  language = chosen === "en" ? "en" : "vi";
  localStorage.setItem(LANGUAGE_KEY, language);
  document.documentElement.lang = language;
}

export function learnReasons(wording) {
  reasons = wording;
}

// The server's clock rules: ages must be right on a screen whose own clock is wrong.
export function learnClock(serverMs) {
  skewMs = serverMs - Date.now();
}

export function nowMs() {
  return Date.now() + skewMs;
}

export function say(key, values = {}) {
  const sentence = WORDS[language][key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function has(key) {
  return key in WORDS[language];
}

// What a reason code means, and what to do about it, in the language of the page.
export function reason(code) {
  const wording = reasons[code];
  if (!wording) return { fact: code ?? "", todo: "" };
  return { fact: wording[language], todo: wording[`${language}_todo`] };
}

export function clockText(ms) {
  return `${DAY.format(ms)} ${TIME.format(ms)}`;
}

// Time of day; with the day in front if it is not today's.
export function timeText(ms) {
  if (ms == null) return "--:--:--";
  const time = TIME.format(ms);
  return DAY.format(ms) === DAY.format(nowMs()) ? time : `${time} ${SHORT_DAY.format(ms)}`;
}

export function agoText(ms) {
  const age = Math.max(0, Math.round((nowMs() - ms) / 1000));
  return age < 2 ? say("justNow") : say("ago", { span: spanText(age) });
}

export function spanText(seconds) {
  const [key, n] =
    seconds < 60 ? ["seconds", seconds]
    : seconds < 3600 ? ["minutes", Math.floor(seconds / 60)]
    : seconds < 172_800 ? ["hours", Math.floor(seconds / 3600)]
    : ["days", Math.floor(seconds / 86_400)];
  return say(key, { n });
}

// "Quầy Đăng ký" -> "quay dang ky": what people type without an input method still finds it.
export function fold(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").replace(/[đĐ]/g, "d").toLowerCase();
}

// Fills everything marked in the HTML; called again when the language changes.
export function sayAll(root = document) {
  for (const node of root.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
  for (const [mark, attribute] of [["say-label", "aria-label"], ["say-title", "title"], ["say-placeholder", "placeholder"]]) {
    for (const node of root.querySelectorAll(`[data-${mark}]`)) {
      node.setAttribute(attribute, say(node.getAttribute(`data-${mark}`)));
    }
  }
  document.documentElement.lang = language;
}

"""The line that ``systemctl status`` and ``camera-gateway health`` show of the gateway."""

from __future__ import annotations

from gateway.model.health import CameraCounts


def status_line(cameras: CameraCounts, *, connected: bool, viewers: int) -> str:
    """Return what ``systemctl status`` says of the gateway, Vietnamese first.

    Args:
        cameras: By state.
        connected: Whether the broker is.
        viewers: Connected ones.
    """
    live = cameras.on + cameras.degraded
    counted = [
        (live, "hoạt động", "live"),
        (cameras.off, "lỗi", "faulty"),
        (cameras.unknown, "chưa mở", "not open"),
    ]
    shown = [each for each in counted if each[0]] or counted[:1]
    vietnamese = ", ".join(f"{count} {word}" for count, word, _ in shown)
    english = ", ".join(f"{count} {word}" for count, _, word in shown)
    return (
        f"Camera: {vietnamese}; {'đã kết nối' if connected else 'MẤT KẾT NỐI'} trung tâm; "
        f"{viewers} người xem · cameras: {english}; "
        f"{'connected' if connected else 'NOT CONNECTED'} to the centre; viewers: {viewers}"
    )

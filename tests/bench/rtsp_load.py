"""GStreamer's RTSP server with one camera of a given bit rate. Run by /usr/bin/python3.

    rtsp_load.py PORT KBPS GOP MTU [obedient]

One encoder serves however many sessions: noise of 640x360, 25 pictures a second. Prints one
line when it listens. Keyframes come every GOP pictures, unasked. GStreamer would also make one
for whoever sends an RTCP PLI, though its SDP (RTP/AVP) offers no such feedback; only ``obedient``
lets it.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

LAUNCH = (
    "( videotestsrc is-live=true pattern=snow ! video/x-raw,width=640,height=360,framerate=25/1 "
    "! x264enc name=encoder bitrate={kbps} vbv-buf-capacity=500 speed-preset=ultrafast "
    "tune=zerolatency key-int-max={gop} bframes=0 threads=1 "
    "! video/x-h264,profile=constrained-baseline ! rtph264pay mtu={mtu} name=pay0 "
    "pt=96 config-interval=-1 )"
)


def _refuse(_: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
    asked = info.get_event().get_structure()
    if asked is not None and asked.get_name() == "GstForceKeyUnit":
        return Gst.PadProbeReturn.DROP
    return Gst.PadProbeReturn.OK


def _configure(_: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
    encoded = media.get_element().get_by_name("encoder").get_static_pad("src")
    encoded.add_probe(Gst.PadProbeType.EVENT_UPSTREAM, _refuse)


def main() -> None:
    """Serve until killed."""
    port, kbps, gop, mtu, *asked = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_service(port)
    server.set_address("127.0.0.1")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH.format(kbps=kbps, gop=gop, mtu=mtu))
    factory.set_shared(True)
    if "obedient" not in asked:
        factory.connect("media-configure", _configure)
    server.get_mount_points().add_factory("/load", factory)
    server.attach(None)
    print("listening", flush=True)
    GLib.MainLoop().run()


main()

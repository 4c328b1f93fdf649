#!/usr/bin/env bash
# Makes the captures of this folder: x264 and x265 pictures, packetised by GStreamer.
#
#   tests/data/rtp/make.sh
#
# NAME.rtp holds RTP packets, each behind its length in two bytes (RFC 4571); pictures.json holds
# the MD5 of every decoded picture of the original, in display order; sets.json the parameter sets
# of the captures that have none in band.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

launch() { # a pipeline, as gst-launch-1.0 takes it
  /usr/bin/python3 - "$*" <<'PY'
import sys
import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

Gst.init(None)
pipeline = Gst.parse_launch(sys.argv[1])
pipeline.set_state(Gst.State.PLAYING)
wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
message = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, wanted)
pipeline.set_state(Gst.State.NULL)
if message is None or message.type != Gst.MessageType.EOS:
    sys.exit(f"pipeline failed: {message and message.parse_error()}")
PY
}

make_one() { # name size frames encoder "encoder params" extra...
  local name=$1 size=$2 frames=$3 encoder=$4 params=$5
  shift 5
  local parse=h264parse pay=rtph264pay key=-x264-params
  if [ "$encoder" = libx265 ]; then parse=h265parse pay=rtph265pay key=-x265-params; fi
  ffmpeg -v error -f lavfi -i "testsrc2=s=$size:r=25,noise=alls=8:allf=t" -frames:v "$frames" \
    -pix_fmt yuv420p -c:v "$encoder" "$key" "log-level=none:$params" "$@" "$work/$name.mp4"
  ffmpeg -v error -i "$work/$name.mp4" -f framemd5 - | awk -F', *' '!/^#/ {print $6}' >"$work/$name.md5"
  case $name in *-plain) ffmpeg -v error -i "$work/$name.mp4" -frames:v 1 -c copy "$work/$name.${parse%parse}" ;; esac
  launch filesrc location="$work/$name.mp4" ! qtdemux ! "$parse" config-interval=0 ! \
    "$pay" mtu=1400 pt=96 config-interval="${config_interval:-0}" aggregate-mode="${aggregate:-none}" \
    seqnum-offset=65500 timestamp-offset=4294900000 ssrc=1 ! rtpstreampay ! filesink location="$name.rtp"
}

make_one h264-plain 320x180 20 libx264 keyint=10:bframes=0:scenecut=0 -b:v 800k
config_interval=-1 aggregate=zero-latency \
  make_one h264-stap 320x180 20 libx264 keyint=10:bframes=0:scenecut=0:aud=1 -b:v 200k
config_interval=-1 make_one h264-slices 320x180 20 libx264 keyint=10:bframes=0:slices=4:scenecut=0 -b:v 800k
config_interval=-1 make_one h264-bframes 320x180 20 libx264 keyint=10:bframes=3:b-adapt=0:scenecut=0 -b:v 400k
config_interval=-1 make_one h264-refresh 320x180 20 libx264 keyint=10:intra-refresh=1:bframes=0 -b:v 400k
config_interval=-1 make_one h264-interlaced 320x192 10 libx264 keyint=10:tff=1:bframes=0 -b:v 400k
config_interval=-1 make_one h264-1080p 1920x1080 3 libx264 keyint=10:bframes=0 -crf 40 -preset veryfast
make_one h265-plain 320x180 20 libx265 keyint=10:bframes=0:scenecut=0 -b:v 800k
config_interval=-1 aggregate=zero-latency \
  make_one h265-bframes 320x180 20 libx265 keyint=10:bframes=3:b-adapt=0:scenecut=0 -b:v 200k
config_interval=-1 make_one h265-1080p 1920x1080 3 libx265 keyint=10:bframes=0 -crf 42 -preset veryfast

python3 - "$work" <<'PY' >pictures.json
import json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
print(json.dumps({p.stem: p.read_text().split() for p in sorted(folder.glob("*.md5"))}, indent=1))
PY
python3 - "$work" <<'PY' >sets.json
import json, pathlib, re, sys

sets = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*-plain.h26?")):
    nals = re.split(rb"\x00\x00\x00?\x01", path.read_bytes())[1:]
    wanted = (lambda n: n[0] & 31 in (7, 8)) if path.suffix == ".h264" else (lambda n: n[0] >> 1 in (32, 33, 34))
    sets[path.stem] = [nal.hex() for nal in nals if wanted(nal)]
print(json.dumps(sets, indent=1))
PY

"""``python -m gateway.demo``: runs virtual cameras, a broker, the gateway and the page."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

import structlog

from gateway.demo.launcher import Centre, launch

_WELCOME = """
  ────────────────────────────────────────────────────────────────────────────

     Mở trình duyệt tại   ·   Open in a browser:

         {page}

  ────────────────────────────────────────────────────────────────────────────
  Camera → RTSP → gateway → WebRTC → trình duyệt / browser; MQTT 5 ở giữa / between.

  Thử làm hỏng một camera, trang tự báo và tự nối lại
  Break a camera; the page says so and comes back by itself:

      curl -X POST {control}/cameras/{camera}/kill       # mất nguồn / power cut
      curl -X POST {control}/cameras/{camera}/restart    # có điện lại / back
      curl -X PUT -d '{{"fault": "stall"}}' {control}/cameras/{camera}/fault
      curl -X DELETE {control}/cameras/{camera}/fault

  Phụ lục công văn 10362, tự điền · the survey form, filled by itself:

      camera-gateway survey export --settings {settings} --runtime {runtime}

  Camera: {cameras}

  Dừng / Stop: Ctrl-C
"""


def main() -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    add = parser.add_argument
    add("--listen", default="127.0.0.1", metavar="ADDRESS", help="where the page is served")
    add("--port", type=int, default=8090, help="its port; another one if it is taken")
    add("--check", action="store_true", help="watch every camera in headless Chromium and exit")
    add("--seconds", type=float, default=30.0, help="how long --check watches")
    add("--viewings", type=int, default=1, help="how often --check opens each camera")
    chosen = parser.parse_args()

    # Standard output carries the address or the lines of --check, so logs are warnings only.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )

    async def use(centre: Centre) -> int:
        if not chosen.check:
            sys.stdout.write(_welcome(centre))
            sys.stdout.flush()
            await asyncio.Event().wait()  # until a signal cancels it
            return 0
        from gateway.demo.browser_check import check

        return await check(centre, seconds=chosen.seconds, viewings=chosen.viewings)

    return asyncio.run(launch(use, address=chosen.listen, port=chosen.port))


def _welcome(centre: Centre) -> str:
    return _WELCOME.format(
        page=centre.page,
        control=centre.control,
        camera=centre.cameras[0].id,
        settings=centre.settings,
        runtime=centre.runtime,
        cameras=", ".join(f"{each.id} ({each.name})" for each in centre.cameras),
    )


if __name__ == "__main__":
    sys.exit(main())

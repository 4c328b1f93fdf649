"""What Chromium makes of our answers: offers with more in them than one video."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Browser

from gateway.webrtc.sdp_offer import parse_offer
from tests.fixtures.access_units import access_unit
from tests.live.test_webrtc_viewer import running

pytestmark = pytest.mark.live

_OFFER = """async ([kinds, policy]) => {
  window.peer = new RTCPeerConnection({bundlePolicy: policy});
  for (const kind of kinds) {
    if (kind === "data") peer.createDataChannel("chat");
    else peer.addTransceiver(kind.split(" ")[0], {direction: kind.split(" ")[1] ?? "recvonly"});
  }
  await peer.setLocalDescription();
  return peer.localDescription.sdp;
}"""
_ACCEPT = """async sdp => {
  const connected = new Promise(resolve => {
    peer.onconnectionstatechange = () => {
      if (["connected", "failed"].includes(peer.connectionState)) resolve(peer.connectionState);
    };
  });
  await peer.setRemoteDescription({type: "answer", sdp});
  const receiving = peer.getTransceivers().map(each => each.currentDirection);
  return [await connected, receiving];
}"""


@pytest.mark.parametrize("policy", ["balanced", "max-bundle", "max-compat"])
@pytest.mark.parametrize(
    "kinds",
    [
        ["video", "data"],
        ["data", "video"],
        ["audio", "video", "data"],
        ["video sendonly", "video"],
        ["video", "video", "audio"],
    ],
    ids=json.dumps,
)
async def test_an_offer_with_more_than_one_video_is_connected(
    chromium: Browser, kinds: list[str], policy: str
) -> None:
    """Whatever else is offered is refused by its port, or inactive where its transport is shared.

    With ``max-bundle`` Chromium takes no answer that refuses the section whose transport it shares.
    """
    page = await chromium.new_page()
    async with running() as bench:
        bench.stream.deliver(access_unit(0, keyframe=True))
        offer = await page.evaluate(_OFFER, [kinds, policy])
        assert len(parse_offer(offer).sections) == len(kinds)

        state, receiving = await page.evaluate(_ACCEPT, await bench.answer(offer))

        assert state == "connected"
        assert [each for each in receiving if each != "inactive"] == ["recvonly"]
        await page.close()

"""A document goes from a folder to the centre whatever the line and the machines do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.signing import make_key
from gateway.documents.deliveries import DELIVERIES
from gateway.model.errors import ConfigRejected
from tests.fixtures.delivery import MONTH, Delivery, big_csv, big_kind
from tests.fixtures.documents import GOOD_CSV, kind
from tests.fixtures.enrolment import SITE, box_key


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery(tmp_path, big_kind())


async def test_a_file_that_is_put_into_the_folder_is_kept_by_the_centre(delivery: Delivery) -> None:
    """Byte by byte, and the box knows it."""
    delivery.put(GOOD_CSV)

    await delivery.until(lambda: delivery.state() == "kept")

    (kept,) = delivery.store.delivered(MONTH)
    assert (kept.province, kept.site, kept.state) == (SITE.province, SITE.id, "kept")
    assert delivery.store.content(kept.site, kept.document) == GOOD_CSV


async def test_lost_pieces_alone_are_sent_again(delivery: Delivery) -> None:
    """The box asks, the centre names them."""
    delivery.put(content := big_csv(5))
    lost = {1, 3}

    def lose(kind: str, facts: dict[str, object]) -> bool:
        index = facts.get("i")
        if kind != "document.piece" or index not in lost:
            return False
        lost.remove(index)
        return True

    delivery.line.lost = lose
    await delivery.until(lambda: delivery.state() == "kept")

    assert delivery.line.sent("document.piece") == [0, 1, 2, 3, 4, 1, 3]
    (kept,) = delivery.store.delivered(MONTH)
    assert delivery.store.content(kept.site, kept.document) == content


async def test_a_lost_head_costs_everything_once_more(delivery: Delivery) -> None:
    """Pieces of nothing are dropped; the next head begins it."""
    delivery.put(big_csv(2))
    delivery.line.lost = lambda kind, facts: kind == "document" and facts["ask"] == 0

    await delivery.until(lambda: delivery.state() == "kept")

    assert delivery.line.sent("document.piece") == [0, 1, 0, 1]


async def test_a_box_that_starts_again_goes_on_with_the_next_piece(delivery: Delivery) -> None:
    """What is in the outbox already is not recorded again at once, but for the one at the cut."""
    delivery.put(big_csv(5))
    line = delivery.line

    def stop_at_three(_kind: str, facts: dict[str, object]) -> bool:
        if facts.get("i") == 2:
            line.blocked = 99
        return False

    line.lost = stop_at_three
    await delivery.until(lambda: line.blocked > 0)
    line.blocked = 0
    line.lost = lambda _kind, _facts: False
    delivery.box = delivery.new_box()
    await delivery.until(lambda: delivery.state() == "kept")

    sent = line.sent("document.piece")
    assert sent[:3] == [0, 1, 2]
    assert sent[3] in (2, 3)


async def test_a_centre_that_starts_again_has_what_it_had(delivery: Delivery) -> None:
    """What came while it was away is asked for, and no more."""
    delivery.put(big_csv(4))
    line = delivery.line
    await delivery.until(lambda: line.sent("document.piece") == [0, 1, 2, 3], centre=False)
    delivery.receiver = delivery.new_receiver()

    await delivery.until(lambda: delivery.state() == "kept")

    assert line.sent("document.piece")[-4:] == [0, 1, 2, 3]


async def test_an_acknowledgement_that_is_lost_comes_again(delivery: Delivery) -> None:
    """To the next question; nothing is sent twice."""
    delivery.put(GOOD_CSV)
    box, heard = delivery.box, []
    take = box.on_ack

    def lose_once(*given: object) -> None:
        heard.append(given)
        if len(heard) > 1:
            take(*given)  # type: ignore[arg-type]

    box.on_ack = lose_once  # type: ignore[method-assign,assignment]
    await delivery.until(lambda: delivery.state() == "kept")

    assert delivery.line.sent("document.piece") == [0]
    assert len(delivery.store.delivered(MONTH)) == 1


async def test_what_was_acknowledged_is_not_asked_for_after_a_restart(delivery: Delivery) -> None:
    """It is on the box's disk."""
    delivery.put(GOOD_CSV)
    await delivery.until(lambda: delivery.stored_state() == "kept")
    recorded = len(delivery.line.records)
    delivery.box = delivery.new_box()

    await delivery.until(lambda: delivery.state() == "kept", centre=False)

    assert len(delivery.line.records) == recorded


async def test_a_full_outbox_keeps_the_rest_waiting(delivery: Delivery) -> None:
    """Events keep their place."""
    delivery.put(big_csv(5))
    delivery.line.blocked = 4

    await delivery.until(lambda: delivery.state() == "sending", centre=False)

    assert delivery.line.sent("document") == []


async def test_a_wrong_file_is_not_sent_and_a_corrected_one_is(delivery: Delivery) -> None:
    """The box says where it is wrong."""
    delivery.put("Xã;Hồ sơ;Tỷ lệ\na;b;5\n".encode())
    await delivery.until(lambda: delivery.state() == "invalid")
    (standing,) = delivery.box.standings()
    assert (standing.at, standing.faults) == ("B2", 1)
    assert delivery.line.sent("document") == []

    delivery.put(GOOD_CSV)
    await delivery.until(lambda: delivery.state() == "kept")


async def test_the_centre_checks_by_its_own_template(tmp_path: Path) -> None:
    """A box with a laxer one is told what is wrong."""
    delivery = Delivery(tmp_path, kind(), kinds=[kind(min_rows=3).model_dump()])
    delivery.put(GOOD_CSV)

    await delivery.until(lambda: delivery.state() == "refused")

    (refused,) = delivery.store.delivered(MONTH)
    assert [each.code for each in refused.faults] == ["rows.few"]
    assert delivery.store.content(refused.site, refused.document) is None


async def test_a_kind_that_the_centre_does_not_have_is_refused(tmp_path: Path) -> None:
    """Nothing is begun with."""
    delivery = Delivery(
        tmp_path, kind(), kinds=[kind(id="khac", file="k{yyyy}{mm}.csv").model_dump()]
    )
    delivery.put(GOOD_CSV)

    await delivery.until(lambda: delivery.state() == "refused")

    assert delivery.store.delivered(MONTH) == ()


async def test_a_key_that_the_centre_has_not_certified_delivers_nothing(
    delivery: Delivery,
) -> None:
    """It is neither taken nor answered; that of a revoked site likewise."""
    delivery.centre.registry.revoke(SITE.id, client="test")
    delivery.put(GOOD_CSV)

    await delivery.until(lambda: len(delivery.line.sent("document")) > 2)

    assert delivery.acks == []
    assert delivery.store.delivered(MONTH) == ()


async def test_another_sites_key_cannot_deliver_for_it(delivery: Delivery, tmp_path: Path) -> None:
    """The certificate must be this site's."""
    other = SITE.model_copy(update={"id": "hue-01", "province": "46"})
    delivery.key = box_key(delivery.centre, tmp_path, other)
    delivery.box = delivery.new_box()
    delivery.put(GOOD_CSV)

    await delivery.until(lambda: len(delivery.line.sent("document")) > 2)

    assert delivery.store.delivered(MONTH) == ()


async def test_an_acknowledgement_by_another_key_counts_for_nothing(
    delivery: Delivery, tmp_path: Path
) -> None:
    """Whoever can write to the broker cannot make a box forget its document."""
    secret, _ = make_key(tmp_path / "elsewhere", "doc-other")
    delivery.settings = delivery.settings.model_copy(update={"key": secret})
    delivery.receiver = delivery.new_receiver()
    delivery.put(GOOD_CSV)

    await delivery.until(lambda: len(delivery.acks) > 2)

    assert delivery.state() == "sending"


async def test_a_key_for_something_else_signs_no_acknowledgement(
    delivery: Delivery, tmp_path: Path
) -> None:
    """The console says so when it starts."""
    secret, _ = make_key(tmp_path / "elsewhere", "cmd-other")
    delivery.settings = delivery.settings.model_copy(update={"key": secret})
    with pytest.raises(ConfigRejected):
        delivery.new_receiver()


async def test_a_full_centre_keeps_what_it_has(tmp_path: Path) -> None:
    """And takes no more; the box goes on asking."""
    delivery = Delivery(tmp_path, kind())
    delivery.store._max_bytes = 10
    delivery.put(GOOD_CSV)

    await delivery.until(lambda: len(delivery.line.sent("document")) > 2)

    assert delivery.store.delivered(MONTH) == ()
    assert delivery.state() == "sending"


async def test_a_ledger_that_cannot_be_read_is_begun_anew(delivery: Delivery) -> None:
    """The centre knows the content that it has, and keeps it once."""
    delivery.put(GOOD_CSV)
    await delivery.until(lambda: delivery.stored_state() == "kept")
    (delivery.folder / "state" / DELIVERIES).write_bytes(b"{")
    delivery.box = delivery.new_box()

    await delivery.until(lambda: delivery.state() == "kept")

    assert delivery.line.sent("document").count(0) == 2
    assert len(delivery.store.delivered(MONTH)) == 1


async def test_a_link_and_a_pipe_in_the_folder_are_not_read(delivery: Delivery) -> None:
    """Whoever may write there could name any file of the machine, or let us wait."""
    secret = delivery.folder / "secret"
    secret.write_bytes(GOOD_CSV)
    (delivery.drop / delivery.template.file_of(MONTH)).symlink_to(secret)

    await delivery.until(lambda: delivery.state() == "missing")

    assert delivery.line.sent("document") == []

"""Several browsers on one mirror: those in step share encoded rows, and every one of them has the newest values."""

from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.quote_rows import BusFrame
from marketdata.streaming.frames import BrowserFrameKind
from marketdata.streaming.mirror import QuoteMirror
from marketdata.streaming.moments import Moment, Moments
from marketdata.streaming.outbox import Outbox
from tests.frame_readers import decode_browser_frame
from tests.unit.marketdata.streaming.bus_rows import make_frame, make_row
from tests.unit.marketdata.streaming.test_mirror import frames_of_two
from tests.unit.marketdata.streaming.test_outbox import no_status

IDS = [1, 2, 3, 4]


class Browser:
    """An outbox, and the rows that its frames have left."""

    def __init__(self, rate_hz: int) -> None:
        self.outbox = Outbox(epoch=3, now=0.0)
        self.outbox.rate_hz = rate_hz
        self.outbox.watch(IDS)
        self.held: dict[int, bytes] = {}

    def receive(self, mirror: QuoteMirror, moment: Moment, *, at_once: bool = False) -> bool:
        """Apply the frame of this moment, if there is one; return whether there was."""
        payload = self.outbox.next_frame(mirror, moment, at_once=at_once)
        if payload is None:
            return False
        frame = decode_browser_frame(payload)
        if frame.kind is BrowserFrameKind.SNAPSHOT:
            self.held.clear()
        self.held |= {int(row["instrument_id"]): row.tobytes()[:-4] for row in frame.rows}  # without its age
        return True


class Market:
    """A mirror, its moments and a clock."""

    def __init__(self) -> None:
        self.mirror, self.moments, self.now = QuoteMirror(), Moments(), 0.0

    def moment(self, rate_hz: int) -> Moment:
        return self.moments.get(rate_hz, now=self.now, now_ms=2_000, version=self.mirror.version, status=no_status)


def in_step(*rates: int) -> tuple[Market, list[Browser]]:
    """Return browsers whose snapshots of one moment were sent and acknowledged."""
    market, browsers = Market(), [Browser(rate) for rate in rates]
    market.mirror.absorb(make_frame(*(make_row(one) for one in IDS), sequence=1))
    for browser in browsers:
        browser.receive(market.mirror, market.moment(browser.outbox.rate_hz))
        browser.outbox.acknowledge(2**32)
    return market, browsers


def test_browsers_in_step_get_the_same_encoded_rows() -> None:
    market, browsers = in_step(4, 4)
    for sequence, now in enumerate((0.25, 0.5, 0.75), start=2):
        market.now = now
        market.mirror.absorb(make_frame(make_row(1, ltp=now), sequence=sequence))
        moments = [market.moment(4)]
        browsers[0].receive(market.mirror, moments[0])
        # A change between the two frames of a moment comes with the next one.
        market.mirror.absorb(make_frame(make_row(2, ltp=now), sequence=sequence + 10))
        market.now += 0.01
        moments.append(market.moment(4))
        browsers[1].receive(market.mirror, moments[1])
        for browser in browsers:
            browser.outbox.acknowledge(2**32)

        assert moments[0] is moments[1]
        assert moments[0].is_in_step(moments[0].since)
        assert browsers[0].held == browsers[1].held


def test_a_browser_that_missed_a_moment_gets_rows_of_its_own_and_is_in_step_again() -> None:
    market, (reads, slow) = in_step(4, 4)
    for sequence, now in enumerate((0.25, 0.5, 0.75, 1.0), start=2):
        market.now = now
        market.mirror.absorb(make_frame(make_row(sequence - 1, ltp=now), sequence=sequence))
        for browser in (reads, slow) if now > 0.6 else (reads,):
            browser.receive(market.mirror, market.moment(4))
            browser.outbox.acknowledge(2**32)

        if now > 0.6:
            assert slow.held == reads.held


def test_a_browser_that_has_seen_more_than_a_moment_is_not_set_back() -> None:
    market, (early, late) = in_step(4, 4)
    market.now = 0.25
    market.mirror.absorb(make_frame(make_row(1, ltp=8.0), sequence=2))
    moment = market.moment(4)
    late.receive(market.mirror, moment)
    market.mirror.absorb(make_frame(make_row(1, ltp=9.0), sequence=3))
    # As if this browser had got a frame of its own meanwhile.
    other = Moments().get(4, now=0.26, now_ms=2_000, version=market.mirror.version, status=no_status)
    early.receive(market.mirror, other, at_once=True)

    early.receive(market.mirror, moment, at_once=True)

    assert early.held == _fresh(market)


steps = st.tuples(
    frames_of_two, st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=3, max_size=3)
)


@given(st.lists(st.tuples(steps, st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.25, 1.0])), max_size=30))
def test_whatever_browsers_miss_each_has_a_fresh_snapshot_in_the_end(
    course: list[tuple[tuple[BusFrame, list[tuple[bool, bool, bool]]], float]],
) -> None:
    market, browsers = Market(), [Browser(4), Browser(4), Browser(10)]
    for (frame, turns), pause in course:
        market.mirror.absorb(frame)
        market.now += pause
        for browser, (sends, acknowledges, at_once) in zip(browsers, turns, strict=True):
            if acknowledges:
                browser.outbox.acknowledge(2**32)
            if sends:
                browser.receive(market.mirror, market.moment(browser.outbox.rate_hz), at_once=at_once)

    # A moment may be older than the last change; the frame of the next one has it.
    for _ in range(2):
        market.now += 1.0
        for browser in browsers:
            browser.outbox.acknowledge(2**32)
            browser.receive(market.mirror, market.moment(browser.outbox.rate_hz))
    assert [one.held for one in browsers] == [_fresh(market)] * 3


def _fresh(market: Market) -> dict[int, bytes]:
    fresh = Browser(4)
    fresh.receive(market.mirror, market.moment(4))
    return fresh.held

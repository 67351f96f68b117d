"""Which DAHDI cards, spans and channels there are, and making analogue channels ready for use.

No configuration program is needed: span numbers are assigned, each channel gets
the signalling that its hardware can do, and a tone zone is loaded.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass

from board.api import BoardError, PortKind
from board.dahdi import ioctls
from board.dahdi.kernel import CONTROL, Kernel, LinuxKernel, ioctl, reason

ZONE = 86
"""Number of our tone zone: China's country code, which no other program's zone has."""
_ZONE_RING_MS = (1000, 4000)

_LINE_SIGNALLING = (ioctls.SIG_FXSKS, ioctls.SIG_FXSLS)
_PHONE_SIGNALLING = (ioctls.SIG_FXOKS, ioctls.SIG_FXOLS)


@dataclass(frozen=True)
class ChannelInfo:
    """One analogue channel. `card`, `span_place` and `position` stay when numbers change."""

    number: int
    """DAHDI channel number, from 1 upwards over all spans."""
    span: int
    span_place: int
    """Place of its span on the card."""
    position: int
    """Place in its span, from 1."""
    kind: PortKind
    signalling: int
    """What it will be configured for."""
    configured: bool
    """The kernel has this signalling already."""
    card: str
    alarm: bool

    @property
    def place(self) -> tuple[str, int, int]:
        """What names the same socket after the card was pulled and pushed in again."""
        return (self.card, self.span_place, self.position)


@dataclass(frozen=True)
class Card:
    """A card with analogue ports."""

    name: str
    """Stable: serial number where the card has one, else its place on the bus. Address `dahdi:NAME`."""
    description: str
    location: str
    spans: tuple[int, ...]
    lines: int
    phones: int


class Control:
    """The control node: asks and configures. Use as a context manager."""

    def __init__(self, kernel: Kernel) -> None:
        """Raises BoardError when there is no DAHDI here."""
        self._kernel = kernel
        try:
            self._fd = kernel.open(CONTROL)
        except FileNotFoundError as error:
            raise BoardError(f"dahdi: {kernel.why_missing()}") from error
        except OSError as error:
            raise BoardError(f"dahdi: cannot open {CONTROL}: {reason(error)}") from error

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *raised: object) -> None:
        self._kernel.close(self._fd)

    def assign(self) -> None:
        """Give numbers to spans that have none: the driver leaves this to us."""
        for device in self._kernel.devices().values():
            if device.wanted > len(device.spans):
                try:
                    self._kernel.assign_spans(device.name)
                except OSError as error:
                    raise BoardError(
                        f"dahdi: the card {device.name} gets no span numbers: {reason(error)}"
                    ) from error

    def spans(self) -> list[ioctls.SpanInfo]:
        """All assigned spans, by number."""
        found = []
        for number in range(1, ioctls.MOST_SPANS + 1):
            try:
                data = ioctl(self._kernel, self._fd, ioctls.SPANSTAT, ioctls.span_query(number))
            except OSError as error:
                if error.errno in (errno.EINVAL, errno.ENODEV):
                    continue
                raise BoardError(f"dahdi: span {number} does not answer: {reason(error)}") from error
            found.append(ioctls.SpanInfo.unpack(data))
        return found

    def channels(self) -> list[ChannelInfo]:
        """All analogue channels, in the order of card, span and position; not those being taken away."""
        cards = self._cards()
        found = []
        leaving = {span.number for span in self.spans() if span.alarms & ioctls.ALARM_NOT_OPEN}
        for params in self._all_params():
            if params.span in leaving:
                continue
            card, place = cards.get(params.span, (f"span-{params.span}", 1))
            if (info := _channel(params, card, place)) is not None:
                found.append(info)
        return sorted(found, key=lambda info: info.place)

    def _all_params(self) -> Iterator[ioctls.Params]:
        left = sum(span.channels for span in self.spans())
        for number in range(1, ioctls.MOST_CHANNELS):
            if left <= 0:
                return
            try:
                data = ioctl(self._kernel, self._fd, ioctls.GET_PARAMS, ioctls.Params(number).pack())
            except OSError as error:
                if error.errno in (errno.EINVAL, errno.ENODEV, errno.ENXIO):
                    continue
                raise BoardError(f"dahdi: channel {number} does not answer: {reason(error)}") from error
            params = ioctls.Params.unpack(data)
            if params.span:
                left -= 1
                yield params

    def _cards(self) -> dict[int, tuple[str, int]]:
        """Stable card name and place on the card, by span number."""
        return {
            span: (card_name(device.hardware_id, device.name), place)
            for device in self._kernel.devices().values()
            for span, place in device.spans.items()
        }

    def configure(self, channel: ChannelInfo) -> None:
        """Give the channel its signalling. BoardError says why not."""
        if channel.configured:
            return
        data = ioctls.channel_config(channel.number, channel.signalling)
        try:
            ioctl(self._kernel, self._fd, ioctls.CHANCONFIG, data)
        except OSError as error:
            raise BoardError(f"dahdi: channel {channel.number} cannot be set up: {reason(error)}") from error

    def start_up(self, span: int) -> None:
        """Let the driver run the span. Cards without a start-up refuse it, which is as good."""
        try:
            ioctl(self._kernel, self._fd, ioctls.STARTUP, ioctls.number(span))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTTY):
                raise BoardError(f"dahdi: span {span} does not start: {reason(error)}") from error

    def load_zone(self) -> None:
        """Load our tone zone; one that is there from an earlier run is kept."""
        data = ioctls.tone_zone(ZONE, "zongji", _ZONE_RING_MS)
        try:
            ioctl(self._kernel, self._fd, ioctls.LOADZONE, data)
        except OSError as error:
            # The kernel answers EINVAL (older) or EBUSY when the number is taken: by ourselves.
            if error.errno not in (errno.EINVAL, errno.EBUSY, errno.EEXIST):
                raise BoardError(f"dahdi: the tone zone cannot be loaded: {reason(error)}") from error


def _channel(params: ioctls.Params, card: str, place: int) -> ChannelInfo | None:
    """None for channels that are not analogue."""
    for kind, choices in ((PortKind.FXO, _LINE_SIGNALLING), (PortKind.FXS, _PHONE_SIGNALLING)):
        for signalling in choices:
            if params.can_signal & signalling == signalling:
                wanted = params.signalling if params.signalling in (*choices, *_other(kind)) else signalling
                # A channel of a test span can be either: what it has been configured for counts.
                is_line = wanted in _LINE_SIGNALLING
                return ChannelInfo(
                    number=params.channel,
                    span=params.span,
                    span_place=place,
                    position=params.position,
                    kind=PortKind.FXO if is_line else PortKind.FXS,
                    signalling=wanted,
                    configured=params.signalling == wanted,
                    card=card,
                    alarm=bool(params.alarms),
                )
    return None


def _other(kind: PortKind) -> tuple[int, ...]:
    return _PHONE_SIGNALLING if kind is PortKind.FXO else _LINE_SIGNALLING


def card_name(hardware_id: str, device: str) -> str:
    """A name for addresses and ports: the serial number where there is one, else the place on the bus."""
    return re.sub(r"[^a-z0-9.:]+", "-", (hardware_id or device).lower()).strip("-").replace(":", "-")


def find_cards(kernel: Kernel | None = None) -> list[Card]:
    """All cards with analogue ports on this machine. BoardError when there is no DAHDI."""
    kernel = kernel or LinuxKernel()
    with Control(kernel) as control:
        control.assign()
        channels = control.channels()
        spans = {span.number: span for span in control.spans()}
    cards = []
    for name in dict.fromkeys(channel.card for channel in channels):
        own = [channel for channel in channels if channel.card == name]
        numbers = tuple(sorted({channel.span for channel in own}))
        first = spans.get(numbers[0])
        cards.append(
            Card(
                name=name,
                description=(first.device_type or first.description) if first else "",
                location=first.location if first else "",
                spans=numbers,
                lines=sum(channel.kind is PortKind.FXO for channel in own),
                phones=sum(channel.kind is PortKind.FXS for channel in own),
            )
        )
    return cards

"""What happens to a call, in one table. The handlers live where they belong by subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from appliance.core import fax, inbound, outbound, silence, talk, waiting
from appliance.core.call import Call, CallEvent, CallState
from appliance.core.world import World

S, E = CallState, CallEvent
Handler = Callable[[World, Call, Mapping[str, Any]], None]

LIVE = frozenset(CallState) - {S.NEW, S.ENDED}
ON_LINE = frozenset({S.IVR, S.CLOSING, S.QUEUED, S.OFFERED, S.EXTENSION, S.TRANSFER, S.TALKING, S.HELD})
"""States of a call that has been answered, or that began inside."""

RINGS_SOMEWHERE = frozenset({S.OFFERED, S.EXTENSION, S.TRANSFER, S.PHONE_FIRST})
GOES_OUT = frozenset({S.PHONE_FIRST, S.SEIZING, S.DIALLING, S.PROGRESS})


def _rows(
    states: Iterable[CallState], row: dict[CallEvent, Handler]
) -> dict[tuple[CallState, CallEvent], Handler]:
    return {(state, event): handler for state in states for event, handler in row.items()}


TABLE: dict[tuple[CallState, CallEvent], Handler] = {
    # What holds nearly everywhere; more special rows follow and replace it.
    **_rows(LIVE, {E.LINE_LOST: talk.line_lost, E.DROP: talk.drop, E.HANG_UP: talk.refuse}),
    **_rows(LIVE, {E.HOLD: talk.refuse, E.RETRIEVE: talk.refuse, E.TRANSFER: talk.refuse}),
    **_rows(ON_LINE, {E.TOO_LONG: talk.too_long, E.CALLER_ID: inbound.late_caller_id}),
    **_rows(ON_LINE, {E.ROUTED: inbound.routed}),
    **_rows(ON_LINE | {S.PROGRESS}, {E.FAX: fax.heard}),
    (S.TALKING, E.SILENT): silence.changed,
    (S.TALKING, E.SILENT_OUT): silence.out,
    # From outside, before the answer.
    (S.NEW, E.BEGIN): inbound.begin,
    (S.RINGING, E.RING_ON): inbound.ring_on,
    (S.RINGING, E.RING_OFF): inbound.ring_off,
    (S.RINGING, E.RING_GONE): inbound.ring_gone,
    (S.RINGING, E.FAR_GONE): inbound.ring_gone,
    (S.RINGING, E.CALLER_ID): inbound.caller_id,
    (S.RINGING, E.ROUTED): inbound.routed,
    (S.IGNORED, E.RING_ON): inbound.ring_on,
    (S.IGNORED, E.RING_OFF): inbound.ring_off,
    (S.IGNORED, E.RING_GONE): inbound.ring_gone,
    (S.IGNORED, E.FAR_GONE): inbound.ring_gone,
    (S.IGNORED, E.CALLER_ID): inbound.late_caller_id,
    # Menus and last words.
    (S.IVR, E.KEY): inbound.key,
    (S.IVR, E.PLAYED): inbound.played,
    (S.IVR, E.STEP_TIMER): inbound.key_timeout,
    (S.IVR, E.FAR_GONE): inbound.gone_in_ivr,
    (S.CLOSING, E.PLAYED): inbound.closed,
    (S.CLOSING, E.STEP_TIMER): inbound.closed,
    (S.CLOSING, E.FAR_GONE): inbound.gone_while_closing,
    # Waiting.
    **_rows((S.QUEUED, S.OFFERED), {E.ANNOUNCE: waiting.announce, E.PLAYED: waiting.music_played}),
    **_rows((S.QUEUED, S.OFFERED, S.EXTENSION), {E.KEY: waiting.queue_key}),
    **_rows((S.QUEUED, S.OFFERED, S.EXTENSION), {E.FAR_GONE: waiting.gone_waiting}),
    (S.QUEUED, E.WAITED_OUT): waiting.waited_out,
    (S.QUEUED, E.OFFER): waiting.offer,
    (S.OFFERED, E.RANG_OUT): waiting.offer_rang_out,
    (S.OFFERED, E.LIFTED): waiting.lifted,
    (S.OFFERED, E.PHONE_LOST): waiting.offer_phone_lost,
    (S.EXTENSION, E.RANG_OUT): waiting.extension_rang_out,
    (S.EXTENSION, E.LIFTED): waiting.lifted,
    (S.EXTENSION, E.PHONE_LOST): waiting.extension_lost,
    (S.EXTENSION, E.HANG_UP): outbound.drop,
    # Conversation.
    (S.TALKING, E.FAR_GONE): talk.far_gone,
    (S.TALKING, E.NEAR_GONE): talk.near_gone,
    (S.TALKING, E.HANG_UP): talk.hang_up,
    (S.TALKING, E.HOLD): talk.hold,
    (S.TALKING, E.TRANSFER): talk.transfer,
    (S.TALKING, E.PHONE_LOST): talk.phone_lost,
    (S.HELD, E.FAR_GONE): talk.far_gone,
    (S.HELD, E.NEAR_GONE): talk.holder_gone,
    (S.HELD, E.HANG_UP): talk.hang_up,
    (S.HELD, E.RETRIEVE): talk.retrieve,
    (S.HELD, E.TRANSFER): talk.transfer,
    (S.HELD, E.PLAYED): talk.hold_music,
    (S.HELD, E.PHONE_LOST): talk.phone_lost,
    (S.TRANSFER, E.FAR_GONE): talk.far_gone,
    (S.TRANSFER, E.LIFTED): waiting.lifted,
    (S.TRANSFER, E.RANG_OUT): talk.transfer_failed,
    (S.TRANSFER, E.PHONE_LOST): talk.transfer_failed,
    (S.TRANSFER, E.PLAYED): talk.hold_music,
    # To the outside.
    **_rows(GOES_OUT, {E.HANG_UP: outbound.drop, E.PHONE_LOST: outbound.phone_lost}),
    **_rows(GOES_OUT - {S.PHONE_FIRST}, {E.NEAR_GONE: outbound.near_gone}),
    (S.PHONE_FIRST, E.LIFTED): outbound.own_lifted,
    (S.PHONE_FIRST, E.RANG_OUT): outbound.own_not_lifted,
    (S.PHONE_FIRST, E.DROP): outbound.forced,
    (S.SEIZING, E.TONE): outbound.seizing_tone,
    (S.SEIZING, E.STEP_TIMER): outbound.seizing_timer,
    (S.SEIZING, E.RING_ON): outbound.glare,
    (S.SEIZING, E.FAR_GONE): outbound.seizing_line_gone,
    (S.SEIZING, E.LINE_LOST): outbound.seizing_line_gone,
    (S.DIALLING, E.DIALLED): outbound.dialled,
    (S.DIALLING, E.STEP_TIMER): outbound.dialling_stuck,
    (S.DIALLING, E.FAR_ANSWERED): outbound.far_answered,
    (S.DIALLING, E.FAR_GONE): outbound.progress_far_gone,
    (S.PROGRESS, E.TONE): outbound.progress_tone,
    (S.PROGRESS, E.STEP_TIMER): outbound.progress_over,
    (S.PROGRESS, E.FAR_ANSWERED): outbound.far_answered,
    (S.PROGRESS, E.FAR_GONE): outbound.progress_far_gone,
}
"""What happens in which state. A pair is here or in IGNORED."""


def _pairs(states: Iterable[CallState], *events: CallEvent) -> set[tuple[CallState, CallEvent]]:
    return {(state, event) for state in states for event in events}


def _others(*states: CallState) -> frozenset[CallState]:
    return frozenset(CallState) - frozenset(states)


IGNORED: frozenset[tuple[CallState, CallEvent]] = frozenset(
    # A call is NEW only inside the step that creates it, and gone when it is ENDED.
    _pairs((S.ENDED,), *CallEvent)
    | _pairs((S.NEW,), *(event for event in CallEvent if event is not E.BEGIN))
    | _pairs(_others(S.NEW), E.BEGIN)
    # Ringing matters before the answer, and when it collides with our seizing.
    | _pairs(ON_LINE | GOES_OUT - {S.SEIZING}, E.RING_ON)
    | _pairs(ON_LINE | GOES_OUT, E.RING_OFF, E.RING_GONE)
    | _pairs(GOES_OUT | {S.IGNORED}, E.ROUTED)
    | _pairs(GOES_OUT, E.CALLER_ID)
    # Nobody listens to the line before the answer; keys in a conversation are private.
    | _pairs((S.RINGING, S.IGNORED, S.CLOSING, S.TALKING, S.HELD, S.TRANSFER, *GOES_OUT), E.KEY)
    | _pairs((S.RINGING, S.IGNORED, S.EXTENSION, S.TALKING, *GOES_OUT), E.PLAYED)
    # A line that is not taken yet has no far end to lose.
    | _pairs((S.PHONE_FIRST,), E.FAR_GONE)
    # The engine looks at conversations; what it has seen may come a moment late.
    | _pairs(_others(S.TALKING), E.SILENT, E.SILENT_OUT)
    | _pairs((S.RINGING, S.IGNORED, *(GOES_OUT - {S.PROGRESS})), E.FAX)
    # Each timer belongs to its state and is set anew there.
    | _pairs(_others(S.IVR, S.CLOSING, S.SEIZING, S.DIALLING, S.PROGRESS), E.STEP_TIMER)
    | _pairs(_others(S.QUEUED, S.OFFERED), E.ANNOUNCE)
    | _pairs(_others(S.QUEUED), E.WAITED_OUT, E.OFFER)
    | _pairs(_others(*RINGS_SOMEWHERE), E.RANG_OUT, E.LIFTED)
    | _pairs((S.RINGING, S.IGNORED, *GOES_OUT), E.TOO_LONG)
    # Progress is of interest only on the way out.
    | _pairs(_others(S.SEIZING, S.PROGRESS), E.TONE)
    | _pairs(_others(S.DIALLING), E.DIALLED)
    | _pairs(_others(S.DIALLING, S.PROGRESS), E.FAR_ANSWERED)
    # Our side is not in the call yet, or not any more.
    | _pairs(_others(S.TALKING, S.HELD, S.SEIZING, S.DIALLING, S.PROGRESS), E.NEAR_GONE)
    | _pairs((S.RINGING, S.IGNORED, S.IVR, S.CLOSING, S.QUEUED), E.PHONE_LOST)
)

"""Words for the codes that the call core uses; one table per kind of code."""

from __future__ import annotations

from typing import Any

from webui.tongue import gettext as _
from webui.tongue import lazy_gettext as _l

ROLE = {"admin": _l("Administrator"), "supervisor": _l("Supervisor"), "agent": _l("Agent")}

LINE_STATE = {
    "idle": _l("Idle"),
    "ringing": _l("Ringing"),
    "ivr": _l("Menu"),
    "queued": _l("Waiting"),
    "offered": _l("Offered"),
    "talking": _l("Talking"),
    "held": _l("On hold"),
    "dialling": _l("Dialling"),
    "out_ringing": _l("Calling out"),
    "out_talking": _l("Talking (out)"),
    "blocked": _l("Blocked caller"),
    "fault": _l("Fault"),
    "elsewhere": _l("In use at another telephone"),
    "quarantined": _l("Out of use: being checked"),
}
PHONE_STATE = {
    "idle": _l("On hook"),
    "ringing": _l("Ringing"),
    "off_hook": _l("Off hook"),
    "dialling": _l("Dialling"),
    "talking": _l("Talking"),
    "howler": _l("Left off hook"),
    "fault": _l("Fault"),
}
AGENT_STATE = {
    "signed_out": _l("Signed out"),
    "not_ready": _l("Not ready"),
    "ready": _l("Ready"),
    "ringing": _l("Ringing"),
    "talking": _l("Talking"),
    "hold": _l("On hold"),
    "fax": _l("Fax machine heard"),
    "silence": _l("Nobody heard for a while"),
    "consult": _l("Consulting"),
    "conference": _l("Conference"),
    "wrap_up": _l("Wrap-up"),
    "outbound": _l("Outbound call"),
    "internal": _l("Internal call"),
    "phone_off": _l("Telephone off"),
}
REASON = {
    "lunch": _l("Lunch"),
    "break": _l("Break"),
    "training": _l("Training"),
    "paperwork": _l("Paperwork"),
    "meeting": _l("Meeting"),
    "no_answer": _l("No answer"),
    "rejected": _l("Rejected"),
    "phone_unavailable": _l("Telephone unavailable"),
    "forced": _l("Set by supervisor"),
    "rest": _l("Rest"),
    "sign_in": _l("Just signed in"),
}
DIRECTION = {"in": _l("Incoming"), "out": _l("Outgoing"), "internal": _l("Internal")}
END_REASON = {
    "caller_hangup": _l("Other party hung up"),
    "agent_hangup": _l("Agent hung up"),
    "abandoned_ringing": _l("Gave up while ringing"),
    "abandoned_ivr": _l("Gave up in the menu"),
    "abandoned_queue": _l("Gave up in the queue"),
    "blocked": _l("Blocked"),
    "flow_end": _l("Ended by the menu"),
    "no_answer": _l("No answer"),
    "busy": _l("Busy"),
    "congestion": _l("Network busy"),
    "barred": _l("Number not allowed"),
    "no_line": _l("No free line"),
    "no_dial_tone": _l("No dial tone"),
    "cancelled": _l("Cancelled"),
    "line_lost": _l("Line lost"),
    "max_length": _l("Length limit reached"),
    "forced": _l("Ended by supervisor"),
    "error": _l("Fault of the box"),
}
MISS_REASON = {
    "phone_lost": _l("telephone lost"),
    "abandoned": _l("caller gave up"),
    "full": _l("queue full"),
    "timeout": _l("waited too long"),
    "closed": _l("nobody there"),
    "answered": _l("answered"),
    "fax": _l("a fax machine, not a person"),
}
TONE = {
    "dial": _l("dial tone"),
    "ringback": _l("ringing at the other end"),
    "busy": _l("busy tone"),
    "congestion": _l("network busy tone"),
    "sit": _l("announcement tone"),
    "voice": _l("voice"),
    "silence": _l("silence"),
    "fax-cng": _l("calling tone of a fax machine"),
    "fax-ced": _l("answering tone of a fax machine"),
    "modem": _l("modem tone"),
}
ANSWER_SEEN = {
    "seen": _l("seen on the line"),
    "inferred": _l("guessed from what was heard"),
    "unknown": _l("not known for certain"),
}
CUE = {
    "tone": _l("disconnect tone"),
    "battery": _l("line power dropped"),
    "polarity": _l("polarity reversal"),
    "dialtone": _l("dial tone came back"),
    "signalled": _l("told by the network"),
    "silence": _l("nobody was heard any more"),
}
STEP = {
    "ring": _l("Line rings"),
    "kept": _l("Stayed on the line while the call engine was started anew"),
    "callerid": _l("Caller ID received"),
    "answer": _l("Box answers"),
    "node": _l("Menu"),
    "key": _l("Key pressed"),
    "queue": _l("Enters queue"),
    "offer": _l("Offered to agent"),
    "miss": _l("Agent did not answer"),
    "connect": _l("Connected"),
    "hold": _l("On hold"),
    "retrieve": _l("Taken back from hold"),
    "transfer": _l("Transferred"),
    "hangup": _l("Hang-up"),
    "dial": _l("Dialled"),
    "seize": _l("Takes a line"),
    "progress": _l("On the line"),
    "queue_exit": _l("Leaves the queue"),
    "record_pause": _l("Recording paused"),
    "record_resume": _l("Recording resumed"),
}
NOT_SAID = frozenset({"at", "what", "flow", "by_caller", "latency_s"})
"""Of a step: said otherwise, or for engineers only."""
PRESENTATION = {"withheld": _l("Number withheld"), "unavailable": _l("Number unavailable")}
BLOCK_ACTION = {
    "ignore": _l("Never answer (caller hears ringing)"),
    "drop": _l("Answer and hang up"),
    "message": _l("Answer, play a message, hang up"),
}
REASON_BAD = {
    "no_dial_tone": _l("no dial tone"),
    "no_loop": _l("no loop current: check the cable"),
    "hum": _l("loud mains hum: check earthing and cable"),
}
"""Why a line is out of use."""
MESSAGE_STATE = {
    "received": _l("Received"),
    "queued": _l("Waiting to be sent"),
    "sent": _l("Sent"),
    "delivered": _l("Delivered"),
    "failed": _l("Not sent"),
}
AUDIT = {
    "claim": _l("Box claimed"),
    "claim refused": _l("Wrong claim code"),
    "sign-in": _l("Signed in to the pages"),
    "sign-in refused": _l("Sign-in refused"),
    "sign-out": _l("Signed out of the pages"),
    "locked out": _l("Locked out"),
    "lock opened": _l("Sign-in allowed again"),
    "denied": _l("Refused: not allowed"),
    "password changed": _l("Password changed"),
    "password change refused": _l("Password change refused"),
    "customer added": _l("Customer added"),
    "customer changed": _l("Customer changed"),
    "customer deleted": _l("Customer deleted"),
    "customers exported": _l("Customers exported"),
    "customers imported": _l("Customers imported"),
    "calls exported": _l("Calls exported"),
    "line test": _l("Line test"),
    "card firmware": _l("Firmware given to a card"),
    "message sent": _l("Message sent"),
    "message sent again": _l("Message sent again"),
    "messages exported": _l("Messages exported"),
    "audit exported": _l("Audit log exported"),
    "network on trial": _l("Network settings on trial"),
    "network confirmed": _l("Network settings confirmed"),
    "time set": _l("Time settings changed"),
    "remote support opened": _l("Remote support opened"),
    "remote support closed": _l("Remote support closed"),
    "remote support refused": _l("Remote support refused"),
    "update uploaded": _l("Update uploaded"),
    "update refused": _l("Update refused"),
    "update begun": _l("Update begun"),
    "update cancelled": _l("Update cancelled"),
    "update deleted": _l("Update deleted"),
    "fall-back read": _l("Fall-back acknowledged"),
    "stick ejected": _l("USB stick taken out"),
    "box restarted": _l("Box started anew"),
    "box switched off": _l("Box switched off"),
    "recovery ordered": _l("Recovery ordered"),
    "cards chosen": _l("Cards chosen"),
    "recording played": _l("Recording played"),
    "recording downloaded": _l("Recording downloaded"),
    "starred": _l("Star set"),
    "unstarred": _l("Star removed"),
    "lines added": _l("Line added"),
    "lines changed": _l("Line changed"),
    "lines deleted": _l("Line deleted"),
    "phones added": _l("Telephone added"),
    "phones changed": _l("Telephone changed"),
    "phones deleted": _l("Telephone deleted"),
    "agents added": _l("Agent added"),
    "agents changed": _l("Agent changed"),
    "agents deleted": _l("Agent deleted"),
    "queues added": _l("Queue added"),
    "queues changed": _l("Queue changed"),
    "queues deleted": _l("Queue deleted"),
    "menu saved": _l("Menu saved"),
    "menu published": _l("Menu published"),
    "menu rolled back": _l("Menu rolled back"),
    "menu deleted": _l("Menu deleted"),
    "blacklist added": _l("Number blocked"),
    "blacklist changed": _l("Blocked number changed"),
    "blacklist removed": _l("Number let in again"),
    "user added": _l("User added"),
    "user changed": _l("User changed"),
    "user deleted": _l("User deleted"),
    "settings changed": _l("Settings changed"),
    "backup made": _l("Backup made"),
    "backup deleted": _l("Backup deleted"),
    "share for backups changed": _l("Network share for backups changed"),
    "backup downloaded": _l("Backup downloaded"),
    "backup restored": _l("Backup restored"),
    "recovery key shown": _l("Recovery key shown"),
    "recovery key refused": _l("Recovery key: wrong password"),
    "recovery key printed": _l("Recovery key put on paper"),
    "repair": _l("Repair from the start page"),
    "support bundle": _l("Support bundle collected"),
    "force_not_ready": _l("Agent set not ready"),
    "force_sign_out": _l("Agent signed out by supervisor"),
    "drop_call": _l("Call ended by supervisor"),
}
CUSTOMER_KIND = {"potential": _l("Potential customer"), "new": _l("New customer"), "old": _l("Old customer")}
DESK_ERROR = {
    "engine_away": _l("The call engine is away. Your telephone still works; try again in a few seconds."),
    "store_away": _l("The database cannot be opened. Calls go on; try again later."),
    "unknown_agent": _l("This work number is not set up. Ask the administrator."),
    "unknown_phone": _l("There is no telephone with this extension. Choose one from the list."),
    "phone_in_use": _l("Another agent is signed in to this telephone. Choose another one."),
    "already_signed_in": _l("You are signed in already. Sign out first to change the telephone."),
    "not_signed_in": _l("Sign in to a telephone first."),
    "phone_off_hook": _l("The telephone is off the hook. Hang it up and try again."),
    "busy": _l("You are in a call. Finish it first."),
    "no_call": _l("There is no call to do this with."),
    "not_allowed_in_state": _l("This is not possible in your present state."),
    "unknown_target": _l("There is no such extension or agent. Check the number."),
    "target_busy": _l("The other telephone is busy or its agent cannot take a call now. Try another one."),
    "no_free_line": _l("All lines are in use. Try again in a moment."),
    "number_barred": _l("This number may not be dialled. Ask the administrator."),
    "unknown_verb": _l("The box does not know this action. Reload the page."),
    "bad_request": _l("Something is missing in the request. Check what you entered."),
    "port_lost": _l("The telephone or the line has no contact. Check its cable."),
    "phone_not_connected": _l("No telephone is connected at this extension. Check its cable."),
}


def label(table: dict[str, Any], code: str | None) -> str:
    """The word for `code`; a code that has none yet is shown as it is."""
    if not code:
        return ""
    return str(table.get(code, code))


def step_words(step: dict[str, Any], agents: dict[str, str], queues: dict[str, str]) -> list[str]:
    """What a step of a call says besides its kind, in words."""
    words = []
    for key, value in step.items():
        if key in NOT_SAID or value in ("", None) or isinstance(value, bool):
            continue
        text = str(value)
        if key == "presentation":
            text = label(PRESENTATION, text) if text in PRESENTATION else ""
        elif key in ("agent", "from_agent", "to_agent"):
            text = agents.get(text, text)
        elif key == "queue":
            text = queues.get(text, text)
        elif key == "tone":
            text = label(TONE, text)
        elif key == "how":
            text = label(ANSWER_SEEN, text)
        elif key == "cue":
            text = label(CUE, text)
        elif key in ("reason", "why"):
            text = label(END_REASON, text) if text in END_REASON else label(MISS_REASON, text)
        if text:
            words.append(text)
    return words


def desk_error(code: str) -> str:
    """A sentence for the agent about a refused request."""
    return str(DESK_ERROR.get(code, "")) or _("The box refused: %(code)s", code=code)


def for_scripts() -> dict[str, dict[str, str]]:
    """The tables that live pages need, in the language in force."""
    return {
        "line": {k: str(v) for k, v in LINE_STATE.items()},
        "phone": {k: str(v) for k, v in PHONE_STATE.items()},
        "agent": {k: str(v) for k, v in AGENT_STATE.items()},
        "reason": {k: str(v) for k, v in REASON.items()},
        "direction": {k: str(v) for k, v in DIRECTION.items()},
        "end": {k: str(v) for k, v in END_REASON.items()},
        "presentation": {k: str(v) for k, v in PRESENTATION.items()},
        "message": {k: str(v) for k, v in MESSAGE_STATE.items()},
    }

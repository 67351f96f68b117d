/* One look per state, the same on every page: a shape, a colour and a word. */
"use strict";
(() => {
  const LINE = {
    idle: ["circle", "idle"], ringing: ["bell-ringing", "ring"], ivr: ["list-numbers", "menu"],
    queued: ["hourglass", "wait"], offered: ["bell-ringing", "ring"], talking: ["phone-call", "talk"],
    held: ["player-pause", "hold"], dialling: ["dialpad", "menu"], out_ringing: ["phone-outgoing", "ring"],
    out_talking: ["phone-call", "talk"], blocked: ["ban", "off"], fault: ["alert-triangle", "fault"],
    elsewhere: ["phone", "off"], quarantined: ["tool", "fault"],
  };
  const AGENT = {
    signed_out: ["circle-dashed", "idle"], not_ready: ["circle-minus", "off"], ready: ["circle-check", "ready"],
    ringing: ["bell-ringing", "ring"], talking: ["phone-call", "talk"], hold: ["player-pause", "hold"],
    consult: ["messages", "talk"], conference: ["users-group", "talk"], wrap_up: ["pencil", "wrap"],
    outbound: ["phone-outgoing", "talk"], internal: ["phone", "talk"], phone_off: ["plug-connected-x", "fault"],
  };
  const PHONE = {
    idle: ["circle", "idle"], ringing: ["bell-ringing", "ring"], off_hook: ["phone", "menu"],
    dialling: ["dialpad", "menu"], talking: ["phone-call", "talk"], howler: ["alert-triangle", "fault"],
    fault: ["alert-triangle", "fault"],
  };
  const tables = { line: LINE, agent: AGENT, phone: PHONE };

  /** [icon, tone] of a state. */
  Zongji.mark = (kind, state) => tables[kind][state] ?? ["help-circle", "idle"];
  /** The word for a code, from the tables the page brought along. */
  Zongji.word = (table, code) => Zongji.page.words?.[table]?.[code] ?? code ?? "";

  /** Put shape, tone and word of a state on a badge element. */
  Zongji.badge = (element, kind, state, extra = "") => {
    const signature = `${kind}|${state}|${extra}`;
    if (element.dataset.signature === signature) return;
    element.dataset.signature = signature;
    const [shape, tone] = Zongji.mark(kind, state);
    element.className = `state tone-${tone}`;
    element.replaceChildren(Zongji.icon(shape), Zongji.h("span", {}, Zongji.word(kind, state) + (extra ? ` · ${extra}` : "")));
  };
})();

/* The live board. */
"use strict";
(() => {
  const { h, t, icon, text, keyed, live, badge, word } = Zongji;
  const $ = (id) => document.getElementById(id);
  const queueName = (id) => (live.state?.queues ?? []).find((q) => q.id === id)?.name ?? id ?? "";
  const agentName = (number) => (live.state?.agents ?? []).find((a) => a.number === number)?.name ?? number ?? "";
  const part = (element, name) => element.querySelector(`[data-part="${name}"]`);
  const since = (element, value) => { element.dataset.since = value ?? ""; };

  function lineTile() {
    return h("div", { class: "tile" },
      h("div", { class: "tile-head" }, h("span", { class: "tile-name", "data-part": "name" }), h("span", { class: "tile-time", "data-part": "time" })),
      h("div", { "data-part": "state" }),
      h("div", { class: "tile-foot", "data-part": "foot" }));
  }

  function showLine(tile, line) {
    const [, tone] = Zongji.mark("line", line.state);
    tile.className = `tile edge-${tone}`;
    text(part(tile, "name"), line.id);
    badge(part(tile, "state"), "line", line.state);
    since(part(tile, "time"), line.state === "idle" ? "" : line.since);
    const who = [line.caller_name || line.caller_number, line.agent ? agentName(line.agent) : queueName(line.queue)].filter(Boolean).join(" → ");
    text(part(tile, "foot"), who || line.label || line.number || "");
    tile.title = [line.id, line.label, line.number].filter(Boolean).join(" · ");
  }

  function queueRow() {
    const cell = (name, extra = "") => h("td", { "data-part": name, class: extra });
    return h("tr", {}, cell("name"), cell("waiting", "num"), h("td", { class: "num" }, h("span", { "data-part": "longest" })), cell("ready", "num"), cell("talking", "num"), cell("signed", "num"));
  }

  function showQueue(row, queue) {
    text(part(row, "name"), queue.name);
    text(part(row, "waiting"), String(queue.waiting));
    part(row, "waiting").classList.toggle("is-hot", queue.waiting > 0);
    since(part(row, "longest"), queue.waiting ? queue.longest_since : "");
    if (!queue.waiting) text(part(row, "longest"), "–");
    text(part(row, "ready"), String(queue.ready));
    text(part(row, "talking"), String(queue.talking));
    text(part(row, "signed"), String(queue.signed_in));
  }

  function agentTile() {
    return h("div", { class: "tile" },
      h("div", { class: "tile-head" }, h("span", { class: "tile-name", "data-part": "name" }), h("span", { class: "tile-time", "data-part": "time" })),
      h("div", { "data-part": "state" }),
      h("div", { class: "tile-foot" }, h("span", { "data-part": "foot" }),
        Zongji.page.leader ? h("div", { class: "dropdown ms-auto" },
          h("button", { class: "btn btn-icon btn-ghost btn-sm", type: "button", "data-bs-toggle": "dropdown", "aria-label": t("Actions") }, icon("dots")),
          h("div", { class: "dropdown-menu dropdown-menu-end", "data-part": "menu" })) : null));
  }

  function showAgent(tile, agent) {
    const [, tone] = Zongji.mark("agent", agent.state);
    tile.className = `tile edge-${tone}`;
    text(part(tile, "name"), agent.name);
    badge(part(tile, "state"), "agent", agent.state, agent.state === "not_ready" && agent.reason ? word("reason", agent.reason) : "");
    since(part(tile, "time"), agent.state === "signed_out" ? "" : agent.since);
    text(part(tile, "foot"), [agent.number, agent.phone ? t("Telephone %(ext)s", { ext: agent.phone }) : ""].filter(Boolean).join(" · "));
    const menu = part(tile, "menu");
    if (menu && !menu.children.length) {
      menu.append(
        h("button", { class: "dropdown-item", type: "button", onclick: () => act("force_not_ready", agent.number, { reason: "forced" }) }, icon("circle-minus"), t("Set not ready")),
        h("button", { class: "dropdown-item", type: "button", onclick: () => act("force_sign_out", agent.number, {}) }, icon("logout"), t("Sign out of the telephone")));
    }
  }

  async function act(verb, agent, args) {
    try {
      await Zongji.ask("/board/do", { verb, agent, args });
      Zongji.toast(t("Done."));
    } catch (error) {
      Zongji.toast(error.message, "danger");
    }
  }

  function callRow(call) {
    const cell = (name, extra = "") => h("td", { "data-part": name, class: extra });
    return h("tr", {}, h("td", {}, h("span", { "data-part": "state" })), h("td", {}, h("div", { "data-part": "who", class: "nowrap" }), h("div", { "data-part": "line", class: "text-secondary small" })), cell("agent", "nowrap"),
      h("td", { class: "num" }, h("span", { "data-part": "time" })),
      Zongji.page.leader ? h("td", { class: "text-end" }, h("button", { class: "btn btn-sm btn-ghost-danger", type: "button", title: t("End this call"), onclick: () => {
        if (window.confirm(t("End this call? Both parties will be cut off."))) act("drop_call", call.agent, { call: call.id });
      } }, icon("phone-x"), h("span", { class: "visually-hidden" }, t("End this call")))) : null);
  }

  function showCall(row, call) {
    badge(part(row, "state"), "line", call.state in (Zongji.page.words?.line ?? {}) ? call.state : "talking");
    const other = call.direction === "out" ? call.called_number : call.caller_number;
    text(part(row, "who"), [call.caller_name, other || t("Number unavailable")].filter(Boolean).join(" · "));
    text(part(row, "agent"), call.agent ? agentName(call.agent) : call.phone ?? "");
    text(part(row, "line"), [call.line, queueName(call.queue), call.position ? t("place %(place)s", { place: call.position }) : ""].filter(Boolean).join(" · "));
    since(part(row, "time"), call.started);
  }


  function show(state) {
    const lines = state.lines ?? [], queues = state.queues ?? [], agents = state.agents ?? [], calls = state.calls ?? [];
    keyed($("lines"), lines, (l) => l.id, lineTile, showLine);
    keyed($("queues"), queues, (q) => q.id, queueRow, showQueue);
    const present = agents.filter((a) => a.state !== "signed_out");
    const away = agents.length - present.length;
    keyed($("agents"), present, (a) => a.number, agentTile, showAgent);
    keyed($("calls"), calls, (c) => c.id, callRow, showCall);
    for (const [id, list] of [["lines", lines], ["queues", queues], ["agents", present], ["calls", calls]]) {
      $(`${id}-empty`).hidden = list.length > 0;
    }
    text($("away-count"), away ? t("%(count)s signed out", { count: away }) : "");
    const waiting = queues.reduce((sum, q) => sum + q.waiting, 0);
    const oldest = Math.min(...queues.filter((q) => q.waiting && q.longest_since).map((q) => q.longest_since));
    text($("sum-waiting"), String(waiting));
    $("sum-waiting").closest(".figure").classList.toggle("is-hot", waiting > 0);
    since($("sum-longest"), Number.isFinite(oldest) ? oldest : "");
    if (!Number.isFinite(oldest)) text($("sum-longest"), "–");
    text($("sum-talking"), String(agents.filter((a) => ["talking", "hold", "outbound", "internal", "consult", "conference"].includes(a.state)).length));
    text($("sum-ready"), String(agents.filter((a) => a.state === "ready").length));
    text($("sum-busy"), `${lines.filter((l) => !["idle", "fault", "elsewhere", "quarantined"].includes(l.state)).length} / ${lines.length}`);
    live.tick();
    document.body.classList.add("is-live");
  }

  live.on("live", show);
  live.connect();
  const clock = $("tv-clock");
  const showClock = () => text(clock, new Date().toTimeString().slice(0, 5));
  if (clock) { showClock(); setInterval(showClock, 1000); }
  $("full-screen")?.addEventListener("click", () => document.documentElement.requestFullscreen());
})();

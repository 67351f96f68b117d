/* The agent's desk. The box decides; this page shows its state and hands on wishes. */
"use strict";
(() => {
  const { h, t, icon, text, keyed, live, badge, word, bind, ask, toast, page } = Zongji;
  const $ = (id) => document.getElementById(id);
  const IN_CALL = ["talking", "hold", "consult", "conference", "outbound", "internal"];
  let me = null;
  let call = null; // {id, number, name, presentation, line, queue, keys, direction, ended}
  let customerId = null;
  let dirty = false;
  const drafts = new Map();

  // ------------------------------------------------------------- wishes
  async function wish(verb, args = {}, done = "") {
    try {
      const answer = await ask("/desk/do", { verb, args });
      if (done) toast(done);
      return answer;
    } catch (error) {
      toast(error.message, "danger");
      return null;
    }
  }

  function dial(number) {
    const clean = number.trim();
    if (!clean) { $("dial-number").focus(); return; }
    wish("dial", customerId ? { number: clean, customer: customerId } : { number: clean }, t("Lift your telephone: it rings, then %(number)s is dialled.", { number: clean }));
  }

  // ------------------------------------------------------------ my state
  function showState(state) {
    me = (state.agents ?? []).find((a) => a.number === page.agent) ?? { number: page.agent, state: "signed_out", reason: "", since: 0, phone: "", call: "" };
    const signedIn = me.state !== "signed_out";
    const inCall = IN_CALL.includes(me.state);
    badge($("my-state"), "agent", me.state, me.state === "not_ready" && me.reason ? word("reason", me.reason) : "");
    $("state-bar").className = `state-bar edge-${Zongji.mark("agent", me.state)[1]}`;
    const wrapping = me.state === "wrap_up" && me.wrap_up_until;
    const timer = $("my-timer");
    if (wrapping) { delete timer.dataset.since; timer.dataset.until = me.wrap_up_until; } else { delete timer.dataset.until; timer.dataset.since = signedIn ? me.since : ""; }
    if (!signedIn) text(timer, "");
    text($("my-note"), !signedIn ? "" : wrapping ? ((state.phones ?? []).some((p) => p.ext === me.phone && ["off_hook", "howler"].includes(p.state)) ? t("Hang up your telephone.") : t("then the next call may come")) : me.state === "phone_off" ? t("Hang the telephone up, or check its cable.") : t("Telephone %(ext)s", { ext: me.phone }));
    $("do-ready").hidden = !["not_ready", "phone_off"].includes(me.state);
    $("do-wrap-done").hidden = me.state !== "wrap_up";
    $("do-wrap-extend").hidden = me.state !== "wrap_up";
    $("not-ready").hidden = !signedIn;
    text($("not-ready-text"), me.state === "not_ready" ? t("Change reason") : inCall || me.state === "wrap_up" ? t("Not ready after this") : t("Not ready"));
    $("do-sign-out").hidden = !["not_ready", "phone_off"].includes(me.state);
    $("phone-sign-in").hidden = signedIn;
    $("desk-grid").classList.toggle("is-signed-out", !signedIn);
    if (!signedIn) showPhones(state);
    showCall(state, inCall);
    showTeam(state);
  }

  function showPhones(state) {
    const taken = new Map((state.agents ?? []).filter((a) => a.phone).map((a) => [a.phone, a.name]));
    const now = new Map((state.phones ?? []).map((p) => [p.ext, p]));
    keyed($("phone-choice"), page.phones, (p) => p.ext,
      (phone) => h("button", { class: "phone-button", type: "button", onclick: () => wish("sign_in", { phone: phone.ext }) },
        h("span", { class: "phone-ext" }, phone.ext), h("span", { class: "phone-label" }, phone.label), h("span", { class: "state" })),
      (button, phone) => {
        const seat = now.get(phone.ext);
        const owner = taken.get(phone.ext);
        button.disabled = Boolean(owner);
        button.classList.toggle("is-lifted", seat?.state === "off_hook");
        if (owner) {
          const mark = button.querySelector(".state");
          if (mark.dataset.signature !== owner) { mark.dataset.signature = owner; mark.className = "state tone-off"; mark.replaceChildren(icon("user"), h("span", {}, owner)); }
        } else badge(button.querySelector(".state"), "phone", seat?.state ?? "idle");
      });
  }

  // ---------------------------------------------------------------- call
  function showCall(state, inCall) {
    if (!call && me.call) adopt(state);
    const keeps = call && (me.call === call.id || me.state === "wrap_up" || me.state === "ringing");
    if (call && !keeps && call.ended) clearCall();
    $("call-none").hidden = Boolean(call);
    $("call-some").hidden = !call;
    text($("call-none-text"), me.state === "ready" ? t("Waiting for a call. It will ring at telephone %(ext)s.", { ext: me.phone })
      : me.state === "not_ready" ? t("No calls come while you are not ready.") : me.state === "signed_out" ? t("Choose your telephone first.") : t("No call"));
    if (!call) return;
    const record = (state.calls ?? []).find((c) => c.id === call.id);
    badge($("call-state"), "agent", me.state === "wrap_up" ? "wrap_up" : me.state);
    $("call-time").dataset.since = me.state === "wrap_up" ? "" : record?.since ?? me.since;
    if (me.state === "wrap_up") text($("call-time"), "");
    const ringing = me.state === "ringing";
    $("call-card").classList.toggle("is-ringing", ringing);
    $("call-hint").hidden = !ringing;
    if (ringing) text($("call-hint"), t("Lift telephone %(ext)s to answer.", { ext: me.phone }));
    $("call-actions").hidden = !inCall;
    text($("hold-text"), me.state === "hold" ? t("Take back") : t("Hold"));
    if (!inCall) $("transfer-box").hidden = true;
    const facts = [
      [t("Line"), [call.line, (state.lines ?? []).find((l) => l.id === call.line)?.label].filter(Boolean).join(" · ")],
      [t("Queue"), (state.queues ?? []).find((q) => q.id === call.queue)?.name ?? call.queue],
      [t("In the box since"), record?.started ? h("span", { "data-since": record.started }) : ""],
      [t("Keys pressed"), record?.keys || call.keys],
    ].filter(([, value]) => value);
    const signature = JSON.stringify(facts.map(([name, value]) => [name, typeof value === "string" ? value : "·"]));
    if ($("call-facts").dataset.signature !== signature) {
      $("call-facts").dataset.signature = signature;
      $("call-facts").replaceChildren(...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    }
  }

  /** A call is running that this page was not told of (opened late): build its card from the live state. */
  async function adopt(state) {
    const record = (state.calls ?? []).find((c) => c.id === me.call);
    if (!record) return;
    const number = record.direction === "out" ? record.called_number : record.caller_number;
    const pop = { call: record.id, number, name: record.caller_name, line: record.line, queue: record.queue, keys: record.keys, direction: record.direction };
    showPop({ ...pop, customer: null, history: [], notes: [] });
    const shown = call; // it may end, or be shown anew by the box itself, before the card is here
    try {
      const card = await ask(`/desk/card?${new URLSearchParams({ number: number ?? "", call: record.id })}`);
      if (shown && call === shown) showPop({ ...pop, ...card, ended: shown.ended });
    } catch (error) {
      toast(error.message, "danger");
    }
  }

  function showPop(pop) {
    if (call && call.id !== pop.call) saveDraft();
    const same = call?.id === pop.call;
    call = { id: pop.call, number: pop.number, name: pop.name, presentation: pop.presentation, line: pop.line, queue: pop.queue, keys: pop.keys, direction: pop.direction, ended: Boolean(pop.ended) };
    text($("call-number"), pop.number || word("presentation", pop.presentation) || t("Number unavailable"));
    text($("call-name"), pop.name ?? "");
    showNotes(pop.notes ?? []);
    if (!same) {
      $("note-text").value = drafts.get(pop.call) ?? "";
      text($("note-saved"), "");
    }
    $("note-card").hidden = false;
    if (!(same && dirty)) showCustomer(pop.customer, pop.number);
    showHistory(pop.history ?? [], pop.messages ?? []);
    if (live.state) showState(live.state);
    document.title = `${pop.customer?.name || pop.number || t("Call")} · Zongji 总机`;
  }

  function clearCall() {
    saveDraft();
    call = null;
    customerId = null;
    dirty = false;
    for (const id of ["customer-form", "note-card", "history-card", "customer-open", "customer-write", "customer-mark"]) $(id).hidden = true;
    $("customer-none").hidden = false;
    $("note-text").value = "";
    document.title = `${t("My desk")} · Zongji 总机`;
    loadToday();
  }

  // ------------------------------------------------------------ customer
  const phones = Zongji.phoneRows($("c-phones"), { dial, changed: () => { dirty = true; } });
  const form = $("customer-form");

  function showCustomer(customer, number) {
    customerId = customer?.id ?? null;
    dirty = false;
    form.hidden = false;
    $("customer-none").hidden = true;
    for (const name of ["name", "company", "address", "terminal_address", "kind", "notes"]) form.elements[name].value = customer?.[name] ?? "";
    form.elements.vip.checked = Boolean(customer?.vip);
    phones.set(customer ? customer.phones : number ? [{ number, label: "" }] : []);
    const mark = $("customer-mark");
    mark.hidden = Boolean(customer) && !customer.vip;
    mark.className = `badge ms-2 ${customer ? "bg-yellow-lt" : "bg-blue-lt"}`;
    text(mark, customer ? t("Important customer") : t("New customer"));
    $("customer-open").hidden = !customer;
    if (customer) $("customer-open").href = `/customers/${customer.id}`;
    const mobile = number || customer?.phones[0]?.number || "";
    $("customer-write").hidden = !page.messages || !mobile;
    $("customer-write").href = `/messages/with/${encodeURIComponent(mobile)}`;
    text($("customer-save").querySelector("span"), customer ? t("Save customer") : t("Add customer"));
    text($("customer-saved"), "");
  }

  form.addEventListener("input", () => { dirty = true; text($("customer-saved"), t("Not saved yet")); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(["name", "company", "address", "terminal_address", "kind", "notes"].map((n) => [n, form.elements[n].value]));
    try {
      const answer = await ask("/desk/customer", { id: customerId, customer: { ...fields, vip: form.elements.vip.checked, phones: phones.get() } });
      showCustomer(answer.customer, "");
      text($("customer-saved"), t("Saved."));
    } catch (error) {
      toast(error.message, "danger");
    }
  });

  // --------------------------------------------------------------- notes
  function showNotes(notes) {
    $("notes").replaceChildren(...notes.map((n) => h("div", { class: "note" }, h("div", { class: "note-head" }, `${agentName(n.agent)} · ${Zongji.when(n.at)}`), h("div", { class: "note-text" }, n.text))));
  }

  async function saveNote() {
    const box = $("note-text");
    if (!call || !box.value.trim()) { box.focus(); return; }
    try {
      const answer = await ask("/desk/note", { call: call.id, text: box.value });
      box.value = "";
      drafts.delete(call.id);
      showNotes(answer.notes);
      text($("note-saved"), t("Saved with the call."));
    } catch (error) {
      toast(error.message, "danger");
    }
  }

  /** What was typed and not saved is not lost when the card goes. */
  function saveDraft() {
    const written = $("note-text").value.trim();
    if (!call || !written) return;
    const id = call.id;
    $("note-text").value = "";
    drafts.set(id, written);
    ask("/desk/note", { call: id, text: written }).then(() => drafts.delete(id)).catch((error) => toast(error.message, "danger"));
  }

  $("note-form").addEventListener("submit", (event) => { event.preventDefault(); saveNote(); });
  $("note-text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey) { event.preventDefault(); saveNote(); }
  });
  $("note-text").addEventListener("input", () => text($("note-saved"), t("Not saved yet")));

  // ------------------------------------------------------------- history
  const DIRECTION = { in: "phone-incoming", out: "phone-outgoing", internal: "phone-call" };

  const messageItem = (m) => h("li", {},
    h("span", { class: `dir dir-${m.direction}`, title: word("direction", m.direction) }, icon("messages")),
    h("div", { class: "grow" },
      h("div", { class: "timeline-head" }, h("a", { href: `/messages/with/${encodeURIComponent(m.peer)}` }, Zongji.when(m.at)),
        h("span", { class: "text-secondary" }, word("message", m.state))),
      h("div", { class: "note-text" }, m.text)));

  /** Calls and short messages of the customer, newest first. */
  function showHistory(rows, messages) {
    $("history-card").hidden = false;
    const calls = rows.filter((r) => r.id !== call?.id).map((r) => [r.started_at, callItem(r)]);
    const list = [...calls, ...messages.map((m) => [m.at, messageItem(m)])].sort((a, b) => b[0] - a[0]);
    $("history-empty").hidden = list.length > 0;
    $("history").replaceChildren(...list.map(([, item]) => item));
  }

  const callItem = (r) => h("li", {},
      h("span", { class: `dir dir-${r.direction}`, title: word("direction", r.direction) }, icon(DIRECTION[r.direction] ?? "phone")),
      h("div", { class: "grow" },
        h("div", { class: "timeline-head" }, r.open ? h("a", { href: `/calls/${encodeURIComponent(r.id)}` }, Zongji.when(r.started_at)) : h("span", {}, Zongji.when(r.started_at)),
          h("span", { class: "text-secondary" }, [agentName(r.agent), r.talk_s ? Zongji.length(r.talk_s) : word("end", r.end_reason)].filter(Boolean).join(" · "))),
        ...(r.notes ?? []).map((n) => h("div", { class: "note-text" }, n.text))));

  const agentName = (number) => (live.state?.agents ?? []).find((a) => a.number === number)?.name ?? number ?? "";

  // ---------------------------------------------------------------- team
  function showTeam(state) {
    const others = (state.agents ?? []).filter((a) => a.number !== page.agent && a.state !== "signed_out");
    keyed($("team"), others, (a) => a.number,
      () => h("div", { class: "list-group-item team-row" }, h("span", { class: "team-name" }), h("span", { class: "state" }), h("span", { class: "team-time" })),
      (row, agent) => {
        text(row.children[0], `${agent.name} ${agent.phone ? `(${agent.phone})` : ""}`);
        badge(row.children[1], "agent", agent.state, agent.state === "not_ready" && agent.reason ? word("reason", agent.reason) : "");
        row.children[2].dataset.since = agent.since ?? "";
      });
    const waiting = (state.queues ?? []).reduce((sum, q) => sum + q.waiting, 0);
    text($("team-waiting"), waiting ? t("%(count)s waiting", { count: waiting }) : "");
    if (!$("transfer-box").hidden) showTargets(state);
  }

  function showTargets(state) {
    const others = (state.agents ?? []).filter((a) => a.number !== page.agent && a.phone);
    const seated = new Set(others.map((a) => a.phone).concat(me?.phone ?? ""));
    const targets = [
      ...others.map((a) => ({ id: a.number, name: a.name, ext: a.phone, kind: "agent", state: a.state, free: a.state === "ready" })),
      ...(state.phones ?? []).filter((p) => !seated.has(p.ext)).map((p) => ({ id: p.ext, name: p.label || p.ext, ext: p.ext, kind: "phone", state: p.state, free: p.state === "idle" })),
    ].sort((a, b) => Number(b.free) - Number(a.free));
    keyed($("transfer-list"), targets, (x) => `${x.kind}${x.id}`,
      (x) => h("button", { class: "transfer-target", type: "button", onclick: () => transfer(x.id) }, h("span", { class: "team-name" }), h("span", { class: "state" })),
      (button, x) => { text(button.children[0], `${x.name} (${x.ext})`); badge(button.children[1], x.kind, x.state); });
  }

  async function transfer(to) {
    if (!to) { $("transfer-to").focus(); return; }
    if (await wish("transfer", { to }, t("Transferred to %(to)s.", { to }))) closeTransfer();
  }

  function openTransfer() {
    if (!IN_CALL.includes(me?.state)) return;
    $("transfer-box").hidden = false;
    showTargets(live.state);
    $("transfer-to").focus();
  }

  function closeTransfer() {
    $("transfer-box").hidden = true;
    $("transfer-to").value = "";
  }

  $("transfer-box").addEventListener("submit", (event) => { event.preventDefault(); transfer($("transfer-to").value.trim()); });
  $("transfer-cancel").addEventListener("click", closeTransfer);
  $("transfer-to").addEventListener("keydown", (event) => { if (event.key === "Escape") closeTransfer(); });

  // --------------------------------------------------------------- today
  async function loadToday() {
    let today;
    try {
      today = await ask("/desk/today");
    } catch {
      return; // the banner tells; the list is asked for again with the next call
    }
    $("today-empty").hidden = today.calls.length > 0;
    text($("today-sum"), today.total ? t("%(in)s in · %(out)s out · %(talk)s talked", { in: today.in, out: today.out, talk: Zongji.length(today.talk_s) }) : "");
    keyed($("today"), today.calls, (c) => c.id,
      (c) => h("div", { class: "list-group-item today-row" }, h("span", { class: `dir dir-${c.direction}`, title: word("direction", c.direction) }, icon(DIRECTION[c.direction] ?? "phone")),
        h("a", { class: "grow", href: `/calls/${encodeURIComponent(c.id)}` }), h("span", { class: "text-secondary" }),
        c.number ? h("button", { class: "btn btn-icon btn-sm btn-ghost", type: "button", title: t("Dial this number"), "aria-label": t("Dial this number"), onclick: () => dial(c.number) }, icon("phone-outgoing")) : null),
      (row, c) => {
        text(row.children[1], c.customer_name || c.number || t("Number unavailable"));
        text(row.children[2], `${Zongji.when(c.started_at)} · ${c.talk_s ? Zongji.length(c.talk_s) : word("end", c.end_reason)}`);
      });
  }

  // ------------------------------------------------------- buttons, keys
  const press = (id) => () => { const button = $(id); if (!button.hidden && button.offsetParent) button.click(); };
  $("do-ready").addEventListener("click", () => wish("ready"));
  $("do-wrap-done").addEventListener("click", () => { saveDraft(); wish("wrap_up_done"); });
  $("do-wrap-extend").addEventListener("click", () => wish("wrap_up_extend", {}, t("Extended.")));
  $("do-sign-out").addEventListener("click", () => wish("sign_out"));
  $("do-hold").addEventListener("click", () => wish(me?.state === "hold" ? "retrieve" : "hold"));
  $("do-hang-up").addEventListener("click", () => wish("hang_up"));
  $("do-transfer").addEventListener("click", openTransfer);
  for (const item of document.querySelectorAll("[data-reason]")) item.addEventListener("click", () => wish("not_ready", { reason: item.dataset.reason }, IN_CALL.includes(me?.state) || me?.state === "wrap_up" ? t("You will be not ready after this.") : ""));
  $("reasons").addEventListener("keydown", (event) => {
    const item = [...document.querySelectorAll("[data-reason]")][Number(event.key) - 1];
    if (item) { event.preventDefault(); item.click(); }
  });
  $("dial-form").addEventListener("submit", (event) => { event.preventDefault(); dial($("dial-number").value); $("dial-number").value = ""; });
  bind("r", press("do-ready"));
  bind("w", press("do-wrap-done"));
  bind("e", press("do-wrap-extend"));
  bind("n", () => {
    if ($("not-ready").hidden) return;
    tabler.bootstrap.Dropdown.getOrCreateInstance($("not-ready-button")).show();
    document.querySelector("[data-reason]")?.focus();
  });
  bind("h", press("do-hold"));
  bind("t", press("do-transfer"));
  bind("x", press("do-hang-up"));
  bind("d", () => $("dial-number").focus());
  bind("m", () => { if (call) $("note-text").focus(); });
  bind("c", () => { if (!form.hidden) form.elements.name.focus(); });

  live.on("live", (state) => { if (state.agents) { showState(state); live.tick(); document.body.classList.add("is-live"); } });
  live.on("pop", showPop);
  live.on("pop_end", (end) => {
    if (!call || call.id !== end.call) return;
    if (end.why === "ended") call.ended = true;
    else clearCall();
    if (live.state) showState(live.state);
  });
  live.on("call", loadToday);
  live.on("message", async (message) => {
    if (message.direction === "in") toast(t("New message from %(name)s", { name: message.customer_name || message.number }), "info");
    const shown = call;
    if (!shown || !(message.customer ? message.customer === customerId : message.number === shown.number)) return;
    try {
      const card = await ask(`/desk/card?${new URLSearchParams({ number: shown.number ?? "", call: shown.id, ...(customerId ? { customer: customerId } : {}) })}`);
      if (call?.id === shown.id) showHistory(card.history, card.messages);
    } catch (error) {
      toast(error.message, "danger");
    }
  });
  live.on("notice", (notice) => { if (notice.code === "agent_no_answer" && notice.data?.agent === page.agent) toast(t("You did not answer, so you are not ready now. Press Ready to go on."), "warning"); });
  live.on("notice", (notice) => {
    if (notice.data?.agent !== page.agent) return;
    if (notice.code === "fax_heard") toast(t("There is a fax machine on this call. Transfer it to your fax machine, or hang up."), "warning");
    if (notice.code === "call_silent") toast(notice.data.ends_in_s ? t("Nobody has been heard for a while. The call ends in half a minute unless somebody speaks.") : t("Nobody has been heard for a while. Is the caller still there?"), "warning");
  });
  loadToday();
  live.connect();
})();

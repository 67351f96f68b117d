/* Short messages: the list follows, a conversation is read and answered; parts are counted while typing. */
"use strict";
(() => {
  const { h, t, icon, text, ask, toast, keyed, page, live } = Zongji;
  const $ = (id) => document.getElementById(id);

  // --------------------------------------------------------------- parts
  /* 3GPP TS 23.038: characters of the GSM alphabet, and those that need an escape before them. */
  const BASIC = new Set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà");
  const ESCAPED = new Set("\f^{}\\[~]|€");
  const MOST_PARTS = 32;

  /** What a text costs: parts, characters left in the last one, whether it needs UCS-2. A character is never cut. */
  function count(message) {
    const characters = [...message];
    const plain = characters.every((c) => BASIC.has(c) || ESCAPED.has(c));
    const sizes = characters.map((c) => (plain ? (ESCAPED.has(c) ? 2 : 1) : c.length));
    const [one, most] = plain ? [160, 153] : [70, 67];
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total <= one) return { parts: total ? 1 : 0, left: one - total, ucs2: !plain };
    let parts = 1;
    let used = 0;
    for (const size of sizes) {
      if (used + size > most) { parts += 1; used = 0; }
      used += size;
    }
    return { parts, left: most - used, ucs2: !plain };
  }
  Zongji.smsParts = count;

  // --------------------------------------------------------- conversation
  const WORDS = page.words?.message ?? {};
  const MARKS = { received: "arrow-left", queued: "clock", sent: "check", delivered: "circle-check", failed: "alert-triangle" };
  let messages = page.messages ?? [];
  let asked = 0;
  let shown = 0; // of several answers on their way the one asked for last counts, whichever comes first

  function bubble() {
    return h("li", {}, h("div", { class: "bubble" }, h("div", { class: "bubble-text" }), h("div", { class: "bubble-meta" })));
  }

  function fill(item, m) {
    const signature = JSON.stringify([m.state, m.reason, m.again, m.unsure]);
    if (item.dataset.signature === signature) return;
    item.dataset.signature = signature;
    item.className = `is-${m.direction}`;
    const [body, meta] = item.firstElementChild.children;
    text(body, m.text);
    meta.replaceChildren(...[
      h("span", { class: `message-state is-${m.state}` }, icon(MARKS[m.state], "icon-sm"), WORDS[m.state] ?? m.state),
      h("span", {}, Zongji.when(m.at)),
      m.line ? h("span", {}, m.line) : null,
      m.who ? h("span", {}, page.names[m.who] ?? m.who) : null,
      m.missing ? h("span", { class: "text-danger" }, t("%(count)s parts never came", { count: m.missing })) : null,
      m.reason ? h("span", { class: "bubble-reason" }, m.reason) : null,
      m.unsure && m.state === "failed" ? h("span", { class: "bubble-reason" }, t("It may have gone out all the same: ask before you send it again.")) : null,
      m.state === "failed" && !m.again ? h("button", { class: "btn btn-sm", type: "button", onclick: (event) => again(m, event.currentTarget) }, icon("refresh"), t("Send again")) : null,
      m.again ? h("span", {}, t("sent again")) : null,
    ].filter(Boolean));
  }

  function show(jump) {
    const list = $("thread");
    if (!list) return;
    const atEnd = jump || list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    keyed(list, messages, (m) => m.id, bubble, fill);
    $("thread-empty").hidden = messages.length > 0;
    if (atEnd) list.scrollTop = list.scrollHeight;
    markRead();
  }

  async function reload(jump = false) {
    const mine = ++asked;
    const answer = await ask(`/messages/list?${new URLSearchParams({ number: page.peer })}`);
    if (mine > shown) { shown = mine; messages = answer.messages; }
    show(jump);
  }

  async function markRead() {
    const fresh = messages.filter((m) => m.direction === "in" && !m.read_at);
    if (!fresh.length || document.hidden) return;
    const until = Math.max(...fresh.map((m) => m.at));
    const answer = await ask("/messages/read", { number: page.peer, until }).catch(() => null);
    if (!answer) return; // tried again with the next message
    for (const m of fresh) m.read_at = until;
    live.unread(answer.unread);
  }

  async function again(message, button) {
    button.disabled = true;
    try {
      await ask("/messages/send", { again: message.id });
      await reload(true);
    } catch (error) {
      button.disabled = false;
      toast(error.message, "danger");
    }
  }

  // -------------------------------------------------------------- writing
  const form = $("compose");
  if (form) {
    const field = $("message-text");
    const button = form.querySelector("[type=submit]");
    const tell = () => {
      const { parts, left, ucs2 } = count(field.value);
      const most = parts > MOST_PARTS;
      const alphabet = ucs2 ? "UCS-2" : "GSM-7";
      text($("parts"), most ? t("Too long: %(parts)s parts, at most %(most)s can be sent", { parts, most: MOST_PARTS })
        : t("Parts: %(parts)s, %(left)s characters left in the last (%(alphabet)s)", { parts, left, alphabet }));
      button.disabled = most;
    };
    field.addEventListener("input", tell);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.ctrlKey) { event.preventDefault(); form.requestSubmit(); }
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      button.disabled = true;
      const number = $("to")?.value.trim() ?? page.peer;
      try {
        const { message } = await ask("/messages/send", { number, text: field.value });
        field.value = "";
        if ($("to")) location.assign(`/messages/with/${encodeURIComponent(message.peer)}`);
        else await reload(true);
      } catch (error) {
        toast(error.message, "danger");
      }
      tell();
    });
    tell();
  }

  // ----------------------------------------------------------------- live
  /** The list as the box would show it now, row by row, without reloading the page. */
  async function refreshList() {
    const mine = ++asked;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" }).catch(() => null);
    const written = answer?.ok ? await answer.text().catch(() => "") : "";
    const fresh = new DOMParser().parseFromString(written, "text/html").getElementById("conversations");
    if (!fresh || mine < shown) return;
    shown = mine;
    $("conversations").replaceChildren(...fresh.children);
  }

  let due = 0;
  live.on("message", (message) => {
    if (page.peer && message.peer === page.peer) reload().catch((error) => toast(error.message, "danger"));
    if (!$("conversations")) return;
    clearTimeout(due);
    due = setTimeout(refreshList, 200);
  });
  live.on("back", () => {
    document.body.classList.add("is-live");
    if (page.peer) reload().catch((error) => toast(error.message, "danger"));
    else if ($("conversations")) refreshList();
  });
  document.addEventListener("visibilitychange", markRead);
  show(true);
  live.connect();
})();

/* The live state, pushed by the box: one connection per page, reconnecting for ever. */
"use strict";
(() => {
  const { t } = Zongji;
  const handlers = {};
  let state = null;
  let skew = 0;
  let lost = 0;
  let away = false;
  let engineAway = false;

  const banner = document.getElementById("away");
  const bannerText = document.getElementById("away-text");

  function show() {
    if (!banner) return;
    const noBox = lost && Date.now() - lost > 1500;
    banner.hidden = !(noBox || away || engineAway);
    if (noBox) bannerText.textContent = t("No connection to the box: this page is standing still. Your phone still works; connecting again…");
    else if (away) bannerText.textContent = t("The call service is away: this page is standing still. Your phone still works; the box restarts the service by itself.");
    else if (engineAway) bannerText.textContent = t("The call engine is away: this page is standing still. The box restarts it by itself.");
    document.body.classList.toggle("is-stale", !banner.hidden);
  }

  function emit(topic, data) {
    for (const handler of handlers[topic] ?? []) handler(data);
  }

  function connect() {
    const source = new EventSource("/events");
    source.onopen = () => { lost = 0; show(); };
    source.onerror = () => {
      lost = lost || Date.now();
      setTimeout(show, 1600);
      if (source.readyState === EventSource.CLOSED) {
        source.close();
        Zongji.ask("/api/live").catch(() => {}); // sends to the sign-in where the session is over
        setTimeout(connect, 2000);
      }
    };
    const on = (topic, action) => source.addEventListener(topic, (event) => action(JSON.parse(event.data)));
    on("live", (data) => {
      state = data;
      if (data.now) skew = data.now - Date.now() / 1000;
      emit("live", data);
    });
    on("away", (data) => { away = true; show(); emit("away", data); });
    on("back", (data) => { away = false; show(); emit("back", data); });
    on("status", (data) => { engineAway = data.engine?.up === false; show(); emit("status", data); });
    for (const topic of ["pop", "pop_end", "notice", "call", "message"]) on(topic, (data) => emit(topic, data));
    window.addEventListener("pagehide", () => source.close(), { once: true });
  }

  /** The menu's badge of unread messages. */
  function unread(count) {
    const badge = document.getElementById("unread");
    if (!badge) return;
    Zongji.text(badge, String(count));
    badge.hidden = !count;
  }
  (handlers.message ??= []).push((message) => {
    if (message.direction === "in") Zongji.ask("/messages/unread").then((answer) => unread(answer.unread)).catch(() => {});
  });

  /** Seconds on the box's clock. */
  const now = () => Date.now() / 1000 + skew;

  /** Timers tick in the browser: elements with data-since or data-until show a running length. */
  function tick() {
    const moment = now();
    for (const element of document.querySelectorAll("[data-since]")) {
      const since = Number(element.dataset.since);
      if (since) Zongji.text(element, Zongji.length(moment - since));
      else if (element.textContent !== "–") Zongji.text(element, "");
    }
    for (const element of document.querySelectorAll("[data-until]")) {
      const until = Number(element.dataset.until);
      Zongji.text(element, until ? Zongji.length(Math.max(0, Math.ceil(until - moment))) : "");
    }
  }
  setInterval(() => { if (document.body.classList.contains("is-stale")) return; tick(); }, 500);

  Zongji.live = {
    on(topic, handler) { (handlers[topic] ??= []).push(handler); },
    get state() { return state; },
    now, tick, connect, unread,
  };
})();

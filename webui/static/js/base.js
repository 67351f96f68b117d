/* What every page uses: words, elements, requests, messages, keys. No dependency. */
"use strict";
(() => {
  const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";
  const words = window.ZONGJI_WORDS ?? {};

  /** The sentence in the page's language; %(name)s is filled from `values`. */
  function t(sentence, values = {}) {
    return (words[sentence] ?? sentence).replace(/%\((\w+)\)s/g, (_, name) => String(values[name] ?? ""));
  }

  /** An element. Text is always set as text: nothing here ever parses HTML from data. */
  function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "class") element.className = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "value" || name === "disabled" || name === "checked") element[name] = value;
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
    return element;
  }

  function icon(name, extra = "") {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", `icon ${extra}`);
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${meta("icons")}#${name}`);
    svg.append(use);
    return svg;
  }

  /** Change text only where it differs, so that selections and tooltips survive. */
  function text(element, value) {
    if (element && element.textContent !== value) element.textContent = value;
  }

  /** 0:07, 12:34, 1:02:03. */
  function length(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  }

  /** Local clock time; with the date where it is not today. */
  function when(unix) {
    const moment = new Date(unix * 1000);
    const two = (n) => String(n).padStart(2, "0");
    const clock = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
    if (moment.toDateString() === new Date().toDateString()) return clock;
    return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${clock}`;
  }

  /** Answer of a JSON request; throws Error with a sentence for people. */
  async function ask(url, body) {
    const options = { headers: { Accept: "application/json", "X-Requested-With": "fetch" }, credentials: "same-origin" };
    if (body !== undefined) {
      options.method = "POST";
      options.headers["Content-Type"] = "application/json";
      options.headers["X-CSRFToken"] = meta("csrf-token");
      options.body = JSON.stringify(body);
    }
    let answer;
    try {
      answer = await fetch(url, options);
    } catch {
      throw new Error(t("No connection to the box. Your telephone still works; try again in a few seconds."));
    }
    if (answer.status === 401) {
      location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
    }
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) {
      const error = new Error(data.message || data.error?.message || t("The box did not do it (error %(code)s). Reload the page and try again.", { code: answer.status }));
      error.code = typeof data.error === "string" ? data.error : "";
      throw error;
    }
    return data;
  }

  /** A message in the corner; errors stay until closed. */
  function toast(message, kind = "success") {
    let corner = document.getElementById("toasts");
    if (!corner) {
      corner = h("div", { id: "toasts", class: "toasts", "aria-live": "polite" });
      document.body.append(corner);
    }
    const close = () => box.remove();
    const names = { success: "circle-check", danger: "alert-circle", warning: "alert-triangle", info: "info-circle" };
    const box = h("div", { class: `toast-box toast-${kind}`, role: kind === "danger" ? "alert" : "status" },
      icon(names[kind] ?? "info-circle"), h("span", {}, message),
      h("button", { class: "btn-close", type: "button", "aria-label": t("Close"), onclick: close }));
    for (const same of corner.querySelectorAll("span")) if (same.textContent === message) same.parentElement.remove();
    corner.append(box);
    if (kind !== "danger") setTimeout(close, 5000);
  }

  /** Keep the children of `container` in step with `items` without rebuilding what stays. */
  function keyed(container, items, key, make, update) {
    const old = new Map([...container.children].filter((c) => c.dataset.key).map((c) => [c.dataset.key, c]));
    let before = null;
    for (const item of items) {
      const id = String(key(item));
      let child = old.get(id);
      if (!child) {
        child = make(item);
        child.dataset.key = id;
      }
      old.delete(id);
      update(child, item);
      const place = before ? before.nextElementSibling : container.firstElementChild;
      if (place !== child) container.insertBefore(child, place);
      before = child;
    }
    for (const gone of old.values()) gone.remove();
  }

  // ------------------------------------------------------------------ keys
  const bindings = new Map();
  let pending = "";
  let pendingTimer = 0;

  /** `key` alone works while nothing is being typed, Alt+key always. */
  function bind(key, action) {
    bindings.set(key, action);
  }

  const typing = (target) => target.closest?.("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable]");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.isComposing || event.repeat) return;
    if (event.key === "Escape" && typing(event.target)) {
      event.target.blur();
      return;
    }
    if (typing(event.target) && !event.altKey) return;
    if (document.querySelector(".modal.show") && event.key !== "?") return;
    const key = event.altKey ? event.code.replace(/^Key/, "").toLowerCase() : event.key;
    const sequence = pending ? `${pending} ${key}` : key;
    pending = "";
    clearTimeout(pendingTimer);
    const action = bindings.get(sequence) ?? bindings.get(key);
    if (action) {
      event.preventDefault();
      action(event);
    } else if ([...bindings.keys()].some((k) => k.startsWith(`${key} `))) {
      pending = key;
      pendingTimer = setTimeout(() => { pending = ""; }, 1200);
    }
  });

  bind("/", () => document.querySelector("[data-key-focus='/']")?.focus());
  bind("?", () => tabler.bootstrap.Modal.getOrCreateInstance(document.getElementById("keys-help")).show());
  for (const link of document.querySelectorAll("a[data-key]")) bind(link.dataset.key, () => link.click());

  // ------------------------------------------------- small page behaviours
  for (const form of document.querySelectorAll("form[data-confirm]")) {
    form.addEventListener("submit", (event) => {
      if (!window.confirm(form.dataset.confirm)) event.preventDefault();
    });
  }
  for (const control of document.querySelectorAll("[data-submit-on-change]")) {
    control.addEventListener("change", () => control.form.requestSubmit());
  }
  for (const row of document.querySelectorAll("tr[data-href]")) {
    row.addEventListener("click", (event) => {
      if (!event.target.closest("a, button, input, label") && !String(getSelection())) location.assign(row.dataset.href);
    });
  }
  for (const form of document.querySelectorAll("form[method=post]:not([data-stays])")) {
    form.addEventListener("submit", () => setTimeout(() => {
      for (const button of form.querySelectorAll("button:not([type=button])")) button.disabled = true;
    }));
  }
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("form[method=post] button:disabled:not([data-off])")) button.disabled = false;
  });

  const data = document.getElementById("page-data");
  window.Zongji = { t, h, icon, text, length, when, ask, toast, keyed, bind, page: data ? JSON.parse(data.textContent) : {} };
})();

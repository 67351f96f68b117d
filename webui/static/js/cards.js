/* The cards as they are now: asked for every two seconds while somebody looks. */
"use strict";
(() => {
  const { h, t, icon, text, ask, toast, keyed, page } = Zongji;
  const $ = (id) => document.getElementById(id);
  const EVERY_MS = 2000;

  const COUNTED = { slips: t("Slips"), underruns: t("Gaps heard"), play_underruns: t("Gaps played"), lost_samples: t("Samples lost") };
  const CARD_STATE = { "in use": ["circle-check", "ready", t("in use")], lost: ["plug-connected-x", "fault", t("lost")], problem: ["alert-triangle", "fault", t("cannot be used")], opening: ["hourglass", "wait", t("being opened")] };
  const SIM = { ready: t("SIM ready"), absent: t("no SIM card"), pin: t("SIM needs its PIN"), puk: t("SIM is locked (PUK)"), failed: t("SIM does not work") };
  const NETWORK = { home: t("in its network"), roaming: t("roaming"), searching: t("looking for a network"), denied: t("refused by the network"), off: t("radio off") };
  const QUALITY = { pass: ["circle-check", t("good")], fail: ["alert-triangle", t("bad")], unknown: ["help-circle", t("unknown")] };

  const fact = (name, value) => (value ? [h("div", {}, h("dt", {}, name), h("dd", {}, value))] : []);
  const state = ([shape, tone, word]) => h("span", { class: `state tone-${tone}` }, icon(shape), h("span", {}, word));

  function clockText(clock) {
    if (!clock) return "";
    const role = clock.leads ? t("leads") : t("follows, %(ppm)s ppm, %(fill)s ms queued", { ppm: clock.drift_ppm, fill: clock.fill_ms });
    const wrong = Object.entries(clock.counted).filter(([, n]) => n).map(([key, n]) => `${COUNTED[key]}: ${n}`);
    const own = Object.entries(clock.device).filter(([, n]) => n).map(([key, n]) => `${key.replaceAll("_", " ")}: ${n}`);
    return [role, [...wrong, ...own].join(", ") || t("nothing lost")].join("; ");
  }

  function radioText(radio) {
    if (!radio) return "";
    const signal = radio.signal_dbm === null ? t("signal unknown") : `${radio.signal_dbm} dBm`;
    return [signal, SIM[radio.sim] ?? t("SIM unknown"), NETWORK[radio.registration] ?? t("network unknown")].join(" · ");
  }

  function portState(port) {
    if (port.state === "unused") return state(["circle-dashed", "idle", t("not used")]);
    const kind = port.kind === "FXO" ? "line" : "phone";
    const [shape, tone] = Zongji.mark(kind, port.state);
    return [state([shape, tone, Zongji.word(kind, port.state)]), port.reason ? h("div", { class: "port-reason" }, port.reason) : null].filter(Boolean);
  }

  function testResult(test) {
    if (!test) return null;
    if (test.state === "running") return h("div", { class: "test-result" }, t("The card is measuring…"));
    if (test.state !== "done") return h("div", { class: "test-result text-danger" }, test.reason);
    return h("ul", { class: "test-result" },
      h("li", { class: "text-secondary" }, Zongji.when(test.at)),
      ...test.results.map((one) => h("li", { class: one.quality === "fail" ? "text-danger" : "" }, icon(QUALITY[one.quality][0], "icon-sm"), " ",
        `${one.name}: ${one.value === null ? QUALITY.unknown[1] : one.unit ? `${one.value} ${one.unit}` : one.value ? t("yes") : t("no")}`)));
  }

  async function lineTest(port, button) {
    button.disabled = true;
    try {
      await ask("/cards/test", { port });
      await refresh();
    } catch (error) {
      toast(error.message, "danger");
    }
    button.disabled = false;
  }

  function portRow(port, card) {
    const able = card.features.includes("line-test") && card.state === "in use";
    const button = able ? h("button", { class: "btn btn-sm", type: "button", disabled: port.test?.state === "running", onclick: (event) => lineTest(port.name, event.currentTarget) }, icon("tool"), t("Test the line")) : null;
    return h("tr", {},
      h("td", { class: "nowrap" }, port.name),
      h("td", {}, port.kind === "FXO" ? t("line") : t("telephone")),
      h("td", {}, port.used_as),
      h("td", {}, ...[portState(port)].flat()),
      h("td", { class: "num" }, port.volts === null || port.volts === undefined ? "" : `${Math.abs(port.volts).toFixed(0)} V`),
      h("td", {}, radioText(port.radio), testResult(port.test), button));
  }

  function updateText(update) {
    if (!update) return null;
    const kind = { done: "text-success", failed: "text-danger", refused: "text-danger" }[update.state] ?? "";
    const percent = Math.floor((100 * update.sent) / Math.max(1, update.size));
    const words = {
      done: t("Firmware %(version)s was started.", { version: update.version }),
      running: update.step === "done" ? t("The card is starting firmware %(version)s…", { version: update.version }) : `${t("Sending firmware %(version)s", { version: update.version })} · ${percent} %`,
    };
    return h("p", { class: `update-state ${kind}`, role: "status" }, words[update.state] ?? update.reason);
  }

  /** The chooser of a firmware file stays while the card is drawn anew. */
  const chooser = (card) => h("form", { class: "firmware-form", onsubmit: (event) => send(event, card) },
    h("input", { class: "form-control form-control-sm", type: "file", name: "file", required: true, "aria-label": t("Firmware file") }),
    h("button", { class: "btn btn-sm", type: "submit" }, icon("upload"), t("New firmware")));

  async function send(event, card) {
    event.preventDefault();
    const form = event.currentTarget;
    if (!window.confirm(t("Give card %(card)s new firmware? Its ports are out of use for up to a minute.", { card }))) return;
    const body = new FormData(form);
    body.set("card", card);
    const headers = { Accept: "application/json", "X-Requested-With": "fetch", "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content };
    try {
      const answer = await fetch("/cards/firmware", { method: "POST", body, headers, credentials: "same-origin" });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.message || t("The box did not do it (error %(code)s). Reload the page and try again.", { code: answer.status }));
      form.reset();
      await refresh();
    } catch (error) {
      toast(error.message, "danger");
    }
  }

  function makeCard(card) {
    const element = h("section", { class: "card hardware-card" }, h("div", { class: "card-header" }), h("div", { class: "card-body" }), h("div", { class: "table-responsive" }));
    if (page.may_update) element.append(h("div", { class: "card-footer" }, chooser(card.id)));
    return element;
  }

  function fillCard(element, card) {
    const footer = element.querySelector(".card-footer");
    if (footer) footer.hidden = !(card.features.includes("update") && card.state === "in use");
    const signature = JSON.stringify(card);
    if (element.dataset.signature === signature) return;
    element.dataset.signature = signature;
    const [head, body, table] = element.children;
    head.replaceChildren(h("h2", { class: "card-title" }, card.id), h("span", { class: "text-secondary ms-2" }, card.model), h("span", { class: "ms-auto" }, state(CARD_STATE[card.state] ?? ["help-circle", "idle", card.state])));
    body.replaceChildren(...[
      card.problem ? h("p", { class: "text-danger" }, card.problem) : null,
      h("dl", { class: "card-facts" }, ...fact(t("Driver"), card.driver), ...fact(t("Firmware"), card.firmware), ...fact(t("Address"), card.address), ...fact(t("Clock"), clockText(card.clock))),
      updateText(card.update),
    ].filter(Boolean));
    table.hidden = !card.ports.length;
    table.replaceChildren(h("table", { class: "table card-table table-tight table-stack" },
      h("thead", {}, h("tr", {}, ...[t("Socket"), t("Kind"), t("Used as"), t("State"), t("Voltage"), t("Radio and tests")].map((word) => h("th", { class: word === t("Voltage") ? "num" : "" }, word)))),
      h("tbody", {}, ...card.ports.map((port) => portRow(port, card)))));
  }

  const LEVEL = { error: ["alert-triangle", "text-danger"], warning: ["alert-circle", "text-warning"], info: ["info-circle", "text-secondary"] };

  function show(found) {
    const problem = $("cards-problem");
    problem.hidden = !found.problem;
    text(problem.lastElementChild, found.problem);
    if (!found.problem || found.cards.length) keyed($("cards"), found.cards, (card) => card.id, makeCard, fillCard);
    $("cards-none").hidden = Boolean(found.problem) || found.cards.length > 0;
    keyed($("notices"), found.notices, (n) => `${n.at} ${n.text}`,
      (n) => h("li", {}, icon(...(LEVEL[n.level] ?? LEVEL.info)), h("div", { class: "grow" }, h("div", { class: "timeline-head" }, h("span", { class: "text-secondary" }, Zongji.when(n.at))), h("div", {}, n.text))), () => {});
    $("notices-none").hidden = found.notices.length > 0;
  }

  async function refresh() {
    show(await ask("/cards/state"));
    document.body.classList.add("is-live");
  }

  setInterval(() => { if (!document.hidden) refresh().catch(() => {}); }, EVERY_MS); // the banner says when the box is away
  show(page.state);
  Zongji.live.connect();
})();

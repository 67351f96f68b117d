/* The simulated office: an outside telephone and the box's telephones, with live sound. */
"use strict";
(() => {
  const { h, t, icon, text, keyed, live, toast, page, badge } = Zongji;
  const $ = (id) => document.getElementById(id);
  const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
  const DTMF = { 1: [697, 1209], 2: [697, 1336], 3: [697, 1477], 4: [770, 1209], 5: [770, 1336], 6: [770, 1477], 7: [852, 1209], 8: [852, 1336], 9: [852, 1477], "*": [941, 1209], 0: [941, 1336], "#": [941, 1477] };
  const WORDS = {
    idle: () => t("On hook"), off_hook: () => t("Off hook"), ringing: () => t("Ringing"), calling: () => t("Calling…"),
    busy_tone: () => t("Busy"), talking: () => t("Connected"), released: () => t("The other side has hung up"), away: () => t("Not connected"),
  };

  // --------------------------------------------------------------- sound
  let context = null;
  let workletReady = null;
  let microphone = null;

  /** The sound card, from the first click on; null where the browser gives none. */
  async function sound() {
    if (!context) {
      context = new AudioContext({ latencyHint: "interactive" });
      if (!context.audioWorklet) {
        $("no-sound").hidden = false;
        return null;
      }
      workletReady = context.audioWorklet.addModule(page.worklet);
    }
    if (!context.audioWorklet) return null;
    await workletReady;
    if (context.state !== "running") await context.resume();
    $("sound-off").hidden = context.state === "running";
    return context;
  }

  async function microphoneNode() {
    if (!microphone) {
      if (!navigator.mediaDevices?.getUserMedia) throw new Error(t("This browser gives no microphone here. Open the page by https or on this machine, or choose a WAV file."));
      const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } })
        .catch(() => { throw new Error(t("The microphone was not allowed or is missing. Choose a WAV file instead, or allow it in the address bar.")); });
      microphone = context.createMediaStreamSource(stream);
    }
    return microphone;
  }

  /** One bell burst of an old telephone: two gongs, hammered 20 times a second. */
  function bell(seconds) {
    if (!context || context.state !== "running") return;
    const end = context.currentTime + seconds;
    const gain = context.createGain();
    gain.gain.value = 0;
    gain.connect(context.destination);
    for (let at = context.currentTime; at < end; at += 0.05) {
      gain.gain.setValueAtTime(0.05, at);
      gain.gain.exponentialRampToValueAtTime(0.012, at + 0.045);
    }
    gain.gain.setValueAtTime(0.0001, end);
    for (const hz of [1180, 1530, 2950]) {
      const tone = context.createOscillator();
      tone.frequency.value = hz;
      tone.connect(gain);
      tone.start();
      tone.stop(end);
    }
  }

  /** The short click of a key, so that pressing one is felt at once. */
  function keyClick(key) {
    if (!context || context.state !== "running" || !DTMF[key]) return;
    const gain = context.createGain();
    gain.gain.value = 0.02;
    gain.connect(context.destination);
    for (const hz of DTMF[key]) {
      const tone = context.createOscillator();
      tone.frequency.value = hz;
      tone.connect(gain);
      tone.start();
      tone.stop(context.currentTime + 0.08);
    }
  }

  // ------------------------------------------------------------- handset
  /** One telephone held by this page. */
  class Handset {
    constructor(actor, show) {
      this.actor = actor;
      this.show = show;
      this.state = "away";
      this.node = null;
      this.source = "none";
      this.file = null;
      this.wanted = true;
      this.kept = []; // wishes made while it connects
      this.connect();
    }

    connect() {
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      this.socket = new WebSocket(`${scheme}://${location.host}/office/sound/${encodeURIComponent(this.actor)}`);
      this.socket.binaryType = "arraybuffer";
      this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.told(JSON.parse(data)) : this.node?.port.postMessage(data, [data]));
      this.socket.onopen = () => { for (const wish of this.kept.splice(0)) this.socket.send(wish); };
      this.socket.onclose = () => {
        if (this.kept.splice(0).length) this.dropped();
        this.told({ state: "away" });
        if (this.wanted) setTimeout(() => this.wanted && this.connect(), 1500);
      };
    }

    told(message) {
      if (message.error) toast(message.error, "danger");
      if (message.away) message.state = "away";
      if (!message.state) return;
      const before = this.state;
      this.state = message.state;
      if (before !== this.state && ["idle", "away"].includes(this.state)) {
        this.node?.port.postMessage("flush");
        this.playing?.stop(); // nobody listens any more
      }
      this.show(message);
    }

    do(action, args = {}) {
      sound().then(() => this.open());
      const wish = JSON.stringify({ do: action, ...args });
      if (this.socket.readyState === WebSocket.OPEN) this.socket.send(wish);
      else if (this.socket.readyState === WebSocket.CONNECTING) this.kept.push(wish);
      else this.dropped();
    }

    dropped() {
      toast(t("The simulated office is not connected. It is tried again by itself."), "warning");
    }

    /** Connect ear and mouth to the sound card. */
    async open() {
      if (this.node || !(await sound())) return;
      this.node = new AudioWorkletNode(context, "phone", { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [1] });
      this.node.connect(context.destination);
      this.node.port.onmessage = ({ data }) => {
        if (data instanceof ArrayBuffer) {
          if (this.source !== "none" && this.state !== "idle" && this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount < 4096) this.socket.send(data);
        } else this.levels?.(data);
      };
      await this.speakFrom(this.source);
    }

    async speakFrom(source) {
      this.source = source;
      if (source !== "none") await this.open();
      this.mouth?.disconnect(this.node);
      this.mouth = null;
      if (!this.node || source !== "microphone") return;
      this.mouth = await microphoneNode();
      this.mouth.connect(this.node);
    }

    /** Speak a WAV file once, from its beginning. */
    async speakFile(file) {
      if (!(await sound())) return;
      await this.open();
      await this.speakFrom("file");
      this.playing?.stop();
      let samples;
      try {
        samples = await context.decodeAudioData(await file.arrayBuffer());
      } catch {
        throw new Error(t("This file is no sound that the browser can read. Choose a WAV file."));
      }
      const player = context.createBufferSource();
      player.buffer = samples;
      player.connect(this.node);
      player.start();
      this.playing = player;
      await new Promise((resolve) => { player.onended = resolve; });
      if (this.playing === player) { player.disconnect(); this.playing = null; }
    }

    close() {
      this.wanted = false;
      this.socket.close();
      this.playing?.stop();
      this.node?.port.postMessage("close");
      this.node?.disconnect();
    }
  }

  // ------------------------------------------------------ common controls
  function keypad(press) {
    return h("div", { class: "keypad" }, KEYS.map((key) => h("button", { class: "btn", type: "button", "data-digit": key, onclick: () => { keyClick(key); press(key); } }, key)));
  }

  function soundControls(handset) {
    const file = h("input", { type: "file", accept: "audio/*,.wav", class: "visually-hidden", tabindex: -1 });
    const say = h("button", { class: "btn btn-sm", type: "button", hidden: true, onclick: () => speak() }, icon("player-play"), h("span", {}, t("Speak the file")));
    const choice = h("select", { class: "form-select form-select-sm", "aria-label": t("What this telephone speaks") },
      h("option", { value: "none" }, t("Silent")), h("option", { value: "microphone" }, t("Microphone")), h("option", { value: "file" }, t("WAV file…")));
    const spoken = h("meter", { min: 0, max: 1, low: 0.02, high: 0.8, optimum: 0.3, title: t("Spoken") });
    const heard = h("meter", { min: 0, max: 1, low: 0.02, high: 0.8, optimum: 0.3, title: t("Heard") });
    handset.levels = (levels) => { spoken.value = Math.sqrt(levels.spoken); heard.value = Math.sqrt(levels.heard); };
    async function speak() {
      say.disabled = true;
      try { await handset.speakFile(handset.file); } catch (error) { toast(error.message, "danger"); }
      say.disabled = false;
    }
    choice.addEventListener("change", async () => {
      say.hidden = choice.value !== "file";
      try {
        if (choice.value === "file") { file.click(); await handset.speakFrom("none"); } else await handset.speakFrom(choice.value);
      } catch (error) {
        choice.value = "none";
        toast(error.message, "danger");
      }
    });
    file.addEventListener("change", () => {
      if (!file.files.length) return;
      handset.file = file.files[0];
      text(say.querySelector("span"), t("Speak %(name)s", { name: handset.file.name }));
    });
    return h("div", { class: "sound-row" }, h("span", { class: "sound-meter" }, icon("microphone"), spoken), h("span", { class: "sound-meter" }, icon("volume"), heard), choice, say, file);
  }

  function showStateOn(element, state, ringing) {
    element.className = `state tone-${ringing ? "ring" : { idle: "idle", away: "fault", busy_tone: "off", released: "off" }[state] ?? "talk"}`;
    element.replaceChildren(icon(ringing ? "bell-ringing" : { idle: "circle", away: "plug-connected-x", busy_tone: "ban", released: "phone-x" }[state] ?? "phone-call"), h("span", {}, (WORDS[state] ?? (() => state))()));
  }

  // ------------------------------------------------------ outside telephone
  function outside() {
    // Its name is a number, so that the box can call back whoever called from this page.
    const name = sessionStorage.getItem("office-number") ?? `139${String(Math.floor(Math.random() * 1e8)).padStart(8, "0")}`;
    sessionStorage.setItem("office-number", name);
    if (!$("number").value) $("number").value = name;
    let ringTimer = 0;
    const handset = new Handset(`caller:${name}`, (message) => {
      const state = handset?.state ?? message.state;
      const ringing = state === "ringing";
      const busy = !["idle", "away"].includes(state);
      showStateOn($("out-state"), state, ringing);
      $("outside").classList.toggle("is-ringing", ringing);
      $("out-call").hidden = busy;
      $("out-answer").hidden = !ringing;
      $("out-hang-up").hidden = !busy;
      $("out-fields").hidden = busy;
      $("out-keypad").hidden = !busy || ringing;
      $("out-own").hidden = !message.number;
      text($("out-number"), message.number ?? "");
      clearInterval(ringTimer);
      if (ringing) {
        bell(1);
        ringTimer = setInterval(() => bell(1), 5000);
      }
    });
    $("out-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const form = event.target.elements;
      handset.do("call", { line: form.line.value, number: form.number.value.trim(), name: form.name.value.trim(), callerid: form.callerid.value });
    });
    $("out-answer").addEventListener("click", () => handset.do("answer"));
    $("out-hang-up").addEventListener("click", () => handset.do("hang_up"));
    $("out-keypad").append(keypad((key) => handset.do("press", { keys: key })));
    $("out-sound").append(soundControls(handset));
    return handset;
  }

  // -------------------------------------------------- the box's telephones
  const held = new Map();

  function take(phone) {
    let bellOn = false;
    const card = h("article", { class: "set", "data-ext": phone.ext });
    const state = h("span", { class: "state" });
    const hook = h("button", { class: "btn btn-hook", type: "button" });
    const display = h("output", { class: "set-display" });
    const lamp = h("span", { class: "set-lamp" });
    const handset = new Handset(`phone:${phone.ext}`, (message) => {
      const now = handset?.state ?? message.state;
      const lifted = now === "off_hook";
      const ringing = now === "ringing";
      showStateOn(state, now, ringing);
      card.classList.toggle("is-ringing", ringing);
      card.classList.toggle("is-lifted", lifted);
      hook.replaceChildren(icon(lifted ? "phone-x" : "phone"), lifted ? t("Hang up") : ringing ? t("Answer") : t("Lift"));
      hook.className = `btn btn-hook ${lifted ? "btn-danger" : ringing ? "btn-success" : "btn-primary"}`;
      for (const part of card.querySelectorAll(".keypad button, [data-flash]")) part.disabled = !lifted;
      if (message.bell && !bellOn) bell(1);
      bellOn = Boolean(message.bell);
      const shown = message.display;
      const who = shown && (page.words.presentation[shown.presentation] ?? [shown.number, shown.name].filter(Boolean).join("  "));
      text(display, who ?? "");
      lamp.classList.toggle("is-lit", Boolean(message.lamp));
    });
    hook.addEventListener("click", () => handset.do(handset.state === "off_hook" ? "hang_up" : "lift"));
    card.append(
      h("header", { class: "set-head" }, h("span", { class: "set-ext" }, phone.ext), h("span", { class: "set-label" }, phone.label ?? ""), state,
        h("button", { class: "btn btn-icon btn-ghost btn-sm", type: "button", title: t("Put this telephone back on the desk"), "aria-label": t("Put this telephone back on the desk"), onclick: () => drop(phone.ext) }, icon("x"))),
      h("div", { class: "set-window" }, display, lamp),
      h("div", { class: "set-body" },
        h("div", { class: "set-bell" }, icon("bell-ringing", "icon-lg")),
        h("div", { class: "set-actions" }, hook, h("button", { class: "btn", type: "button", "data-flash": true, title: t("Short press on the hook: takes a second call or transfers"), onclick: () => handset.do("flash") }, t("Flash")), h("div", { class: "set-dial" })),
        keypad((key) => handset.do("press", { keys: key }))),
      soundControls(handset));
    held.set(phone.ext, { handset, card });
    $("sets").append(card);
    handset.show({ state: handset.state });
    remember();
  }

  function drop(ext) {
    const set = held.get(ext);
    if (!set) return;
    set.handset.close();
    set.card.remove();
    held.delete(ext);
    remember();
    showChips(live.state ?? {});
  }

  function remember() {
    sessionStorage.setItem("office-held", JSON.stringify([...held.keys()]));
    $("sets-empty").hidden = held.size > 0;
  }

  function showChips(state) {
    const now = new Map((state.phones ?? []).map((p) => [p.ext, p]));
    keyed($("chips"), page.phones, (p) => p.ext,
      (phone) => h("button", { class: "chip", type: "button", onclick: () => (held.has(phone.ext) ? drop(phone.ext) : take(phone)) }, h("span", { class: "chip-ext" }, phone.ext), h("span", { class: "state" })),
      (chip, phone) => {
        chip.classList.toggle("is-held", held.has(phone.ext));
        chip.setAttribute("aria-pressed", String(held.has(phone.ext)));
        chip.title = phone.label ?? "";
        badge(chip.querySelector(".state"), "phone", now.get(phone.ext)?.state ?? "idle");
      });
  }

  outside();
  for (const ext of JSON.parse(sessionStorage.getItem("office-held") ?? "null") ?? page.phones.slice(0, 1).map((p) => p.ext)) {
    const phone = page.phones.find((p) => p.ext === ext);
    if (phone) take(phone);
  }
  remember();
  showChips({});
  live.on("live", (state) => { showChips(state); document.body.classList.add("is-live"); });
  live.connect();
  $("sound-on").addEventListener("click", sound);
  document.addEventListener("click", () => { if (!context) sound(); }, { once: true });
})();

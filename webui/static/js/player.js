/* The recording: waveform, speed, marks of what happened, jump to the talk. */
"use strict";
(() => {
  const { h, t, icon, text, length, bind, page } = Zongji;
  const $ = (id) => document.getElementById(id);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const wave = WaveSurfer.create({
    container: $("wave"), url: $("wave").dataset.url, height: 88, normalize: true, cspNonce: page.nonce,
    waveColor: css("--z-wave"), progressColor: css("--z-brand"), cursorColor: css("--z-ink"), cursorWidth: 2,
    barWidth: 2, barGap: 1, barRadius: 1, dragToSeek: true, sampleRate: 8000,
  });

  wave.on("ready", (whole) => {
    text($("whole"), length(whole));
    const marks = page.marks.filter((m) => m.at <= whole);
    $("wave-marks").replaceChildren(...marks.map((m, index) => h("button", { class: `wave-mark mark-${m.what}`, type: "button", onclick: () => wave.setTime(m.at), "data-index": index }, `${length(m.at)} ${m.label}`)));
    document.body.classList.add("player-ready");
  });
  wave.on("timeupdate", (at) => text($("at"), length(at)));
  wave.on("play", () => showPlaying(true));
  wave.on("pause", () => showPlaying(false));
  wave.on("error", () => text($("player-problem"), t("The recording cannot be played here. Download it instead.")));

  function showPlaying(playing) {
    $("play").replaceChildren(icon(playing ? "player-pause" : "player-play"));
    $("play").setAttribute("aria-label", playing ? t("Pause") : t("Play"));
  }

  const speeds = [...document.querySelectorAll("[data-speed]")];
  function speed(button) {
    for (const other of speeds) other.classList.toggle("active", other === button);
    wave.setPlaybackRate(Number(button.dataset.speed), true);
  }
  for (const button of speeds) button.addEventListener("click", () => speed(button));
  $("play").addEventListener("click", () => wave.playPause());
  $("to-talk")?.addEventListener("click", () => {
    const talk = page.marks.find((m) => m.what === "connect");
    if (talk) { wave.setTime(talk.at); wave.play(); }
  });
  bind(" ", () => wave.playPause());
  bind("ArrowLeft", () => wave.skip(-5));
  bind("ArrowRight", () => wave.skip(5));
  bind("s", () => speed(speeds[(speeds.findIndex((b) => b.classList.contains("active")) + 1) % speeds.length]));
})();

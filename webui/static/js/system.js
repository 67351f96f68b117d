/* Pages of the box itself: countdown of network settings, clock, upload with progress, a running update. */
"use strict";
(() => {
  const { t } = window.Zongji ?? {};
  const $ = (id) => document.getElementById(id);

  // Network: what nobody confirms comes back; the page then shows what there is.
  const countdown = $("countdown");
  if (countdown) {
    const until = performance.now() + Number(countdown.dataset.left) * 1000;
    const timer = setInterval(() => {
      const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
      countdown.textContent = String(left);
      if (left === 0) {
        clearInterval(timer);
        setTimeout(() => location.assign(countdown.dataset.over), 2500);
      }
    }, 250);
  }
  for (const choice of document.querySelectorAll("select[data-fixed]")) {
    choice.addEventListener("change", () => { $(choice.dataset.fixed).hidden = choice.value !== "static"; });
  }

  // Time: the seconds of this computer go with the form when it is sent.
  for (const form of document.querySelectorAll("form[data-now]")) {
    form.addEventListener("submit", () => { form.elements.time.value = String(Date.now() / 1000); });
  }

  // Upload: the file itself is the request, so that nothing is held in memory.
  const upload = $("upload");
  upload?.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = $("bundle").files[0];
    const problem = $("upload-problem");
    problem.textContent = "";
    if (!file) return;
    if (file.size > Number(upload.dataset.most)) {
      problem.textContent = t("This file is too large for an update of this box.");
      return;
    }
    const request = new XMLHttpRequest();
    request.open("PUT", `${upload.dataset.url}?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("X-CSRFToken", document.querySelector('meta[name="csrf-token"]').content);
    request.setRequestHeader("X-Requested-With", "fetch");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    $("upload-progress").hidden = false;
    request.upload.onprogress = (moved) => bar($("upload-bar"), (100 * moved.loaded) / moved.total);
    request.onerror = () => { problem.textContent = t("The upload ended early; try again."); };
    request.onload = () => {
      if (request.status === 200) location.assign(request.response.look);
      else problem.textContent = request.response?.error ?? t("The upload ended early; try again.");
    };
    request.send(file);
  });

  function bar(element, percent) {
    element.style.width = `${percent}%`;
    element.setAttribute("aria-valuenow", String(Math.round(percent)));
  }

  // A running update: looked at every second; the page is loaded anew when it has ended.
  const job = $("job");
  if (job) {
    bar($("job-bar"), Number($("job-bar").getAttribute("aria-valuenow")));
    let shown = "";
    const look = async () => {
      try {
        const found = await (await fetch(job.dataset.state, { headers: { "X-Requested-With": "fetch" } })).json();
        const word = job.querySelector(`[data-word="${found.state}"]`);
        if (word) $("job-title").textContent = word.textContent;
        if (found.percent !== undefined) bar($("job-bar"), found.percent);
        $("job-far").textContent = found.far ?? "";
        if ($("job-cancel") && found.may_cancel !== undefined) $("job-cancel").hidden = !found.may_cancel;
        if (["failed", "cancelled", "idle"].includes(found.state)) location.reload();
        shown = found.state;
      } catch {
        // The box is away: when it was to start anew, the first page comes as soon as it answers.
        if (shown === "rebooting") comesBack(job.dataset.home);
      }
      setTimeout(look, 1000);
    };
    setTimeout(look, 1000);
  }

  const back = document.querySelector("[data-comes-back]");
  if (back) setTimeout(() => comesBack(back.dataset.comesBack), 15000);

  let waiting = false;
  function comesBack(home) {
    if (waiting) return;
    waiting = true;
    const knock = async () => {
      try {
        if ((await fetch("/health", { cache: "no-store" })).ok) { location.assign(home); return; }
      } catch { /* not yet */ }
      setTimeout(knock, 2000);
    };
    setTimeout(knock, 2000);
  }
})();

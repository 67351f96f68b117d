/* Backups: follow a job, send a file. */
"use strict";
(() => {
  const { t, text } = window.Zongji;
  const job = document.getElementById("job");
  const bar = document.getElementById("job-bar");
  const LOOK_MS = 1000;

  async function look() {
    try {
      const answer = await fetch(job.dataset.state, { headers: { "X-Requested-With": "fetch" } });
      const found = await answer.json();
      if (!found.job || found.job.ended) {
        location.reload();
        return;
      }
      bar.value = found.job.percent;
      text(document.getElementById("job-step"), found.job.step_words);
    } catch {
      /* the pages are away for a moment: the next look tells */
    }
    setTimeout(look, LOOK_MS);
  }
  if (job?.dataset.running === "1") setTimeout(look, LOOK_MS);

  const form = document.getElementById("upload-form");
  const send = document.getElementById("upload-send");
  const shown = document.getElementById("upload-bar");
  const problem = document.getElementById("upload-problem");

  function failed(sentence) {
    text(problem, sentence);
    shown.hidden = true;
    send.disabled = false;
  }

  send?.addEventListener("click", () => {
    const [file] = document.getElementById("upload-file").files;
    if (!file) {
      failed(t("Choose a file first."));
      return;
    }
    text(problem, "");
    send.disabled = true;
    shown.hidden = false;
    const request = new XMLHttpRequest();
    request.open("PUT", form.dataset.upload);
    request.setRequestHeader("X-CSRFToken", form.elements.csrf_token.value);
    request.setRequestHeader("X-Requested-With", "fetch");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) shown.value = (100 * event.loaded) / event.total;
    });
    request.addEventListener("error", () => failed(t("The upload was interrupted. Send the file again.")));
    request.addEventListener("load", () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        /* no answer of ours */
      }
      if (request.status !== 200 || !answer.name) {
        failed(answer.error?.message ?? t("The upload was interrupted. Send the file again."));
        return;
      }
      document.getElementById("upload-source").value = `upload:${answer.name}`;
      form.submit();
    });
    request.send(file);
  });
})();

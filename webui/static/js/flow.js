/* The menu editor: Tab writes two blanks, a warning before unsaved text is lost. */
"use strict";
(() => {
  const area = document.getElementById("text");
  const first = area.value;
  let leaving = false;
  area.addEventListener("keydown", (event) => {
    if (event.key === "Tab" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      area.setRangeText("  ", area.selectionStart, area.selectionEnd, "end");
    }
  });
  area.form.addEventListener("submit", () => { leaving = true; });
  window.addEventListener("beforeunload", (event) => {
    if (!leaving && area.value !== first) event.preventDefault();
  });
})();

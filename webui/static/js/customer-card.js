/* The rows of telephone numbers in a customer form: used on the desk and on the customer's page. */
"use strict";
(() => {
  const { h, t, icon } = Zongji;

  /** Rows of {number, label} in `box`, with a dial button where `dial` is given. */
  Zongji.phoneRows = (box, { dial = null, changed = () => {} } = {}) => {
    function row({ number = "", label = "" } = {}) {
      const numberInput = h("input", { class: "form-control number", name: "phone_number", value: number, maxlength: 60, inputmode: "tel", placeholder: t("Number"), "aria-label": t("Number") });
      const element = h("div", { class: "phone-row" }, numberInput,
        h("input", { class: "form-control", name: "phone_label", value: label, maxlength: 40, placeholder: t("Mobile, office, …"), "aria-label": t("Kind of number") }),
        dial ? h("button", { class: "btn btn-icon", type: "button", title: t("Dial this number"), "aria-label": t("Dial this number"), onclick: () => dial(numberInput.value) }, icon("phone-outgoing")) : null,
        h("button", { class: "btn btn-icon btn-ghost", type: "button", title: t("Remove this number"), "aria-label": t("Remove this number"), onclick: () => { element.remove(); changed(); } }, icon("x")));
      return element;
    }
    const add = h("button", { class: "btn btn-sm btn-ghost phone-add", type: "button", onclick: () => {
      const fresh = row();
      box.insertBefore(fresh, add);
      fresh.querySelector("input").focus();
    } }, icon("plus"), t("Add a number"));
    return {
      set(phones) {
        box.replaceChildren(...(phones.length ? phones : [{}]).map(row), add);
      },
      get() {
        return [...box.querySelectorAll(".phone-row")].map((r) => {
          const [number, label] = r.querySelectorAll("input");
          return { number: number.value.trim(), label: label.value.trim() };
        }).filter((p) => p.number || p.label);
      },
    };
  };

  const box = document.querySelector("[data-phones]");
  if (box) Zongji.phoneRows(box).set(JSON.parse(box.dataset.phones));
})();

/** Says what just happened and offers the way back, for ten seconds, held while it has pointer or focus.
 *
 *  <div class="toast-place" data-toasts></div>
 *  showToast(t("firstErrorSet", { n: 7 }), { undo: () => store.undo() });
 */

import { el } from "./dom.js";
import { t } from "./text.js";

const STAYS_MS = 10_000;

let timer = null;
let undoSign = "Z";

/** The key that stands beside Undo from now on; "" where no key does it. */
export function nameUndoKey(sign) {
  undoSign = sign;
}

export function showToast(text, { undo = null } = {}) {
  const place = document.querySelector("[data-toasts]");
  if (!place) return;
  const words = el("span", {}, text);
  const toast = el("div", { class: "toast" }, words);
  if (undo) {
    const sign = undoSign ? el("kbd", { class: "kbd" }, undoSign) : null;
    const button = el("button", { class: "btn btn--quiet", type: "button" }, t("undo"), sign);
    button.addEventListener("click", () => {
      hideToast();
      undo();
    });
    toast.append(button);
  }
  place.replaceChildren(toast);
  const rest = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (toast.matches(":hover, :focus-within")) rest();
      else if (toast.isConnected) toast.remove();
    }, STAYS_MS);
  };
  rest();
}

export function hideToast() {
  clearTimeout(timer);
  document.querySelector("[data-toasts]")?.replaceChildren();
}

/** Says something to those who listen, and to nobody else. */
export function announce(text) {
  const region = document.querySelector("[data-announcer]");
  if (region) region.textContent = text;
}

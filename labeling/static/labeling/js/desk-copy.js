/** Copies what a field holds, and says so on the button.
 *
 *  <input id="link" readonly value="…"> <button type="button" data-copy="link">Copy</button>
 */

import { t } from "./text.js";
import { announce } from "./toast.js";

export function startCopying(root = document, clipboard = navigator.clipboard) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    const field = button && document.getElementById(button.dataset.copy);
    if (!field) return;
    try {
      await clipboard.writeText(field.value);
      announce(t("copied"));
      button.setAttribute("data-done", "");
    } catch {
      // Without a secure context there is no clipboard: the text is marked, for Ctrl C.
      field.focus();
      field.select();
      announce(t("copyFailed"));
    }
  });
}

startCopying();

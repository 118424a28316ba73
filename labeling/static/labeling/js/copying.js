/** Raw or rendered, and the text of a step as its author wrote it.
 *
 *  toggleRaw();
 *  await copySource(row.querySelector("[data-math]"));
 */

import { isRaw, setRaw, sourceOf } from "./math.js";
import { t } from "./text.js";
import { announce, showToast } from "./toast.js";

export function toggleRaw() {
  setRaw(!isRaw());
  announce(t(isRaw() ? "rawOn" : "rawOff"));
}

export async function copySource(element) {
  if (!element) return;
  try {
    await navigator.clipboard.writeText(sourceOf(element));
    showToast(t("copied"));
  } catch {
    showToast(t("copyFailed"));
  }
}

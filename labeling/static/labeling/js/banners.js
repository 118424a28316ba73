/** The state of the world, in a line above the steps; and the words beside the cloud.
 *
 *  <div data-banners></div>  <span role="status" data-save-status></span>
 *  showBanner("offline", t("offline"), { icon: "offline", tone: "warn" }); hideBanner("offline");
 *  say("saving");   // speaks only when what it says changes
 */

import { el, icon } from "./dom.js";
import { t } from "./text.js";

const OFFLINE_AFTER_MS = 2_000;

let offlineTimer = null;

export function showBanner(id, text, { tone = "", iconName = "info", action = "", onAction = null } = {}) {
  const place = document.querySelector("[data-banners]");
  if (!place) return;
  const banner = el("div", { class: "banner", "data-tone": tone || null, "data-banner": id, role: "status" });
  banner.append(icon(iconName), el("p", {}, text));
  if (onAction) {
    const button = el("button", { class: "btn", type: "button" }, action);
    button.addEventListener("click", onAction);
    banner.append(button);
  }
  hideBanner(id);
  place.append(banner);
}

export function hideBanner(id) {
  document.querySelector(`[data-banner="${id}"]`)?.remove();
}

/** What became of the latest change: "saving", "saved", "savedHere", "notSaved", "backOnline". */
export function say(state, values = {}) {
  const status = document.querySelector("[data-save-status]");
  const text = t(state, values);
  if (status && status.textContent !== text) status.textContent = text;
  if (state === "savedHere" && !navigator.onLine) {
    offlineTimer ??= setTimeout(() => {
      showBanner("offline", t("offline"), { tone: "warn", iconName: "offline" });
    }, OFFLINE_AFTER_MS);
  } else if (state === "saved" || state === "backOnline") {
    clearTimeout(offlineTimer);
    offlineTimer = null;
    hideBanner("offline");
  }
}

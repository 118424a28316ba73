/** Turns the theme: system, light, dark, and round again; a cookie tells the server, so nothing flashes.
 *
 *  <button data-theme-button aria-label="Theme: follows the system">…</button>
 */

import { t } from "./text.js";

const ORDER = ["system", "light", "dark"];
const YEAR_S = 31_536_000;

export function startTheme(root = document) {
  for (const button of root.querySelectorAll("[data-theme-button]")) {
    button.addEventListener("click", () => {
      const now = document.documentElement.dataset.theme ?? "system";
      setTheme(ORDER[(ORDER.indexOf(now) + 1) % ORDER.length]);
    });
  }
  label(root);
}

export function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${theme}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax${secure}`;
  label(document);
}

function label(root) {
  const theme = document.documentElement.dataset.theme ?? "system";
  for (const button of root.querySelectorAll("[data-theme-button]")) {
    button.setAttribute("aria-label", t(`theme_${theme}`));
    button.title = t(`theme_${theme}`);
  }
}

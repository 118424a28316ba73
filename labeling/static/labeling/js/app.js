/** What every page needs: theme, questions before what is final, live parts, mathematics, what waited.
 *
 *  <script type="module" src="{% static 'labeling/js/app.js' %}"></script>
 */

import { call } from "./api.js";
import { startConfirm } from "./confirm.js";
import { startLive } from "./live.js";
import { renderMath } from "./math-loader.js";
import { createOutbox } from "./outbox.js";
import { startTheme } from "./theme.js";

startTheme();
startConfirm();
// Where a bar does not fit, the place one is at can be seen in it.
for (const here of document.querySelectorAll(".nav [aria-current], .tabs [aria-current]")) {
  here.scrollIntoView({ block: "nearest", inline: "center" });
}
startLive();
renderMath();

// Work that was finished without a network is sent by whichever page is open next.
const outbox = createOutbox({ storage: localStorage, call });
outbox.sendAll();
addEventListener("online", () => outbox.sendAll());

// Enter does the one thing that a page is for, where nothing else has the focus.
document.addEventListener("keydown", (event) => {
  const isFree = document.activeElement === document.body || document.activeElement?.id === "main";
  if (event.key !== "Enter" || event.repeat || event.isComposing || !isFree) return;
  document.querySelector("[data-primary]")?.click();
});

/** Side panels: one at a time, and the focus comes back to what opened it.
 *
 *  <aside class="panel" id="comments-panel" popover="manual" tabindex="-1" aria-labelledby="…"> … </aside>
 *  startPanels();                        // once; whatever opens or closes a panel
 *  closePanel();                         // the open one, if any: what Escape does
 *
 *  A panel is no dialog: the page beside it goes on, keys too. The browser does neither of the two for
 *  popovers that are opened by hand.
 */

const STARTED = "panels";
const openers = new WeakMap();

export function startPanels(root = document) {
  // Several scripts of a page may each bring this module.
  if (root.documentElement.dataset[STARTED]) return;
  root.documentElement.dataset[STARTED] = "on";
  // These events do not bubble; they are caught on their way down.
  root.addEventListener("beforetoggle", beforeToggle, true);
}

/** The panel that is open, or null. */
export function findOpenPanel(root = document) {
  return root.querySelector(".panel:popover-open");
}

/** Closes the panel that is open; false where none is. */
export function closePanel(root = document) {
  const panel = findOpenPanel(root);
  panel?.hidePopover();
  return panel !== null;
}

function beforeToggle({ target: panel, newState }) {
  if (!panel.matches?.(".panel")) return;
  if (newState === "open") {
    openers.set(panel, document.activeElement);
    const other = findOpenPanel();
    if (other && other !== panel) other.hidePopover();
  } else if (panel.contains(document.activeElement)) {
    const opener = openers.get(panel);
    const place = opener?.isConnected && !panel.contains(opener) ? opener : document.querySelector("[aria-current='step']");
    place?.focus({ preventScroll: true });
  }
}

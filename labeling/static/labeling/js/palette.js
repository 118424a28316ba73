/** A list to choose from by typing: the error types, with definition and example.
 *
 *  <div class="palette" id="types" popover role="dialog">
 *    <input class="palette__search" role="combobox" aria-controls="type-list" …>
 *    <ul id="type-list" role="listbox"><li class="palette__item" role="option" data-value="redundency">…</li></ul>
 *  </div>
 *  const palette = createPalette(document.getElementById("types"), { onChoose: (code, { add }) => … });
 *  palette.open();
 *
 *  Arrows move, Enter chooses, Shift with either adds to what was chosen before, Escape closes.
 */

import { t } from "./text.js";

export function createPalette(palette, { onChoose }) {
  const search = palette.querySelector("[role='combobox']");
  const list = palette.querySelector("[role='listbox']");
  const nothing = palette.querySelector("[data-nothing]");
  const options = [...list.querySelectorAll("[role='option']")];
  const words = new Map(options.map((option) => [option, option.textContent.toLowerCase()]));
  let selected = null;
  let opener = null;

  const shown = () => options.filter((option) => !option.hidden);

  const select = (option) => {
    selected?.setAttribute("aria-selected", "false");
    selected = option ?? null;
    selected?.setAttribute("aria-selected", "true");
    selected?.scrollIntoView({ block: "nearest" });
    if (selected) search.setAttribute("aria-activedescendant", selected.id);
    else search.removeAttribute("aria-activedescendant");
  };

  const filter = () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const option of options) option.hidden = !wanted.every((word) => words.get(option).includes(word));
    // A name that starts with the word comes before one that merely contains it.
    const first = wanted.length
      ? shown().find((option) => words.get(option).trim().startsWith(wanted[0]))
      : null;
    select(first ?? shown()[0]);
    if (nothing) nothing.hidden = shown().length > 0;
  };

  const choose = (option, add) => {
    if (!option) return;
    palette.hidePopover();
    opener?.focus({ preventScroll: true });
    onChoose(option.dataset.value, { add });
  };

  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const visible = shown();
    const at = visible.indexOf(selected);
    if (event.key === "ArrowDown") select(visible[(at + 1) % visible.length]);
    else if (event.key === "ArrowUp") select(visible.at(at - 1));
    else if (event.key === "Home") select(visible[0]);
    else if (event.key === "End") select(visible.at(-1));
    else if (event.key === "Enter") choose(selected, event.shiftKey);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => choose(event.target.closest("[role='option']"), event.shiftKey));
  // Closed by Escape or by a click beside it: back to what opened it, unless something else has the focus.
  palette.addEventListener("toggle", (event) => {
    if (event.newState === "closed" && document.activeElement === document.body) {
      opener?.focus({ preventScroll: true });
    }
  });

  return {
    /** Opens with the person's present choice marked; `from` gets the focus back. */
    open({ chosen = [], from = document.activeElement } = {}) {
      opener = from;
      search.value = "";
      filter();
      for (const option of options) {
        const note = option.querySelector("[data-chosen]");
        if (note) note.textContent = chosen.includes(option.dataset.value) ? t("chosen") : "";
      }
      select(options.find((option) => option.dataset.value === chosen[0]) ?? options[0]);
      palette.showPopover();
      // At once: the next key is a letter of the search already.
      search.focus();
    },
  };
}

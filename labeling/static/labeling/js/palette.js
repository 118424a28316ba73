/** A list to choose from by typing: the error types, each with what it is, what it is not, and its rulings.
 *
 *  <div class="palette" id="types" popover role="dialog">
 *    <input class="palette__search" role="combobox" aria-controls="type-list" …>
 *    <ul id="type-list" role="listbox"><li class="palette__item" role="option" data-value="redundency"
 *      data-name="Redundancy">… <div data-more hidden>examples</div></li></ul>
 *    <div data-detail></div> <label data-several hidden><input type="checkbox" data-add></label>
 *  </div>
 *  const palette = createPalette(document.getElementById("types"), { onChoose: (code, { add }) => … });
 *  palette.open();
 *
 *  The search is over names, definitions and examples, every word anywhere in them: Chinese has no spaces.
 *  Arrows move, Enter chooses, Shift with either adds to what was chosen before, Escape closes. With
 *  `several: false` there is one choice and nothing to add.
 */

import { el } from "./dom.js";
import { renderMath } from "./math-loader.js";
import { t } from "./text.js";

export function createPalette(palette, { onChoose, several = true }) {
  const search = palette.querySelector("[role='combobox']");
  const list = palette.querySelector("[role='listbox']");
  const nothing = palette.querySelector("[data-nothing]");
  const detail = palette.querySelector("[data-detail]");
  const adding = palette.querySelector("[data-add]");
  const options = [...list.querySelectorAll("[role='option']")];
  // Before any formula is rendered: people search for what was written.
  const words = new Map(options.map((option) => [option, fold(textOf(option))]));
  const names = new Map(options.map((option) => [option, fold(option.dataset.name ?? "")]));
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
    if (detail) showDetail();
  };

  /** What the selected type is, in full, beside the list; its place has the same size for all. */
  const showDetail = () => {
    const more = selected?.querySelector("[data-more]");
    detail.replaceChildren(...(selected ? [el("h3", {}, selected.dataset.name)] : []));
    if (!selected) return;
    detail.append(el("p", {}, selected.querySelector(".palette__gist").textContent));
    for (const node of more?.children ?? []) {
      const copy = node.cloneNode(true);
      // Only what is looked at is rendered.
      if (copy.matches("p")) copy.dataset.math = "";
      detail.append(copy);
    }
    detail.scrollTop = 0;
    detail.append(...rulings(selected.dataset.value));
    renderMath(detail);
  };

  /** Where the guidelines open beside the work, the way to what was ruled about the type. */
  const rulings = (code) => {
    const { guidelinesUrl, words: label } = detail.dataset;
    if (!guidelinesUrl || !document.getElementById("guidelines-panel")) return [];
    const link = el("a", { class: "btn", href: guidelinesUrl, target: "_blank", "data-guidelines": code }, label);
    link.addEventListener("click", () => palette.hidePopover());
    return [link];
  };

  const filter = () => {
    const wanted = fold(search.value).split(/\s+/).filter(Boolean);
    for (const option of options) option.hidden = !wanted.every((word) => words.get(option).includes(word));
    // A name that starts with the word comes before one that merely has it, and that before an example.
    const [first] = wanted;
    const by = (fits) => first && shown().find((option) => fits(names.get(option)));
    select(by((name) => name.startsWith(first)) || by((name) => name.includes(first)) || shown()[0]);
    if (nothing) nothing.hidden = shown().length > 0;
  };

  const choose = (option, add) => {
    if (!option) return;
    palette.hidePopover();
    opener?.focus({ preventScroll: true });
    onChoose(option.dataset.value, { add: several && (add || Boolean(adding?.checked)) });
  };

  search.addEventListener("input", (event) => {
    // Half a syllable of an input method is no word to search for.
    if (!event.isComposing) filter();
  });
  search.addEventListener("compositionend", filter);
  search.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
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
  list.addEventListener("pointermove", (event) => {
    const option = event.pointerType === "mouse" ? event.target.closest("[role='option']") : null;
    if (option && option !== selected) select(option);
  });
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
      if (adding) adding.checked = false;
      const choice = palette.querySelector("[data-several]");
      if (choice) choice.hidden = !several || chosen.length === 0;
      for (const option of options) {
        option.hidden = false;
        const note = option.querySelector("[data-chosen]");
        if (note) note.textContent = chosen.includes(option.dataset.value) ? t("chosen") : "";
      }
      if (nothing) nothing.hidden = true;
      palette.showPopover();
      select(options.find((option) => option.dataset.value === chosen[0]) ?? options[0]);
      // At once: the next key is a letter of the search already.
      search.focus();
    },
  };
}

/** Everything that is said of a type, without the words that stand at every one. */
function textOf(option) {
  const parts = option.querySelectorAll(".badge, .palette__gist, [data-more] p");
  return [option.dataset.name ?? "", ...[...parts].map((part) => part.textContent)].join("\n");
}

/** As it is compared: width and case say nothing. */
function fold(text) {
  return text.normalize("NFKC").toLowerCase();
}

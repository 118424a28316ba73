/** The cursor of a list: one current row, one tab stop, moved by keys, focus and pointer.
 *
 *  const cursor = createCursor(document.querySelectorAll("[data-row]"), { onMove: (index, row) => … });
 *  cursor.move(1);                                   // to the next row
 *  cursor.move(1, (row) => row.dataset.kind !== "same");
 *  cursor.to(6);
 */

export function createCursor(rowList, { start = 0, onMove = () => {} } = {}) {
  const rows = [...rowList];
  let current = -1;

  const to = (index, { focus = true, scroll = true } = {}) => {
    const row = rows[index];
    if (!row) return false;
    if (index !== current) {
      const before = rows[current];
      before?.removeAttribute("aria-current");
      if (before) before.tabIndex = -1;
      row.setAttribute("aria-current", "step");
      row.tabIndex = 0;
      current = index;
      onMove(index, row);
    }
    if (focus) row.focus({ preventScroll: true });
    if (scroll) row.scrollIntoView({ block: "nearest" });
    return true;
  };

  rows.forEach((row, index) => {
    row.addEventListener("focusin", () => to(index, { focus: false, scroll: false }));
    row.addEventListener("pointerdown", () => to(index, { focus: false, scroll: false }));
  });
  if (rows.length) to(Math.min(Math.max(start, 0), rows.length - 1), { focus: false, scroll: false });

  return {
    rows,
    get index() {
      return current;
    },
    get row() {
      return rows[current];
    },
    to,
    move(delta, accepts = () => true) {
      for (let index = current + delta; rows[index]; index += delta) {
        if (accepts(rows[index])) return to(index);
      }
      return false;
    },
  };
}

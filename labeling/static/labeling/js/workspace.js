/** The state of a workspace: one document, changed by functions, with the way back and forth.
 *
 *  const store = createStore(content);
 *  store.subscribe((content, before) => paint(content, before));
 *  store.update((content) => rate(content, 3, -1));
 *  store.update((content) => setNote(content, 3, "97"), { merge: "note-3" });  // typing is one change
 *  store.undo(); store.redo();
 *
 *  Documents are never altered in place: a change returns a new one, and parts that did not change stay
 *  the same objects, so that painting can skip them.
 */

export function createStore(initial, { limit = 500 } = {}) {
  let content = initial;
  let past = [];
  let future = [];
  let merging = null;
  const listeners = new Set();

  const show = (next) => {
    const before = content;
    content = next;
    for (const listener of listeners) listener(content, before);
  };

  return {
    get content() {
      return content;
    },
    get canUndo() {
      return past.length > 0;
    },
    get canRedo() {
      return future.length > 0;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    /** Applies the change; changes with the same `merge` word in a row are one step back. */
    update(change, { merge = null } = {}) {
      const next = change(content);
      if (next === content) return false;
      if (!merge || merge !== merging) past = [...past.slice(1 - limit), content];
      merging = merge;
      future = [];
      show(next);
      return true;
    },
    /** Ends a run of merged changes: the person left the field. */
    seal() {
      merging = null;
    },
    undo() {
      if (!past.length) return false;
      future = [...future, content];
      const previous = past.at(-1);
      past = past.slice(0, -1);
      merging = null;
      show(previous);
      return true;
    },
    redo() {
      if (!future.length) return false;
      past = [...past, content];
      const next = future.at(-1);
      future = future.slice(0, -1);
      merging = null;
      show(next);
      return true;
    },
    /** A change that cannot be taken back, and nothing before it either: the server has recorded it. */
    commit(change) {
      past = [];
      future = [];
      merging = null;
      show(change(content));
    },
    /** Shows `next` instead, with `aside` one undo away: how two versions of a draft are both kept. */
    adopt(next, aside = null) {
      past = [...past, content, ...(aside === null ? [] : [aside])].slice(-limit);
      future = [];
      merging = null;
      show(next);
    },
  };
}

/** True when two JSON documents say the same, whatever the order of their keys. */
export function sameContent(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && sameContent(one[key], other[key]))
  );
}

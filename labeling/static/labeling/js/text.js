/** Words for scripts, in the language of the page.
 *
 *  {% js_strings %} puts the catalogue into the page as JSON; a text may hold {names}, and a text
 *  that depends on a number is an object of plural forms.
 *
 *  t("firstErrorSet", { n: 7 });  // "First error set at step 7"
 *  t("stepsLeft", { n: 4 });      // "4 steps left"
 */

const language = document.documentElement.lang || "en";
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);

let catalogue = null;

function load() {
  const node = document.getElementById("strings");
  return node ? JSON.parse(node.textContent) : {};
}

export function t(key, values = {}) {
  catalogue ??= load();
  let text = catalogue[key] ?? key;
  if (typeof text === "object") text = text[plurals.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? numbers.format(value) : String(value);
  });
}

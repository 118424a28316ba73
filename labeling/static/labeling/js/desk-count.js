/** Says what a form would come to, as soon as something in it changes.
 *
 *  <form data-count-form> … <div data-count>…</div> <button data-count-button>Count</button> </form>
 *
 *  The form is sent to its own address with action=count, and the answer is put in place; without script
 *  the button does the same by loading the page.
 */

const WAIT_MS = 300;

export function startCounting(form, { fetch = globalThis.fetch } = {}) {
  const place = form.querySelector("[data-count]");
  const button = form.querySelector("[data-count-button]");
  if (!place) return;
  if (button) button.hidden = true;
  let timer = null;
  let latest = 0;
  const count = async () => {
    const mine = (latest += 1);
    const data = new FormData(form);
    data.set("action", "count");
    const address = new URL(location.href);
    address.searchParams.set("fragment", "count");
    try {
      const response = await fetch(address, { method: "POST", body: data, credentials: "same-origin" });
      if (!response.ok || response.redirected || mine !== latest) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      place.replaceChildren(...[...page.body.childNodes].map((node) => document.importNode(node, true)));
    } catch {
      // The network is away: the button is the way to ask again.
      if (button) button.hidden = false;
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(count, WAIT_MS);
  });
  count();
}

for (const form of document.querySelectorAll("[data-count-form]")) startCounting(form);

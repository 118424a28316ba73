/** Sends what a person finished, once, even when the network is away or a key is pressed twice.
 *
 *  const outbox = createOutbox({ storage: localStorage, call });
 *  const answer = await outbox.send("submit-7", urls.submit, body);   // body gets its idempotency key
 *  await outbox.send("submit-7", urls.submit, body, { via: urls.submit_next });   // this time by another address
 *  await outbox.sendAll();                                            // what waited, on the next page
 *
 *  The entry is stored before it is sent and removed when the server has answered, whatever it said; only
 *  when nothing was reached does it stay. A retry carries the same key, so the server counts it once.
 */

const PREFIX = "outbox:";

export function createOutbox({ storage, call, newKey = () => crypto.randomUUID() }) {
  const post = async (name, entry, url = entry.url) => {
    try {
      const answer = await call("POST", url, entry.body);
      storage.removeItem(PREFIX + name);
      return answer;
    } catch (error) {
      if (!["offline", "server_error", "signed_out"].includes(error.code)) storage.removeItem(PREFIX + name);
      throw error;
    }
  };
  const find = (name) => {
    try {
      return JSON.parse(storage.getItem(PREFIX + name));
    } catch {
      return null;
    }
  };

  return {
    async send(name, url, body, { via = url } = {}) {
      const waiting = find(name);
      const key = waiting?.body.idempotency_key ?? newKey();
      const entry = { url, body: { ...body, idempotency_key: key } };
      storage.setItem(PREFIX + name, JSON.stringify(entry));
      return post(name, entry, via);
    },
    isWaiting(name) {
      return find(name) !== null;
    },
    /** What waits to be sent, as it was given; null where nothing does. */
    findBody(name) {
      return find(name)?.body ?? null;
    },
    /** The names that were sent; what still cannot be reached keeps waiting. */
    async sendAll() {
      const names = [...Array(storage.length).keys()]
        .map((index) => storage.key(index))
        .filter((name) => name.startsWith(PREFIX))
        .map((name) => name.slice(PREFIX.length));
      const sent = [];
      for (const name of names) {
        const entry = find(name);
        if (!entry) continue;
        try {
          await post(name, entry);
          sent.push(name);
        } catch (error) {
          if (error.code === "offline") break;
        }
      }
      return sent;
    },
  };
}

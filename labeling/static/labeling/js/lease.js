/** Keeps an item ours while its page is open, and says when it no longer is.
 *
 *  const lease = keepLease({ url, token, expiresAt, call, onLost });
 *  lease.stop();
 */

const EVERY_MS = 60_000;

export function keepLease({ url, token, call, onLost, every = EVERY_MS }) {
  let timer = setTimeout(beat, every);
  let stopped = false;

  async function beat() {
    // A page that nobody looks at gives its item back by itself when the time is over.
    if (document.visibilityState === "visible") {
      try {
        await call("POST", url, { lease_token: token });
      } catch (error) {
        if (error.code === "lease_lost") {
          stopped = true;
          onLost(error.detail);
        }
      }
    }
    if (!stopped) timer = setTimeout(beat, every);
  }

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

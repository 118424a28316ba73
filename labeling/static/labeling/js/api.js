/** Asks the server, as JSON, and turns every failure into one kind of error.
 *
 *  const saved = await call("PUT", urls.draft, { lease_token, version, content });
 *  catch (error) { if (error.code === "stale_draft") … error.detail.content … }
 *
 *  Codes beside the server's own: "offline" (nothing was reached), "signed_out" (401, or a sign-in page
 *  where an answer should be), "server_error" (5xx, or an answer that is no JSON).
 */

export class ApiError extends Error {
  constructor(status, code, message, detail = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.detail = detail;
  }
}

export async function call(method, url, body = null, { fetch = globalThis.fetch, keepalive = false } = {}) {
  let response;
  try {
    response = await fetch(url, {
      method,
      keepalive,
      credentials: "same-origin",
      headers: {
        Accept: "application/json",
        ...(body === null ? {} : { "Content-Type": "application/json" }),
        ...(method === "GET" ? {} : { "X-CSRFToken": csrfToken() }),
      },
      body: body === null ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    throw new ApiError(0, "offline", error.message);
  }
  const data = await readJson(response);
  if (response.ok && data !== undefined && !response.redirected) return data;
  throw toError(response, data);
}

async function readJson(response) {
  if (response.status === 204) return null;
  try {
    return JSON.parse(await response.text());
  } catch {
    return undefined;
  }
}

function toError(response, data) {
  const { code, message, detail } = data?.error ?? {};
  if (response.status === 401 || code === "not_authenticated" || response.redirected) {
    return new ApiError(response.status, "signed_out", message ?? "");
  }
  if (code) return new ApiError(response.status, code, message ?? "", detail ?? {});
  return new ApiError(response.status, "server_error", `${response.status} ${response.statusText}`.trim());
}

/** The cookie is newer than the page after signing in again elsewhere; the page has it where no cookie is readable. */
function csrfToken() {
  const cookie = /(?:^|;\s*)csrftoken=([^;]+)/.exec(document.cookie)?.[1];
  return cookie ?? document.querySelector('meta[name="csrf-token"]')?.content ?? "";
}

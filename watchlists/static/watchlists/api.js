// Client of the REST API: JSON in, JSON out, errors as ApiError. Wire only: no state, no DOM.

/** An error answer; its message is the server's text for the trader. */
export class ApiError extends Error {
  /**
   * @param {string} sentence
   * @param {number} status  HTTP status; 0 if the server could not be reached.
   * @param {string} code
   * @param {number | null} [offerStrikes]  The number of strikes that would have been accepted.
   */
  constructor(sentence, status, code, offerStrikes = null) {
    super(sentence);
    this.status = status;
    this.code = code;
    this.offerStrikes = offerStrikes;
  }
}

const ROOT = "/api/v2/";

/**
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} [query]
 * @param {AbortSignal} [signal]
 */
export function read(path, query = {}, signal) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return request(text ? `${path}?${text}` : path, { ...(signal && { signal }) });
}

/**
 * @param {string} path
 * @param {object} body
 * @param {RequestInit} [options]
 */
export function post(path, body, options) {
  return request(path, {
    ...options,
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
    body: JSON.stringify(body),
  });
}

/** @param {string} path @param {RequestInit} options @returns {Promise<any>} */
async function request(path, options) {
  let response;
  try {
    response = await fetch(ROOT + path, {
      // The session cookie identifies the trader; it is never sent to another origin.
      credentials: "same-origin",
      ...options,
      headers: { Accept: "application/json", ...options.headers },
    });
  } catch (error) {
    // The caller aborted its own request; that is not a failure of the server.
    if (error instanceof DOMException && error.name === "AbortError") {
      throw error;
    }
    throw new ApiError("Cannot reach the server.", 0, "unreachable");
  }
  if (response.ok) {
    return response.status === 204 ? null : response.json();
  }
  throw await errorOf(response);
}

/**
 * Return the error of an answer: problem details (RFC 9457), or the status where a proxy answered without JSON.
 * @param {Response} response
 */
async function errorOf(response) {
  /** @type {{detail?: string, title?: string, code?: string, offer_strikes?: number | null}} */
  let problem = {};
  // A proxy or a crashed worker answers with HTML, which would fail to parse and hide the status.
  if (response.headers.get("Content-Type")?.includes("json")) {
    problem = await response.json();
  }
  if (response.status === 401) {
    // The server's text speaks of credentials; the trader's session has ended.
    problem.detail = "You were logged out. Reload the page to log in.";
  }
  const sentence = problem.detail || problem.title || `The server answered with status ${response.status}.`;
  return new ApiError(sentence, response.status, problem.code ?? "", problem.offer_strikes ?? null);
}

/** The token that Django requires of a write with a login session. */
export function csrfToken() {
  return document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/)?.[1] ?? "";
}

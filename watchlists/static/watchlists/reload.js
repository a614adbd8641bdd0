// Coalesces the reasons to read the watchlist into one request. The server announces one change several times: by the
// answer to the request that made it, by `watchlist_changed`, by the new `watching` list, and an eviction by a second
// `watchlist_changed`. State only: the caller reads and shows the list.
//
// Rules. (1) The server announces a change after its commit, so a read that starts after the announcement contains it.
// (2) An announcement during a read may be newer than its answer, so it causes one more read. (3) A `watching` list
// causes a read only when it differs from the list on the screen. (4) A change that this page made needs no read
// beside the announced one; it causes one where no announcement comes.

/** Announcements of one transaction come within about 10 ms of one another; chosen: not noticed by a trader. */
const COALESCE_MS = 40;
/** The server announces a change before it answers; chosen: ample for the way through Redis to the socket. */
const ANNOUNCED_WITHIN_MS = 1_000;

export class ReloadCoalescer {
  #load;
  #isCurrent;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #isLoading = false;
  /** Announced during a read. */
  #isOutdated = false;
  /** A `watching` list came during a read; it is compared with the result. */
  #isUnchecked = false;
  #announcements = 0;
  /** @type {(() => void)[]} */
  #waiters = [];

  /**
   * @param {() => Promise<void>} load  Reads and shows the list; shows its own errors.
   * @param {() => boolean} isCurrent   Whether the server's last `watching` list equals the list on the screen.
   */
  constructor(load, isCurrent) {
    this.#load = load;
    this.#isCurrent = isCurrent;
  }

  /** Read the list soon: the server announced a change. */
  announce() {
    this.#announcements += 1;
    this.request();
  }

  /** Read the list soon, once for all requests that come together. */
  request() {
    if (this.#isLoading) {
      this.#isOutdated = true;
    } else {
      this.#timer ??= setTimeout(() => this.#run(), COALESCE_MS);
    }
  }

  /** Read the list if a `watching` list shows that the screen is outdated. */
  check() {
    if (this.#isLoading) {
      this.#isUnchecked = true;
    } else if (!this.#isCurrent()) {
      this.request();
    }
  }

  /**
   * Make a change of the list; resolve with its answer once the list was read after it. Rejects as `change` does.
   * @template T
   * @param {() => Promise<T>} change
   * @returns {Promise<T>}
   */
  async after(change) {
    const before = this.#announcements;
    const answer = await change();
    // An announcement of another change counts too: ours is then still to come and causes its own read.
    const fallback = this.#announcements === before && setTimeout(() => this.request(), ANNOUNCED_WITHIN_MS);
    if (fallback || this.#isLoading || this.#timer !== undefined) {
      await new Promise((resolve) => this.#waiters.push(() => resolve(undefined)));
    }
    clearTimeout(fallback || undefined);
    return answer;
  }

  async #run() {
    this.#isLoading = true;
    this.#timer = undefined;
    await this.#load();
    this.#isLoading = false;
    if (this.#isOutdated || (this.#isUnchecked && !this.#isCurrent())) {
      this.request();
    }
    this.#isOutdated = false;
    this.#isUnchecked = false;
    if (this.#timer === undefined) {
      this.#waiters.splice(0).forEach((resolve) => resolve());
    }
  }
}

// Removals of entries that can still be undone. State only: the page sends them, and shows what stays.
//
// A removal is sent when its time to undo it is over, or earlier when the page is left. Until then nothing has changed
// at the server: an undo needs no new place in the feed, which could be refused, and a tab that dies loses no entry.

/** Required: the time in which a trader may undo a removal. */
export const UNDO_MS = 5_000;

/** @typedef {{timer: ReturnType<typeof setTimeout>, onEnd: () => void}} Waiting */

export class DelayedRemovals {
  #send;
  /** By entry, oldest first. @type {Map<number, Waiting>} */
  #waiting = new Map();
  /** Those whose request is under way. @type {Map<number, Promise<void>>} */
  #sent = new Map();

  /** @param {(entryId: number) => Promise<void>} send  Removes the entry; resolves also after a refusal. */
  constructor(send) {
    this.#send = send;
  }

  /** Whether an entry is being removed, so that the page does not show it. @param {number} entryId */
  has(entryId) {
    return this.#waiting.has(entryId) || this.#sent.has(entryId);
  }

  /**
   * Remove an entry in a moment.
   * @param {number} entryId
   * @param {() => void} onEnd  It cannot be undone any more, or was undone.
   */
  begin(entryId, onEnd) {
    if (!this.has(entryId)) {
      this.#waiting.set(entryId, { timer: setTimeout(() => void this.#end(entryId), UNDO_MS), onEnd });
    }
  }

  /** Keep an entry; return whether it was still possible. @param {number} entryId */
  undo(entryId) {
    return this.#take(entryId);
  }

  /** Return the entry whose removal began last and can be undone; null without one. */
  get last() {
    return [...this.#waiting.keys()].at(-1) ?? null;
  }

  /** Send all removals now; resolve when all are answered. */
  async flush() {
    [...this.#waiting.keys()].forEach((entryId) => void this.#end(entryId));
    await Promise.all(this.#sent.values());
  }

  /** @param {number} entryId */
  #take(entryId) {
    const waiting = this.#waiting.get(entryId);
    if (waiting === undefined) {
      return false;
    }
    clearTimeout(waiting.timer);
    this.#waiting.delete(entryId);
    waiting.onEnd();
    return true;
  }

  /** @param {number} entryId */
  async #end(entryId) {
    if (this.#take(entryId)) {
      const request = this.#send(entryId);
      this.#sent.set(entryId, request);
      await request;
      this.#sent.delete(entryId);
    }
  }
}

// The status line at the foot of the page and the session word at its top. Paint only: line.js has the words.

import { Cell, setAttribute } from "./cells.js";
import { byId } from "./dom.js";
import { causeOfLoss, describeFeed, describeLag, describeReconnect, describeRoom, describeSession, FrameRate } from "./line.js";

/** @typedef {import("../marketdata/quotes.js").Feed} Feed */
/** @typedef {import("../marketdata/frames.js").Measurements} Measurements */
/** @typedef {import("./line.js").Fact} Fact */
/** @typedef {import("./line.js").Room} Room */
/** @typedef {import("./socket.js").SocketStatus} SocketStatus */

export class StatusLine {
  #session = new Cell(byId("session"));
  #feed = new Cell(byId("line-feed"));
  #room = new Cell(byId("line-room"));
  #lag = new Cell(byId("line-lag"));
  #rate = new Cell(byId("line-rate"));
  #reconnect = new Cell(byId("line-reconnect"));
  #frames = new FrameRate();
  /** @type {Room | null} */
  #newestRoom = null;
  /** Why the socket of this page is lost; null while it is not. @type {string | null} */
  #lossCause = null;
  /** @type {{atMs: number, cause: string} | null} */
  #ownReconnect = null;

  /** @param {Room} room */
  noteRoom(room) {
    this.#newestRoom = room;
  }

  /** @param {number} now  Milliseconds of performance.now(). */
  noteFrame(now) {
    this.#frames.note(now);
  }

  /** @param {SocketStatus} status */
  noteSocket({ state, attempt, code }) {
    if (state === "waiting" && attempt === 1) {
      this.#lossCause = causeOfLoss(code, navigator.onLine);
    }
    if (state === "open" && this.#lossCause !== null) {
      // The browser's clock: there is no frame of the new socket yet.
      this.#ownReconnect = { atMs: Date.now(), cause: this.#lossCause };
      this.#lossCause = null;
    }
    if (state !== "open") {
      this.#newestRoom = null;
    }
  }

  /**
   * @param {object} seen
   * @param {Feed | null} seen.feed
   * @param {Measurements[]} seen.measurements
   * @param {boolean} seen.isReceiving  Otherwise what was received last is unknown now, except for the sessions.
   * @param {number} seen.serverNowMs   By the server's clock, epoch in ms.
   * @param {number} seen.now
   */
  paint({ feed, measurements, isReceiving, serverNowMs, now }) {
    writeFact(this.#session, describeSession(feed, serverNowMs));
    writeFact(this.#feed, describeFeed(isReceiving ? feed : null));
    const room = describeRoom(this.#newestRoom);
    writeFact(this.#room, room);
    setAttribute(this.#room.node, "data-tone", room.isScarce ? "warn" : "");
    writeFact(this.#lag, describeLag(isReceiving ? measurements : []));
    this.#rate.write(`${this.#frames.read(now)} fps`);
    writeFact(this.#reconnect, describeReconnect(feed, this.#ownReconnect));
  }
}

/** @param {Cell} cell @param {Fact} fact */
function writeFact(cell, { text, title }) {
  cell.write(text);
  setAttribute(cell.node, "title", title);
}

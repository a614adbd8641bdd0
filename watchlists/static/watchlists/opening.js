// Opens a chain: asks the server for it, reads its expiries, and keeps the address of the page. The trader's last
// request counts; the server may not have answered it.

import * as format from "../marketdata/format.js";
import { currentAddress, writeAddress } from "./address.js";
import * as api from "./api.js";
import { byId, byIdAs } from "./dom.js";
import { widenStrikes } from "./page_commands.js";
import { messageOf } from "./offers.js";
import { countToReach, followedRequest, isOpen, isOtherChain, parseAddress, strikeOf } from "./underlying.js";

/** @typedef {import("./chain.js").Chain} Chain */
/** @typedef {import("./hits.js").Place} Place */
/** @typedef {import("./notices.js").Notices} Notices */
/** @typedef {import("./panel.js").ChainPanel} ChainPanel */
/** @typedef {import("./socket.js").MarketSocket} MarketSocket */
/** @typedef {import("./underlying.js").ChainRequest} ChainRequest */

export class ChainOpening {
  #socket;
  #panel;
  #notices;
  #onOther;
  #onOpened;
  /** @type {ChainRequest | null} */
  #requested = null;
  /** The request that opened the underlying; another expiry of it does not replace this. @type {ChainRequest | null} */
  #openedRequest = null;
  /** How many strikes were on the screen when more were asked for; 0 while none were. */
  #widenedFrom = 0;

  /**
   * @param {MarketSocket} socket
   * @param {ChainPanel} panel
   * @param {Notices} notices
   * @param {{onOther: () => void, onOpened: () => void}} actions  `onOther`: another underlying is opened, and the panel
   *   shows nothing of the former one. `onOpened`: a chain is requested, by whatever way.
   */
  constructor(socket, panel, notices, { onOther, onOpened }) {
    this.#socket = socket;
    this.#panel = panel;
    this.#notices = notices;
    this.#onOther = onOther;
    this.#onOpened = onOpened;
    window.addEventListener("hashchange", () => this.openFromAddress());
    byId("strikes").addEventListener("change", () => this.#requested && this.#watch(this.#requested));
  }

  openFromAddress() {
    // By a link, by Back and by Forward; what `open` writes itself makes no event.
    const address = currentAddress();
    const request = parseAddress(address);
    if (request !== null && isOtherChain(request, this.#requested)) {
      const strike = strikeOf(address);
      this.open(request, { isNewEntry: false, place: strike === null ? null : { strike, side: null } });
    }
  }

  /**
   * @param {ChainRequest} request
   * @param {{isNewEntry?: boolean, place?: Place | null}} [how]  The first chain of a page makes no entry: Back leaves the
   *   page. `place`: what is scrolled to and ringed; without it, ATM is in the middle.
   */
  open(request, { isNewEntry = this.#requested !== null, place = null } = {}) {
    this.#panel.sought.seek({ request, place });
    this.#widenedFrom = 0;
    const isSameUnderlying = isOpen(request, this.#requested, this.#panel.chain);
    this.#requested = request;
    // The address names the chain, for reload, for sharing and for Back.
    writeAddress(request, { isNewEntry });
    if (!isSameUnderlying) {
      this.#openedRequest = request;
      this.#panel.showLoading(request.symbol, request.expiry ?? null);
      this.#onOther();
    }
    // Also for the chain that is open: its answer shows at once which of its legs an add has made stream.
    this.#watch(request);
    if (!isSameUnderlying) {
      this.#loadExpiries(request);
    }
    this.#onOpened();
  }

  /** @param {string} expiry  Of the underlying that is open. */
  openExpiry(expiry) {
    this.open({ ...this.#requested, symbol: this.#requested?.symbol ?? "", expiry });
  }

  retry() {
    if (this.#requested !== null) {
      this.open(this.#requested);
    }
  }

  /** @param {Chain} answer  Of a chain whose underlying or expiry may have another name than the requested one. */
  follow(answer) {
    const request = followedRequest(answer, this.#panel.chain, this.#requested);
    if (request === null) {
      return;
    }
    this.#requested = this.#openedRequest = request;
    writeAddress(request, { isNewEntry: false });
    this.#watch(request);
    this.#loadExpiries(request);
    if (answer.former_symbol !== null) {
      this.#notices.show(`${answer.former_symbol} is called ${answer.symbol} now.`);
    }
  }

  /** Show more strikes if those on the screen lack the one that is sought; say so if no choice has it. */
  widenToSought() {
    const chain = this.#panel.chain;
    const strike = chain && this.#panel.sought.missingIn(chain);
    // The answer to the former, narrower watch may still come.
    if (chain === null || strike === null || chain.strikes.length === this.#widenedFrom) {
      return;
    }
    const count = countToReach(chain, strike);
    this.#widenedFrom = chain.strikes.length;
    if (count === null || !widenStrikes(count, chain.strikes.length)) {
      this.#panel.sought.giveUp();
      const name = `${chain.symbol} ${format.formatExpiry(chain.expiry)}`;
      const text = `${format.formatStrike(strike)} is not among the ${chain.strikes.length} strikes of ${name} around the money.`;
      this.#notices.show(text);
    }
  }

  /** @param {ChainRequest} request */
  #watch(request) {
    const strikes = Number(byIdAs("strikes", "select").value);
    this.#socket.watch("chain", { chain: { ...request, ...(strikes > 0 && { strikes }) } });
  }

  /** @param {ChainRequest} request */
  async #loadExpiries(request) {
    try {
      const path = `option-chain/${encodeURIComponent(request.symbol)}/expiries`;
      const answer = await api.read(path, { exchange: request.exchange });
      // A later request may have opened another underlying.
      if (this.#openedRequest === request) {
        this.#panel.showExpiries(answer.expiries);
      }
    } catch (error) {
      if (this.#openedRequest === request && this.#panel.chain === null) {
        this.#panel.showError(messageOf(error));
      }
    }
  }
}

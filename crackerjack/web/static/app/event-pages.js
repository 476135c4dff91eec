// The log of a job in pages, of which only those are asked for and kept that are looked at.

import { get, jobPath } from './api.js';

const PAGE = 250; // events that are asked for at once
const PAGES = 16; // that are kept: with the longest events, 64 MB
const RETRY = 2000; // milliseconds until a page that could not be had is asked for again

/** The pages of the log that were looked at last. */
export class EventPages {
  /** @param {string} jobId @param {AbortSignal} signal @param {() => void} onCome whoever asked for it */
  constructor(jobId, signal, onCome) {
    this.onCome = onCome;
    this.jobId = jobId;
    this.signal = signal;
    /** @type {Map<number, Map<number, any>>} */
    this.kept = new Map();
    /** @type {Map<number, Promise<void>>} */
    this.asked = new Map();
  }

  /**
   * The event, if it is here; else it is asked for, and `onCome` tells when it is.
   * @param {number} seq
   * @param {(error: unknown) => void} onError
   */
  hereOrAsked(seq, onError) {
    const number = Math.floor((seq - 1) / PAGE);
    const event = this.kept.get(number)?.get(seq);
    if (!event && !this.asked.has(number)) {
      this.ask(number, seq).catch((error) => {
        if (!this.signal.aborted) onError(error);
      });
    }
    return event;
  }

  /** The event, once it is here. @param {number} seq */
  async read(seq) {
    const number = Math.floor((seq - 1) / PAGE);
    if (!this.kept.get(number)?.has(seq)) await (this.asked.get(number) || this.ask(number, seq));
    return this.kept.get(number)?.get(seq);
  }

  /** An event that comes now. @param {any} event */
  take(event) {
    const number = Math.floor((event.seq - 1) / PAGE);
    this.page(number).set(event.seq, event);
  }

  /** @param {number} number @returns {Map<number, any>} */
  page(number) {
    const page = this.kept.get(number) || new Map();
    this.kept.delete(number);
    this.kept.set(number, page); // the one that was used last
    if (this.kept.size > PAGES) this.kept.delete(/** @type {number} */ (this.kept.keys().next().value));
    return page;
  }

  /** @param {number} number @param {number} seq */
  ask(number, seq) {
    const query = new URLSearchParams({ since: String(number * PAGE), limit: String(PAGE) });
    const asked = get(`${jobPath(this.jobId, 'events')}?${query}`, this.signal).then((answer) => {
      const page = this.page(number);
      for (const event of answer.events) page.set(event.seq, event);
      this.asked.delete(number);
      this.onCome();
      if (!page.has(seq)) throw new Error(`there is no event ${seq}`);
    }, (error) => {
      setTimeout(() => this.asked.delete(number), RETRY);
      throw error;
    });
    this.asked.set(number, asked);
    return asked;
  }
}

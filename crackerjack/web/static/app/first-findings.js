// The first findings of a job, for those who only look in.

import { get, jobPath } from './api.js';

export const SHOWN = 5;
const PAGE = 24; // events
const TYPES = 'diagnostic_found,hook_execution_started,workflow_started,job_requeued';
const PAGES = 8; // before it is given up: what hooks that were run again had found may come first

/** The first findings that stand, of a job as it goes on. */
export class FirstFindings {
  /** @param {import('./model.js').Job} job @param {AbortSignal} signal @param {() => void} changed */
  constructor(job, signal, changed) {
    this.job = job;
    this.signal = signal;
    this.changed = changed;
    /** @type {any[]} */
    this.all = [];
    this.seq = 0;
    /** @type {import('./states.js').JobEvent[] | null} */
    this.early = [];
  }

  /** Ask the server for what there was before: a page or two, and not 20,000 findings for five. */
  async load() {
    for (let pages = 0; this.job.data.counts.findings && pages < PAGES && this.all.length < SHOWN; pages += 1) {
      const query = new URLSearchParams({ since: String(this.seq), limit: String(PAGE), types: TYPES });
      const page = await get(`${jobPath(this.job.id, 'events')}?${query}`, this.signal);
      page.events.forEach((/** @type {any} */ event) => this.take(event));
      this.seq = page.next;
      if (this.seq >= page.head) break;
    }
    for (const event of this.early || []) this.take(event);
    this.early = null;
    this.changed();
  }

  /** @param {import('./states.js').JobEvent} event */
  apply(event) {
    if (this.early) this.early.push(event);
    else if (this.take(event)) this.changed();
  }

  /**
   * @param {import('./states.js').JobEvent} event
   * @returns {boolean} whether it changed anything
   */
  take({ seq, event_type: type, data }) {
    if (seq <= this.seq) return false;
    this.seq = seq;
    const before = this.all.length;
    if (type === 'hook_execution_started') {
      this.all = this.all.filter((one) => one.hook !== data.hook || !(data.rerun || one.step_id === data.step_id));
      return before !== this.all.length;
    }
    if (type === 'workflow_started' || (type === 'job_requeued' && !data.part)) {
      this.all = [];
      return before > 0;
    }
    if (type !== 'diagnostic_found' || data.severity === 'note' || this.all.length >= 10 * SHOWN) return false;
    this.all.push(data);
    return true;
  }
}

// A tab that lists what a job found or tested: filtered, walked with the keys, one of it open and in the address.

import { catchUp } from './api.js';
import { fill, h, say } from './dom.js';
import { paced } from './pace.js';
import { copy, editorLink, editorSetting, pathLine } from './places.js';
import { refine } from './router.js';
import { TEXT_KEPT } from './states.js';
import { tellProblem } from './tell.js';
import './virtual-list.js';

const NARROW = matchMedia('(max-width: 40rem)');
const HEADING = 36; // CSS pixels of rows; style.css fits into them
const SHORT = 30;
const TALL = 52;
const UNKNOWN = 160; // CSS pixels, until what is open tells its height

/**
 * @template One
 * @typedef {{kind: 'details', of: One, height: number}} Details what is known of one, in a row below its own
 */

/**
 * What is listed, and how it looks.
 * @template {{path: string | null, line: number | null, text: string}} One
 * @template {object} Heading of a group
 * @typedef {object} Listing
 * @property {string} what in words; in the address, the name of the one that is open
 * @property {string} placeholder of the search
 * @property {string[]} filters by their names in the address, beside `text`
 * @property {string[]} settings as well, which hide nothing
 * @property {(signal: AbortSignal) => Promise<number>} load ask the server for all; the `seq` up to which that is all
 * @property {(event: import('./states.js').JobEvent) => boolean} apply whether an event changed anything
 * @property {() => One[]} all
 * @property {(one: One) => string} nameOf as the address names it
 * @property {(one: One, wanted: Record<string, string>) => boolean} passes the filters
 * @property {(found: One[], tab: ListTab<One, Heading>) => (One | Heading | Details<One>)[]} rowsOf
 * @property {(row: One | Heading) => row is Heading} isHeading
 * @property {(one: One) => boolean} hasTwoLines has two lines also where there is room for one
 * @property {(heading: Heading, tab: ListTab<One, Heading>) => HTMLElement} headingRow
 * @property {(heading: Heading, tab: ListTab<One, Heading>) => void} enter the key on a heading
 * @property {(one: One, how: {marked: boolean, open: () => void}, wanted: Record<string, string>) => HTMLElement} row
 * @property {(one: One) => (Node | null)[]} details
 * @property {(tab: ListTab<One, Heading>) => HTMLElement[]} controls beside the search
 * @property {(all: One[], tab: ListTab<One, Heading>) => void} drawControls as they are for all, and what is looked for
 * @property {(all: One[], found: One[], tab: ListTab<One, Heading>) => string} summary what is shown, in words
 * @property {(tab: ListTab<One, Heading>) => void} [more] called when all is here, and with each event after the job's end
 * @property {(finished: boolean) => (Node | string)[]} none said when there is none
 */

/**
 * Asked for once, and kept up to date by the events of the job.
 * @template {{path: string | null, line: number | null, text: string}} One
 * @template {object} Heading
 */
export class ListTab {
  /**
   * @param {HTMLElement} box
   * @param {import('./job-view.js').Context} context
   * @param {Listing<One, Heading>} listing
   */
  constructor(box, { job, place, signal }, listing) {
    this.job = job;
    this.signal = signal;
    this.listing = listing;
    /** @type {import('./states.js').JobEvent[] | null} */
    this.early = []; // events that came before the server's answer
    this.wanted = this.wishes(place);
    this.sought = place.query.get(listing.what) || '';
    /** @type {Details<One> | null} */
    this.details = null;
    /** @type {One | null} */
    this.revealing = null;
    this.drawing = paced(() => this.draw());
    this.problem = h('div', null);
    this.count = h('p', { class: 'faint list-count', role: 'status' });
    this.said = h('p', { class: 'said', role: 'status' });
    this.empty = h('div', null);
    this.list = this.newList();
    this.text = /** @type {HTMLInputElement} */ (h('input', {
      type: 'search', name: 'text', placeholder: listing.placeholder, 'aria-label': 'Find', '.value': this.wanted.text,
      oninput: () => this.choose({ text: this.text.value }),
    }));
    this.bar = h('div', { class: 'bar list-bar', role: 'search', 'aria-label': `${listing.what}s` }, this.text, listing.controls(this));
    this.foot = this.newFoot();
    fill(box, this.problem, this.bar, this.count, this.empty, this.list, this.foot);
    this.take = (/** @type {Event} */ event) => this.apply(/** @type {CustomEvent} */ (event).detail);
    this.layout = () => this.list.refresh();
    job.addEventListener('event', this.take);
    NARROW.addEventListener('change', this.layout);
    this.load();
  }

  newList() {
    const list = /** @type {import('./virtual-list.js').VirtualList} */ (h('virtual-list', {
      'aria-label': `${this.listing.what}s`, class: `${this.listing.what}-list`,
    }));
    list.keeps = list.walks = true;
    list.draw = (row) => {
      if (row.kind === 'details') return this.detailsRow(row);
      if (this.listing.isHeading(row)) return this.listing.headingRow(row, this);
      return this.listing.row(row, { marked: this.details?.of === row, open: () => this.open(row) }, this.wanted);
    };
    list.heightOf = (row) => {
      if (row.kind === 'details') return row.height;
      if (this.listing.isHeading(row)) return HEADING;
      return NARROW.matches || this.listing.hasTwoLines(row) ? TALL : SHORT;
    };
    list.addEventListener('keydown', (event) => this.key(event));
    return list;
  }

  newFoot() {
    return h('div', { class: 'list-foot' },
      h('p', { class: 'faint key-hints' }, h('kbd', null, 'j'), ' ', h('kbd', null, 'k'), ' go, ', h('kbd', null, 'Enter'), ' opens, ',
        h('kbd', null, 'c'), ' copies path:line, ', h('kbd', null, 'e'), ' opens the editor'),
      this.said, editorSetting(() => this.list.refresh()));
  }

  async load() {
    const heard = this.job.seq;
    try {
      await catchUp(heard, () => this.listing.load(this.signal), this.signal);
    } catch (error) {
      if (!this.signal.aborted) tellProblem(this.problem, error);
      return;
    }
    for (const event of this.early || []) this.listing.apply(event);
    this.early = null;
    this.drawing.ask();
    this.listing.more?.(this);
  }

  /** @param {import('./states.js').JobEvent} event */
  apply(event) {
    if (this.early) this.early.push(event);
    else if (this.listing.apply(event) || this.job.finished) this.drawing.ask();
    if (this.job.finished && !this.early) this.listing.more?.(this);
  }

  /** What the address asks for. @param {import('./router.js').Place} place @returns {Record<string, string>} */
  wishes({ query }) {
    return Object.fromEntries(['text', ...this.listing.filters, ...this.listing.settings].map((name) => [name, query.get(name) || '']));
  }

  /** Another place of this tab. @param {import('./router.js').Place} place */
  update(place) {
    this.wanted = this.wishes(place);
    this.text.value = this.wanted.text;
    this.sought = place.query.get(this.listing.what) || '';
    this.list.refresh(); // what a row says may hang on what is looked for
    this.drawing.now();
    return true;
  }

  /** @param {Record<string, string>} change to what is looked for */
  choose(change) {
    Object.assign(this.wanted, change);
    this.text.value = this.wanted.text;
    refine(change);
    this.list.refresh();
    this.list.scrollTop = 0;
    this.list.at = -1;
    this.drawing.now();
  }

  draw() {
    if (this.early) return;
    const all = this.listing.all();
    this.seek(all);
    const found = all.filter(this.sieve());
    this.list.hidden = !found.length;
    this.bar.hidden = this.count.hidden = this.foot.hidden = !all.length;
    this.list.items = this.listing.rowsOf(found, this);
    this.listing.drawControls(all, this);
    say(this.count, this.listing.summary(all, found, this));
    this.count.dataset.shown = String(found.length);
    this.drawEmpty(all, found);
    if (!this.revealing) return;
    const index = this.list.items.indexOf(this.revealing);
    this.revealing = null;
    this.list.reveal(index);
    this.list.go(index);
  }

  /** @returns {(one: One) => boolean} whether one is looked for */
  sieve() {
    const words = this.wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
    return (one) => this.listing.passes(one, this.wanted) && words.every((word) => one.text.includes(word));
  }

  /** Open the one that the address names, whatever is looked for. @param {One[]} all */
  seek(all) {
    if (!this.sought) return;
    const long = this.sought.length >= TEXT_KEPT; // the overview knows only the beginning of such a name
    const named = all.filter((other) => this.listing.nameOf(other) === this.sought || (long && this.listing.nameOf(other).startsWith(this.sought)));
    const one = named.find(this.listing.hasTwoLines) || named[0];
    if (!one) {
      this.said.textContent = this.job.finished ? `The ${this.listing.what} of this address is not among those of this job.` : '';
      return;
    }
    this.sought = '';
    if (!this.sieve()(one)) {
      Object.assign(this.wanted, this.nothing());
      this.text.value = '';
    }
    this.details = { kind: 'details', of: one, height: UNKNOWN };
    this.revealing = one;
    this.list.refresh();
  }

  /** No filter at all. */
  nothing() {
    return Object.fromEntries(['text', ...this.listing.filters].map((name) => [name, '']));
  }

  /** @param {One[]} all @param {One[]} found */
  drawEmpty(all, found) {
    if (found.length) fill(this.empty);
    else {
      fill(this.empty, h('p', { class: 'empty' }, ...(all.length
        ? [`No ${this.listing.what} is like that. `, h('button', { onclick: () => this.choose(this.nothing()) }, 'Show all')]
        : this.listing.none(this.job.finished))));
    }
  }

  /** A row as high as what is in it. @param {Details<One>} details */
  detailsRow(details) {
    const one = details.of;
    const editor = editorLink(this.job.data.project, one);
    const inner = h('div', { class: 'details-inner' }, this.listing.details(one).filter((part) => part !== null), h('p', { class: 'bar' },
      h('button', { 'data-do': 'copy', onclick: () => this.copy(this.placeOf(one)) }, one.path ? 'Copy path:line' : 'Copy the name'),
      editor ? h('a', { class: 'button', href: editor, 'data-do': 'editor' }, 'Open in editor') : null,
      h('button', { 'data-do': 'link', onclick: () => this.copy(location.href) }, 'Copy link'),
      h('button', { 'data-do': 'close', onclick: () => this.open(one) }, 'Close')));
    const sizes = new ResizeObserver(() => {
      if (!inner.isConnected) return;
      const height = Math.ceil(inner.getBoundingClientRect().height);
      if (Math.abs(height - details.height) < 2) return;
      details.height = height;
      this.list.measured();
    });
    sizes.observe(inner); // ends with the element
    return h('div', { class: 'details-row' }, inner);
  }

  /** Show all of one, or no longer. @param {One} one */
  open(one) {
    const shut = this.details?.of === one;
    this.details = shut ? null : { kind: 'details', of: one, height: UNKNOWN };
    refine({ [this.listing.what]: shut ? null : this.listing.nameOf(one) });
    this.list.refresh();
    this.drawing.now();
  }

  /** @param {One} one */
  placeOf(one) {
    return pathLine(one) || this.listing.nameOf(one);
  }

  /** @param {string} text */
  async copy(text) {
    this.said.textContent = await copy(text) ? `Copied ${text}` : 'Nothing was copied: this browser does not let the page.';
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const row = this.list.items[this.list.at];
    const onControl = /** @type {Element} */ (event.target).closest('a, button');
    if (!row || (event.key === 'Enter' && onControl)) return;
    const heading = row.kind !== 'details' && this.listing.isHeading(row);
    const one = row.kind === 'details' ? row.of : row;
    if (event.key === 'Escape' && this.details) this.open(this.details.of);
    else if (event.key === 'Enter') heading ? this.listing.enter(row, this) : this.open(one);
    else if (event.key === 'c' && !heading) this.copy(this.placeOf(one));
    else if (event.key === 'e' && !heading) {
      const editor = editorLink(this.job.data.project, one);
      if (editor) location.href = editor;
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  close() {
    this.job.removeEventListener('event', this.take);
    NARROW.removeEventListener('change', this.layout);
    this.drawing.stop();
  }
}

/**
 * A button for each value of a filter, with how many there are.
 * @param {string} filter
 * @param {string[]} values
 * @param {(value: string) => string} toneOf
 * @param {(change: Record<string, string>) => void} choose
 */
export function chips(filter, values, toneOf, choose) {
  const buttons = values.map((value) => h('button', {
    class: `chip ${toneOf(value)}`, [`data-${filter}`]: value, 'aria-pressed': 'false',
    onclick: (/** @type {Event} */ event) => {
      const pressed = /** @type {Element} */ (event.currentTarget).getAttribute('aria-pressed') === 'true';
      choose({ [filter]: pressed ? '' : value });
    },
  }));
  /** @param {Map<string, number>} counts @param {string} wanted @param {(value: string, count: number) => string} textOf */
  function draw(counts, wanted, textOf) {
    buttons.forEach((button, index) => {
      const count = counts.get(values[index]) || 0;
      say(button, textOf(values[index], count));
      button.hidden = !count;
      button.setAttribute('aria-pressed', String(wanted === values[index]));
    });
  }
  return { buttons, draw };
}

/** How many there are of each. @template One @param {One[]} all @param {(one: One) => string} nameOf */
export function counted(all, nameOf) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const one of all) counts.set(nameOf(one), (counts.get(nameOf(one)) || 0) + 1);
  return counts;
}

// A list of any length: only the rows in sight are in the document; on paper, all.

import { arrange, h, onceAFrame } from './dom.js';

const BEYOND = 8; // rows drawn above and below what is in sight
const ON_PAPER = 20_000; // rows that are printed: some 400 pages
const PAGE = 10; // rows that Page Up and Page Down go

/**
 * <virtual-list>: set `.items` and `.draw`, and `.rowHeight` (CSS pixels) or, where rows differ,
 * `.heightOf`. A row is drawn anew whenever it comes in sight; with `.keeps` a row that stays in sight is
 * kept until `refresh()`, and so is the focus in it.
 *
 * With `.walks` the arrow keys, Home, End and Page Up and Down put the focus from row to row, of which the event
 * `walk` tells; without, they scroll. On paper are all rows; with `.prints` set to false, those in sight.
 */
export class VirtualList extends HTMLElement {
  constructor() {
    super();
    /** @type {readonly any[]} */
    this._items = [];
    this.rowHeight = 28;
    /** @type {((item: any) => number) | null} */
    this.heightOf = null;
    /** @type {(item: any, index: number) => HTMLElement} */
    this.draw = (item) => h('div', null, String(item));
    this.keeps = false;
    this.walks = false;
    this.prints = true;
    /** The row that the keys are at. */
    this.at = -1;
    /** Where each row begins, and at the end where the last one ends. @type {Float64Array | null} */
    this._tops = null;
    /** @type {Map<any, HTMLElement>} */
    this._rows = new Map();
    this._room = h('div', { class: 'virtual-room' });
    this._window = h('div', { class: 'virtual-window', role: 'list' });
    this._room.append(this._window);
    this._show = onceAFrame(() => this.show());
    this._onPaper = false;
    this._print = (/** @type {Event} */ event) => {
      this._onPaper = this.prints && event.type === 'beforeprint';
      this.show();
    };
    this._key = (/** @type {Event} */ event) => this.key(/** @type {KeyboardEvent} */ (event));
    this._focus = (/** @type {Event} */ event) => this.goOnFrom(/** @type {Element} */ (event.target));
  }

  connectedCallback() {
    if (!this._room.isConnected) this.append(this._room);
    addEventListener('beforeprint', this._print);
    addEventListener('afterprint', this._print);
    this.tabIndex = 0;
    if (!this.hasAttribute('role')) this.setAttribute('role', 'group');
    this.addEventListener('scroll', this._show, { passive: true });
    this.addEventListener('keydown', this._key);
    this.addEventListener('focusin', this._focus);
    this._sizes = new ResizeObserver(this._show);
    this._sizes.observe(this);
    this.show();
  }

  disconnectedCallback() {
    this._sizes?.disconnect();
    removeEventListener('beforeprint', this._print);
    removeEventListener('afterprint', this._print);
    this.removeEventListener('scroll', this._show);
    this.removeEventListener('keydown', this._key);
    this.removeEventListener('focusin', this._focus);
  }

  /** @param {readonly any[]} items */
  set items(items) {
    const moved = this.keeps && this.at >= 0 ? items.indexOf(this._items[this.at]) : -1;
    if (moved >= 0) this.at = moved; // the keys go on from the row where they are, wherever it is now
    this._items = items;
    this.measure();
    if (this.isConnected) this.show();
  }

  get items() {
    return this._items;
  }

  /** The height of a row has changed. */
  measured() {
    this.measure();
    this._show();
  }

  /** Draw all rows anew. */
  refresh() {
    this._rows.clear();
    this.measured();
  }

  /** Take the heights of the rows as they are now. */
  measure() {
    if (!this.heightOf) {
      this._tops = null;
      return;
    }
    const tops = new Float64Array(this._items.length + 1);
    for (let index = 0; index < this._items.length; index += 1) tops[index + 1] = tops[index] + this.heightOf(this._items[index]);
    this._tops = tops;
  }

  /** Where a row begins. @param {number} index */
  top(index) {
    return this._tops ? this._tops[index] : index * this.rowHeight;
  }

  /** The row at this height. @param {number} y */
  rowAt(y) {
    if (!this._tops) return Math.floor(y / this.rowHeight);
    let low = 0;
    let high = this._items.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this._tops[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Scroll to an item. @param {number} index */
  reveal(index) {
    this.show(); // so that there is room to scroll in
    this.scrollTop = Math.max(0, this.top(index) - this.clientHeight / 3);
    this.show();
  }

  /** Put the focus on a row. @param {number} index */
  go(index) {
    if (!this._items.length) return;
    this.at = Math.max(0, Math.min(this._items.length - 1, index));
    const top = this.top(this.at);
    if (top < this.scrollTop) this.scrollTop = top;
    else if (this.top(this.at + 1) > this.scrollTop + this.clientHeight) this.scrollTop = this.top(this.at + 1) - this.clientHeight;
    this.show();
    this.rowOf(this.at)?.focus({ preventScroll: true });
    this.dispatchEvent(new Event('walk'));
  }

  /** The element of a row that is drawn. @param {number} index @returns {HTMLElement | null} */
  rowOf(index) {
    return this._window.querySelector(`[aria-posinset="${index + 1}"]`);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.walks || event.altKey || event.ctrlKey || event.metaKey) return;
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || /^(input|select|textarea)$/i.test(/** @type {Element} */ (event.target).tagName)) return;
    event.preventDefault();
    this.walk(step);
  }

  /** Go so many rows on; where there is nowhere to go, scroll. @param {number} step */
  walk(step) {
    if (!this.walks) this.scrollTop += step * this.rowHeight;
    else if (this.at >= 0 || Number.isFinite(step)) this.go(this.at < 0 ? this.rowAt(this.scrollTop) : this.at + step);
    else this.go(step);
  }

  /** The keys go on from what has the focus now. @param {Element} element */
  goOnFrom(element) {
    const row = element.closest('[aria-posinset]');
    if (row) this.at = Number(row.getAttribute('aria-posinset')) - 1;
  }

  show() {
    const total = this._items.length;
    this._room.style.height = `${this.top(total)}px`;
    const [from, to] = this._onPaper ? [0, ON_PAPER] : [this.rowAt(this.scrollTop) - BEYOND, this.rowAt(this.scrollTop + this.clientHeight) + 1 + BEYOND];
    const first = Math.max(0, from);
    const last = Math.min(total, to);
    this._window.style.transform = `translateY(${this.top(first)}px)`;
    const focused = this._window.contains(document.activeElement);
    const rows = new Map();
    const wanted = [];
    for (let index = first; index < last; index += 1) {
      const item = this._items[index];
      const row = (this.keeps && this._rows.get(item)) || this.draw(item, index);
      rows.set(item, row);
      wanted.push(row);
      row.style.height = `${this.top(index + 1) - this.top(index)}px`;
      row.tabIndex = -1;
      row.setAttribute('role', 'listitem');
      row.setAttribute('aria-posinset', String(index + 1));
      row.setAttribute('aria-setsize', String(total));
    }
    this._rows = this.keeps ? rows : new Map();
    arrange(this._window, wanted);
    if (focused && !this._window.contains(document.activeElement)) {
      // its row was drawn anew or is out of sight: the keys go on from here
      (this.rowOf(this.at) || this).focus({ preventScroll: true });
    }
  }
}

customElements.define('virtual-list', VirtualList);

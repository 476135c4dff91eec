// A list of any length: only the rows in sight are in the document.

import { h, onceAFrame } from './dom.js';

const BEYOND = 12; // rows drawn above and below what is in sight

/**
 * <virtual-list>: set `.items`, `.rowHeight` (CSS pixels; every row has it) and `.draw`.
 */
export class VirtualList extends HTMLElement {
  constructor() {
    super();
    /** @type {readonly any[]} */
    this._items = [];
    this.rowHeight = 28;
    /** @type {(item: any, index: number) => HTMLElement} */
    this.draw = (item) => h('div', null, String(item));
    this._room = h('div', { class: 'virtual-room' });
    this._window = h('div', { class: 'virtual-window', role: 'list' });
    this._room.append(this._window);
    this._show = onceAFrame(() => this.show());
  }

  connectedCallback() {
    if (!this._room.isConnected) this.append(this._room);
    this.tabIndex = 0;
    this.addEventListener('scroll', this._show, { passive: true });
    this._sizes = new ResizeObserver(this._show);
    this._sizes.observe(this);
    this.show();
  }

  disconnectedCallback() {
    this._sizes?.disconnect();
    this.removeEventListener('scroll', this._show);
  }

  /** @param {readonly any[]} items */
  set items(items) {
    this._items = items;
    this._show();
  }

  get items() {
    return this._items;
  }

  /** Scroll to an item. @param {number} index */
  reveal(index) {
    this.scrollTop = Math.max(0, index * this.rowHeight - this.clientHeight / 2);
    this._show();
  }

  show() {
    const total = this._items.length;
    this._room.style.height = `${total * this.rowHeight}px`;
    const first = Math.max(0, Math.floor(this.scrollTop / this.rowHeight) - BEYOND);
    const last = Math.min(total, Math.ceil((this.scrollTop + this.clientHeight) / this.rowHeight) + BEYOND);
    this._window.style.transform = `translateY(${first * this.rowHeight}px)`;
    this._window.replaceChildren(...this._items.slice(first, last).map((item, offset) => {
      const row = this.draw(item, first + offset);
      row.style.height = `${this.rowHeight}px`;
      row.setAttribute('role', 'listitem');
      row.setAttribute('aria-posinset', String(first + offset + 1));
      row.setAttribute('aria-setsize', String(total));
      return row;
    }));
  }
}

customElements.define('virtual-list', VirtualList);

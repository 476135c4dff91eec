// <job-timeline>: the rows of a job over time, in SVG, and the same as a table.

import { fill, h, svg } from './dom.js';
import { seconds, sign, tone, words } from './format.js';
import { chainInWords, inWords } from './timeline-rows.js';

const WIDE = { row: 25, bar: 13, label: 200, above: 0 }; // CSS pixels
const SLIM = { row: 42, bar: 11, label: 0, above: 17 }; // labels stand above their bars
const NARROW = 560; // CSS pixels of room below which it is slim
const AXIS = 26;
const AFTER = 132; // room for what stands after a bar
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200];

/** @typedef {import('./timeline-rows.js').Row} Row */

export class JobTimeline extends HTMLElement {
  constructor() {
    super();
    /** @type {Row[]} */
    this.rows = [];
    this.span = 1;
    /** @type {number | null} */
    this.now = null;
    /** @type {Map<string, {element: SVGElement, key: string}>} */
    this.drawn = new Map();
    this.at = '';
    this.axisKey = '';
    this.tableKey = '';
    this.axis = svg('g', { class: 'tl-axis', 'aria-hidden': 'true' });
    this.body = svg('g', null);
    this.chart = svg('svg', {
      class: 'timeline', role: 'group', 'aria-label': 'Timeline. The arrow keys go from row to row.',
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
    }, this.axis, this.body);
    this.tip = h('div', { class: 'tl-tip', hidden: true, 'aria-hidden': 'true' });
    this.words = h('p', { class: 'tl-chain' });
    this.table = h('div', { class: 'tl-table only-read' });
    this.toggle = h('button', { class: 'spread', 'aria-pressed': 'false', onclick: () => this.asTable() }, 'As a table');
    this.graphic = h('div', { class: 'tl-graphic' }, /** @type {any} */ (this.chart), this.tip);
  }

  connectedCallback() {
    fill(this, h('div', { class: 'tl-head' }, h('h2', null, 'Timeline'), legend(), this.toggle), this.graphic, this.words, this.table);
    this._sizes = new ResizeObserver(() => this.draw());
    this._sizes.observe(this);
  }

  disconnectedCallback() {
    this._sizes?.disconnect();
  }

  /**
   * @param {Row[]} rows
   * @param {number} span seconds that there must be room for
   * @param {number | null} now seconds since the job began; null when it has ended
   */
  show(rows, span, now) {
    this.rows = rows;
    this.span = Math.max(0.01, span);
    this.now = now;
    this.draw();
    this.drawTable();
  }

  draw() {
    const width = this.graphic.clientWidth;
    if (!width || !this.isConnected) return;
    const shape = width < NARROW ? SLIM : WIDE;
    const room = Math.max(40, width - shape.label - (shape === SLIM ? 4 : AFTER));
    const x = (/** @type {number} */ time) => shape.label + room * Math.min(1, time / this.span);
    const height = AXIS + this.rows.length * shape.row + 4;
    this.chart.setAttribute('width', String(width));
    this.chart.setAttribute('height', String(height));
    this.chart.setAttribute('viewBox', `0 0 ${width} ${height}`); // a page of paper has another width
    this.drawAxis(x, room, height);
    const gone = new Set(this.drawn.keys());
    this.rows.forEach((row, index) => {
      gone.delete(row.key);
      this.drawRow(row, index, x, shape, width);
    });
    for (const key of gone) {
      this.drawn.get(key)?.element.remove();
      this.drawn.delete(key);
    }
    this.markStop();
  }

  /** @param {(time: number) => number} x @param {number} room @param {number} height */
  drawAxis(x, room, height) {
    const step = TICKS.find((tick) => this.span / tick <= Math.max(2, room / 90)) || this.span / 5;
    const now = this.now === null ? null : Math.round(x(this.now));
    const key = `${x(0)} ${room} ${height} ${this.span.toFixed(2)} ${now}`;
    if (key === this.axisKey) return;
    this.axisKey = key;
    const ticks = [];
    for (let time = 0; time <= this.span; time += step) {
      ticks.push(svg('line', { x1: x(time), x2: x(time), y1: AXIS - 6, y2: height }),
        svg('text', { x: x(time) + (time ? 0 : 1), y: 13, 'text-anchor': time ? (x(time) > x(0) + room - 20 ? 'end' : 'middle') : 'start' }, time ? tickText(time) : '0'));
    }
    if (now !== null) ticks.push(svg('line', { class: 'tl-now', x1: now, x2: now, y1: AXIS - 6, y2: height }));
    this.axis.replaceChildren(...ticks);
  }

  /**
   * @param {Row} row
   * @param {number} index
   * @param {(time: number) => number} x
   * @param {typeof WIDE} shape
   * @param {number} width
   */
  drawRow(row, index, x, shape, width) {
    let drawn = this.drawn.get(row.key);
    if (!drawn) {
      drawn = { element: this.rowElement(row), key: '' };
      this.drawn.set(row.key, drawn);
    }
    const { element } = drawn;
    if (this.body.children[index] !== element) this.body.insertBefore(element, this.body.children[index] || null);
    const bars = row.bars.map((bar) => `${x(bar.from).toFixed(1)}-${x(bar.to).toFixed(1)}${bar.chained}`).join();
    const key = [width, index, bars, row.status, row.cached, row.note, row.findings, row.expected, row.chained, this.textAfter(row), this.span.toFixed(2)].join('|');
    if (drawn.key === key) return;
    drawn.key = key;
    // A link is called what is read on it; the rest describes it.
    const isLink = element.tagName === 'a';
    element.setAttribute(isLink ? 'aria-description' : 'aria-label', inWords(row));
    element.setAttribute('class', `tl-row tone-${tone(row.status)}${row.top ? ' tl-top' : ''}${row.head ? ' tl-step' : ''}`);
    if (row.href) element.setAttribute('href', row.href);
    element.setAttribute('transform', `translate(0 ${AXIS + index * shape.row})`);
    element.replaceChildren(...this.inRow(row, x, shape, width));
    element.onfocus = element.onmouseenter = () => this.tell(row, AXIS + (index + 1) * shape.row);
  }

  /** @param {Row} row */
  rowElement(row) {
    return svg(row.href ? 'a' : 'g', {
      tabindex: -1, 'data-key': row.key, role: row.href ? null : 'img',
      onmouseleave: () => { this.tip.hidden = true; }, onblur: () => { this.tip.hidden = true; },
    });
  }

  /**
   * @param {Row} row
   * @param {(time: number) => number} x
   * @param {typeof WIDE} shape
   * @param {number} width
   * @returns {SVGElement[]}
   */
  inRow(row, x, shape, width) {
    const top = shape.above + (shape.row - shape.above - shape.bar) / 2;
    const middle = shape.above ? 13 : shape.row / 2 + 4.5;
    const parts = [
      svg('rect', { class: 'tl-hit', x: 1, y: 1, width: width - 2, height: shape.row - 2, rx: 4 }),
      svg('text', { class: 'tl-sign', x: row.top || !shape.label ? 4 : 16, y: middle }, `${sign(row.status)} `),
      svg('text', { class: 'tl-label', x: row.top || !shape.label ? 20 : 32, y: middle }, `${cut(row.label, shape.label ? (row.top ? 25 : 23) : 30)} `),
    ];
    const last = row.bars[row.bars.length - 1];
    let end = x(last ? last.from : 0);
    if (last && row.expected !== null && !row.cached && row.status !== 'skipped') {
      end = Math.max(x(last.from) + 3, x(last.from + row.expected));
      parts.push(svg('rect', { class: 'tl-expected', x: x(last.from), y: top - 2.5, rx: 3, height: shape.bar + 5, width: end - x(last.from) }));
    }
    for (const bar of row.bars) {
      end = Math.max(end, x(bar.to), x(bar.from) + 3);
      parts.push(svg('rect', {
        class: `tl-bar${bar.chained ? ' chained' : ''}${bar.open ? ' open' : ''}${row.cached ? ' cached' : ''}`,
        x: x(bar.from), y: row.head ? top + shape.bar / 2 - 2 : top, rx: row.head ? 2 : 3,
        width: Math.max(3, x(bar.to) - x(bar.from)), height: row.head ? 4 : shape.bar,
      }));
    }
    const text = this.textAfter(row);
    if (shape.above) parts.push(svg('text', { class: 'tl-after', x: width - 4, y: 13, 'text-anchor': 'end' }, cut(text, 22)));
    else parts.push(svg('text', { class: 'tl-after', x: end + 7, y: middle }, cut(text, Math.max(6, Math.floor((width - end - 8) / 6)))));
    return parts;
  }

  /** @param {Row} row */
  textAfter(row) {
    if (row.status === 'waiting' || row.status === 'skipped') return row.note;
    if (row.cached) return 'cached';
    if (row.took === null) return row.note;
    const left = row.status === 'running' && row.expected !== null ? row.expected - row.took : 0;
    return left > 0.5 ? `${seconds(row.took)}, ~${seconds(left)} left` : seconds(row.took);
  }

  /** Tell more about a row, beside it. @param {Row} row @param {number} top CSS pixels */
  tell(row, top) {
    this.at = row.key;
    this.markStop();
    const current = this.rows.find((one) => one.key === row.key) || row;
    fill(this.tip, inWords(current));
    this.tip.hidden = false;
    this.tip.style.top = `${top}px`;
  }

  /** One row can be reached with Tab, the others from it with the arrow keys. */
  markStop() {
    if (!this.drawn.has(this.at)) this.at = this.rows[0]?.key || '';
    for (const [key, { element }] of this.drawn) element.setAttribute('tabindex', key === this.at ? '0' : '-1');
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    if (event.key === 'Escape') this.tip.hidden = true;
    const step = steps[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const index = this.rows.findIndex((row) => row.key === this.at);
    const next = this.rows[Math.max(0, Math.min(this.rows.length - 1, index + step))];
    /** @type {any} */ (this.drawn.get(next.key)?.element)?.focus();
  }

  asTable() {
    const table = this.toggle.getAttribute('aria-pressed') !== 'true';
    this.toggle.setAttribute('aria-pressed', String(table));
    this.table.classList.toggle('only-read', !table);
    this.graphic.hidden = table;
  }

  drawTable() {
    const key = this.rows.map((row) => [row.key, row.status, row.findings, row.note, row.chained, row.bars.length]).join('|');
    if (key === this.tableKey) return; // one that is being read is left alone
    this.tableKey = key;
    const chained = this.now === null ? chainInWords(this.rows) : [];
    fill(this.words, ...(chained.length > 1 ? [h('b', null, 'Longest chain: '), ...chained.flatMap((text, index) => [
      ...(index ? [h('span', { class: 'faint' }, ' → ')] : []), h('span', { class: 'nowrap' }, text)])] : []));
    fill(this.table, h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Timeline as a table' }, h('table', null,
      h('caption', null, 'Steps and hooks in the order of the run'),
      h('thead', null, h('tr', null, ['Step or hook', 'Status', 'Began', 'Took', 'Usually', 'Found', 'Chain', 'Note'].map((title) => h('th', { scope: 'col' }, title)))),
      h('tbody', null, this.rows.map(tableRow)))));
  }
}

/** @param {Row} row */
function tableRow(row) {
  return h('tr', null,
    h('th', { scope: 'row', class: row.top ? '' : 'tl-in' }, row.href ? h('a', { href: row.href }, row.label) : row.label),
    h('td', null, h('span', { class: `tone-${tone(row.status)}` }, `${sign(row.status)} ${words(row.status)}`), row.cached ? ', cached' : ''),
    h('td', null, row.bars.length ? seconds(row.bars[0].from) : ''),
    h('td', null, row.status === 'running' ? '' : seconds(row.took)),
    h('td', null, row.cached ? '' : seconds(row.expected)),
    h('td', null, row.findings ? row.findings.toLocaleString('en') : ''),
    h('td', null, row.chained ? 'longest' : ''),
    h('td', { class: 'faint' }, row.note));
}

function legend() {
  return h('p', { class: 'tl-legend faint', 'aria-hidden': 'true' },
    h('span', null, h('i', { class: 'key chained' }), 'longest chain'), h('span', null, h('i', { class: 'key' }), 'beside it'),
    h('span', null, h('i', { class: 'key cached' }), 'cached'), h('span', null, h('i', { class: 'key expected' }), 'usual time'));
}

/** @param {number} time seconds */
function tickText(time) {
  if (time < 60) return `${Number(time.toFixed(2))}s`;
  const rest = Math.round(time % 60);
  return `${Math.floor(time / 60)}m${rest ? ` ${rest}s` : ''}`;
}

/** @param {string} text @param {number} most characters */
function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

customElements.define('job-timeline', JobTimeline);

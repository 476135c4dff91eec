// Small charts as SVG: each has its words too, for those who don't see it.

import { h, svg } from './dom.js';

/**
 * @typedef {object} Point
 * @property {number} value
 * @property {string} label what the point is, for a tooltip and a link
 * @property {string} [href]
 * @property {string} [kind] `good`, `bad`, `warn` or `quiet`: how its mark looks
 */

const HEIGHT = 56;
const EDGE = 5;
const NAMES = 28; // room on the right for the names of lines
const APART = 9; // of two lines, so that the name of each can be read

/**
 * A line over time, the oldest point on the left.
 * @param {Point[]} points two or more
 * @param {object} options
 * @param {string} options.title what it shows, in words
 * @param {number} [options.least] where the scale begins; without it, at the lowest value
 * @param {{value: number, name: string}[]} [options.marks] horizontal lines with their names, the most important first
 * @param {number} [options.width] of the drawing, which is 56 high
 * @returns {SVGElement}
 */
export function line(points, { title, least, marks = [], width = 240 }) {
  const values = [...points.map((point) => point.value), ...marks.map((mark) => mark.value)];
  const low = least ?? Math.min(...values);
  const high = Math.max(...values, low + 1e-9);
  const x = (/** @type {number} */ index) => EDGE + (width - 2 * EDGE - (marks.length ? NAMES : 0)) * index / (points.length - 1);
  const y = (/** @type {number} */ value) => HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (value - low) / (high - low);
  const path = points.map((point, index) => `${index ? 'L' : 'M'}${x(index).toFixed(1)} ${y(point.value).toFixed(1)}`);
  return svg('svg', { class: 'chart', viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': title },
    ...marks.flatMap((mark, index) => {
      const at = y(mark.value);
      const base = (/** @type {number} */ place) => (place < 10 ? place + 8 : place - 2);
      const room = marks.slice(0, index).every((other) => Math.abs(base(y(other.value)) - base(at)) >= APART);
      return [
        svg('line', { class: `chart-mark chart-mark-${index}`, x1: 0, x2: width, y1: at.toFixed(1), y2: at.toFixed(1) }),
        room && svg('text', { class: 'chart-name', x: width, y: base(at).toFixed(1) }, mark.name),
      ];
    }),
    svg('path', { class: 'chart-line', d: path.join('') }),
    ...points.map((point, index) => dot(point, x(index), y(point.value))));
}

/** @param {Point} point @param {number} x @param {number} y */
function dot(point, x, y) {
  const kind = point.kind || 'good';
  const mark = kind === 'bad' // another shape, for those who don't see the colour
    ? svg('path', { class: 'chart-dot bad', d: `M${x - 3.5} ${y - 3.5}l7 7m0 -7l-7 7` })
    : svg('circle', { class: `chart-dot ${kind}`, cx: x.toFixed(1), cy: y.toFixed(1), r: 2.6 });
  mark.prepend(svg('title', null, point.label));
  return mark;
}

/**
 * Runs as a row of links, the oldest on the left: one can go to each, and each says what it was. All of them are
 * one stop of the Tab key; arrows go from run to run.
 * @param {Point[]} points
 * @param {string} title
 */
export function strip(points, title) {
  const links = points.map((point, index) => h('a', {
    class: `strip-run ${point.kind || 'quiet'}`, href: point.href, title: point.label, 'aria-label': point.label,
    tabindex: index === points.length - 1 ? 0 : -1,
  }, point.kind === 'good' ? '✓' : point.kind === 'bad' ? '✗' : point.kind === 'warn' ? '!' : '–'));
  const move = (/** @type {KeyboardEvent} */ event) => {
    const from = links.indexOf(/** @type {HTMLElement} */ (event.target));
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: links.length - 1 }[event.key];
    if (to === undefined || !links[to]) return;
    event.preventDefault();
    links[from].tabIndex = -1;
    links[to].tabIndex = 0;
    links[to].focus();
  };
  return h('ol', { class: 'strip', 'aria-label': title, onkeydown: move }, links.map((one) => h('li', null, one)));
}

/**
 * A bar of a share.
 * @param {number} share 0 to 1
 * @param {string} [kind]
 */
export function bar(share, kind = '') {
  if (share <= 0) return h('span', { class: 'meter', 'aria-hidden': 'true' });
  const filled = h('span', { class: `meter-filled ${kind}` });
  filled.style.width = `${(100 * Math.max(0, Math.min(1, share))).toFixed(2)}%`;
  return h('span', { class: 'meter', 'aria-hidden': 'true' }, filled);
}

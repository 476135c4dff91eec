// Small charts as SVG: each has its words too, for those who don't see it.

import { h, svg } from './dom.js';

/**
 * @typedef {object} Point
 * @property {number} value
 * @property {string} label what the point is, for a tooltip and a link
 * @property {string} [href]
 * @property {string} [kind] `good`, `bad`, `warn` or `quiet`: how its mark looks
 */

const WIDTH = 240;
const HEIGHT = 56;
const EDGE = 5;

/**
 * A line over time, the oldest point on the left.
 * @param {Point[]} points
 * @param {object} options
 * @param {string} options.title what it shows, in words
 * @param {number} [options.least] where the scale begins; without it, at the lowest value
 * @param {number} [options.most] where the scale ends, unless a value is higher
 * @param {{value: number, name: string}[]} [options.marks] horizontal lines
 * @returns {SVGElement}
 */
export function line(points, { title, least, most, marks = [] }) {
  const values = [...points.map((point) => point.value), ...marks.map((mark) => mark.value)];
  const low = least ?? Math.min(...values);
  const high = Math.max(most ?? -Infinity, ...values, low + 1e-9);
  const x = (/** @type {number} */ index) =>
    points.length === 1 ? WIDTH / 2 : EDGE + (WIDTH - 2 * EDGE) * index / (points.length - 1);
  const y = (/** @type {number} */ value) => HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (value - low) / (high - low);
  const path = points.map((point, index) => `${index ? 'L' : 'M'}${x(index).toFixed(1)} ${y(point.value).toFixed(1)}`);
  return svg('svg', { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': title },
    ...marks.map((mark) => svg('line', {
      class: `chart-mark chart-${mark.name}`, x1: 0, x2: WIDTH, y1: y(mark.value).toFixed(1), y2: y(mark.value).toFixed(1),
    })),
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
 * Runs as a row of links, the oldest on the left: one can go to each, and each says what it was.
 * @param {Point[]} points
 * @param {string} title
 */
export function strip(points, title) {
  return h('ol', { class: 'strip', 'aria-label': title }, points.map((point) => h('li', null,
    h('a', { class: `strip-run ${point.kind || 'quiet'}`, href: point.href, title: point.label, 'aria-label': point.label },
      point.kind === 'good' ? '✓' : point.kind === 'bad' ? '✗' : point.kind === 'warn' ? '!' : '–'))));
}

/**
 * A bar of a share.
 * @param {number} share 0 to 1
 * @param {string} [kind]
 */
export function bar(share, kind = '') {
  const filled = h('span', { class: `meter-filled ${kind}` });
  filled.style.width = `${(100 * Math.max(0, Math.min(1, share))).toFixed(2)}%`;
  return h('span', { class: 'meter', 'aria-hidden': 'true' }, filled);
}

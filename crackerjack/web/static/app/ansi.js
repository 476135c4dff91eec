// What tools print: lines with ANSI colours (ECMA-48, SGR) as rows of spans with classes. What else a
// terminal would do - move the cursor, set its title - is left out, and what would hide text is shown.

import { visible } from './format.js';

/**
 * @typedef {{text: string, classes: string}} Span
 * @typedef {{spans: Span[], number: number, goesOn: boolean}} Row of at most ROW characters; `goesOn` one before
 */

const ROW = 400; // characters: a line of a megabyte is many rows
const OPEN = 40 * ROW; // characters of a line without an end that are read again when more of it comes
const ESCAPE_LENGTH = 200; // characters: one that is longer is cut there
// CSI sequences, OSC and other strings that have an end, and escapes of two characters.
const ESCAPE = /\u001b(?:\[([0-?]*)[ -/]*([@-~])|[\]PX^_](?:[^\u0007\u001b]*(?:\u0007|\u001b\\))?|[ -/]*[0-~]?)/g;

/** Takes text as it comes, whole lines or not, and makes rows of it. */
export class Lines {
  constructor() {
    /** @type {Row[]} */
    this.rows = [];
    this.lines = 0;
    this.rest = '';
    /** Whether the last line goes on: it was too long to be kept whole. */
    this.goesOn = false;
    this.style = new Style();
    /** What is to be taken back when the rest of a line comes. @type {{rows: number, lines: number, goesOn: boolean, style: Style} | null} */
    this.open = null;
  }

  /** @param {string} text */
  take(text) {
    if (this.open) {
      this.rows.length = this.open.rows;
      this.lines = this.open.lines;
      this.style = this.open.style;
      this.goesOn = this.open.goesOn;
      this.open = null;
    }
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() || '';
    for (const line of lines) {
      this.add(line);
      this.goesOn = false;
    }
    if (this.rest.length > OPEN) {
      const escape = this.rest.lastIndexOf('\u001b'); // the rest of which may be yet to come
      const end = escape >= this.rest.length - ESCAPE_LENGTH ? escape : this.rest.length;
      this.add(this.rest.slice(0, end));
      this.rest = this.rest.slice(end);
      this.goesOn = true;
    }
    if (this.rest) {
      this.open = { rows: this.rows.length, lines: this.lines, goesOn: this.goesOn, style: Object.assign(new Style(), this.style) };
      this.add(this.rest);
    }
  }

  /** @param {string} line */
  add(line) {
    if (!this.goesOn) this.lines += 1;
    const shown = line.replace(/\r+$/, '');
    const last = shown.slice(shown.lastIndexOf('\r') + 1); // a progress bar: a terminal shows the last one
    /** @type {Row} */
    let row = { spans: [], number: this.lines, goesOn: this.goesOn };
    let room = ROW;
    this.rows.push(row);
    for (const span of this.style.spans(last)) {
      for (let rest = visible(span.text); rest;) {
        if (!room) {
          row = { spans: [], number: this.lines, goesOn: true };
          room = ROW;
          this.rows.push(row);
        }
        const piece = rest.slice(0, room);
        row.spans.push({ text: piece, classes: span.classes });
        rest = rest.slice(piece.length);
        room -= piece.length;
      }
    }
  }
}

class Style {
  fore = -1;

  back = -1;

  constructor() {
    this.reset();
  }

  reset() {
    this.fore = -1;
    this.back = -1;
    this.bold = this.faint = this.italic = this.underlined = this.inverse = false;
  }

  /** @param {string} line @returns {Span[]} */
  spans(line) {
    if (!line.includes('\u001b')) return line ? [{ text: line, classes: this.classes() }] : [];
    const spans = [];
    let at = 0;
    for (const found of line.matchAll(ESCAPE)) {
      const start = found.index ?? 0;
      if (start > at) spans.push({ text: line.slice(at, start), classes: this.classes() });
      at = start + found[0].length;
      if (found[2] === 'm') this.set((found[1] || '0').split(/[;:]/).map(Number));
    }
    if (at < line.length) spans.push({ text: line.slice(at), classes: this.classes() });
    return spans;
  }

  /** @param {number[]} codes */
  set(codes) {
    for (let index = 0; index < codes.length; index += 1) {
      const code = codes[index];
      if (code === 0) this.reset();
      else if (code === 1) this.bold = true;
      else if (code === 2) this.faint = true;
      else if (code === 3) this.italic = true;
      else if (code === 4) this.underlined = true;
      else if (code === 7) this.inverse = true;
      else if (code === 22) this.bold = this.faint = false;
      else if (code === 23) this.italic = false;
      else if (code === 24) this.underlined = false;
      else if (code === 27) this.inverse = false;
      else if (code >= 30 && code <= 37) this.fore = code - 30;
      else if (code === 39) this.fore = -1;
      else if (code >= 40 && code <= 47) this.back = code - 40;
      else if (code === 49) this.back = -1;
      else if (code >= 90 && code <= 97) this.fore = code - 90;
      else if (code >= 100 && code <= 107) this.back = code - 100;
      else if (code === 38 || code === 48) {
        const wide = codes[index + 1] === 2;
        const colour = wide ? nearest(codes.slice(index + 2, index + 5)) : palette(codes[index + 2]);
        if (code === 38) this.fore = colour;
        else this.back = colour;
        index += wide ? 4 : 2;
      }
    }
  }

  classes() {
    const names = [];
    if (this.inverse) names.push('ansi-inverse');
    else {
      if (this.fore >= 0) names.push(`ansi-${this.fore}`);
      if (this.back >= 0) names.push(`ansi-on ansi-on-${this.back}`);
    }
    if (this.bold) names.push('ansi-bold');
    if (this.faint) names.push('ansi-faint');
    if (this.italic) names.push('ansi-italic');
    if (this.underlined) names.push('ansi-underlined');
    return names.join(' ');
  }
}

/** One of the eight colours for one of 256. @param {number} index */
function palette(index) {
  if (!(index >= 0 && index < 256)) return -1;
  if (index < 16) return index % 8;
  if (index >= 232) return index < 244 ? 0 : 7;
  const cube = index - 16;
  return nearest([Math.floor(cube / 36) * 51, (Math.floor(cube / 6) % 6) * 51, (cube % 6) * 51]);
}

/** One of the eight for red, green and blue: the page's own colours can be read in both themes. @param {number[]} rgb */
function nearest(rgb) {
  const most = Math.max(...rgb, 1);
  return rgb.reduce((sum, part, bit) => sum + (part > most / 2 ? 1 << bit : 0), 0);
}

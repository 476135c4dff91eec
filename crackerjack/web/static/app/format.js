// Numbers, times and text for people.

// What is not plainly seen, as in crackerjack/reports/safe_text.py: controls, what changes the direction of text
// (https://trojansource.codes), what has no width.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

const COLOUR = /\u001b\[[0-9;:]*m/g;

/** Text with what would hide in it, or reorder it, made visible; colours alone are left out. @param {string} text */
export function visible(text) {
  return text.replace(COLOUR, '').replace(HIDDEN, (found) => `\\u${/** @type {number} */ (found.codePointAt(0)).toString(16).padStart(4, '0')}`);
}

/**
 * What a table says of a name that comes from outside; it may be `constructor`, which all objects have.
 * @template T
 * @param {Record<string, T>} table
 * @param {string} name
 * @returns {T | undefined}
 */
export function entry(table, name) {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** @param {number | null | undefined} value seconds */
export function seconds(value) {
  if (value === null || value === undefined) return '';
  if (value < 10) return `${value.toFixed(value < 0.995 ? 2 : 1)}s`;
  if (value < 60) return `${Math.round(value)}s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes}m ${String(Math.round(value % 60)).padStart(2, '0')}s`;
  return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`;
}

/**
 * @param {number} count
 * @param {string} thing
 */
export function plural(count, thing) {
  return `${count.toLocaleString('en')} ${thing}${count === 1 ? '' : 's'}`;
}

/** @param {number} timestamp seconds since the epoch */
export function age(timestamp) {
  const passed = Math.max(0, Date.now() / 1000 - timestamp);
  if (passed < 60) return 'just now';
  for (const [size, unit] of /** @type {[number, string][]} */ ([[86400, 'd'], [3600, 'h'], [60, 'min']])) {
    if (passed >= size) return `${Math.floor(passed / size)} ${unit} ago`;
  }
  return '';
}

/** @param {number} timestamp seconds since the epoch */
export function moment(timestamp) {
  return new Date(timestamp * 1000).toLocaleString();
}

/** What a project is called: the last part of its path. @param {string} path */
export function projectName(path) {
  return path.replace(/\/+$/, '').split('/').pop() || '/';
}

/** What a status is called. @param {string} status */
export function words(status) {
  return status.replace(/_/g, ' ');
}

const TONES = /** @type {Record<string, string>} */ ({
  passed: 'good', fixed: 'good', completed: 'good', xfailed: 'good',
  failed: 'bad', error: 'bad', tool_error: 'bad', tool_missing: 'bad',
  timed_out: 'warn', interrupted: 'warn', inconclusive: 'warn', stopped: 'warn', xpassed: 'warn',
  warning: 'warn', running: 'live', queued: 'quiet', waiting: 'quiet', skipped: 'quiet', note: 'quiet',
});

/** How a status looks: good, bad, warn, live or quiet. @param {string} status */
export function tone(status) {
  return entry(TONES, status) || 'quiet';
}

const SIGNS = /** @type {Record<string, string>} */ ({ good: '✓', bad: '✗', warn: '!', live: '●', quiet: '–' });

/** A status in one character, so that no one needs its colour. @param {string} status */
export function sign(status) {
  return SIGNS[tone(status)];
}

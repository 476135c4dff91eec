// A place in the code: copied as `path:line`, opened in the reader's editor.

import { h } from './dom.js';

const KEY = 'crackerjack.editor';
const DEFAULT = 'vscode://file{path}:{line}:{column}';

/**
 * @typedef {{path: string | null, line: number | null, column?: number | null}} CodePlace
 */

/** @param {CodePlace} place */
export function pathLine({ path, line }) {
  return `${path || ''}${line ? `:${line}` : ''}`;
}

/** How an address for the editor is made. */
function template() {
  try {
    const kept = localStorage.getItem(KEY) || DEFAULT;
    return isTemplate(kept) ? kept : DEFAULT; // another program may have had this port before
  } catch {
    return DEFAULT; // storage is switched off
  }
}

/** Whether a template leads to a program, and not back into this page. @param {string} text */
function isTemplate(text) {
  return /^[a-z][a-z0-9+.-]*:/i.test(text) && !/^(javascript|data|vbscript|blob):/i.test(text) && text.includes('{path}');
}

/**
 * The address that opens a place in the editor; null when there is none.
 * @param {string} project its directory
 * @param {CodePlace} place
 */
export function editorLink(project, place) {
  if (!place.path || !project) return null;
  const path = place.path.startsWith('/') ? place.path : `${project.replace(/\/+$/, '')}/${place.path}`;
  /** @type {Record<string, string>} */
  const values = {
    path: path.split('/').map(encodeURIComponent).join('/'), // & too: it would be another field of the address
    line: String(place.line || 1),
    column: String(place.column || 1),
  };
  return template().replace(/\{(path|line|column)\}/g, (_, name) => values[name]);
}

/**
 * Copy text; resolves to whether that worked.
 * @param {string} text
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // not allowed, or no secure page: the old way
    const field = /** @type {HTMLTextAreaElement} */ (h('textarea', { class: 'only-read', '.value': text, 'aria-hidden': 'true' }));
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    document.body.append(field);
    field.select();
    const copied = document.execCommand('copy');
    field.remove();
    before?.focus({ preventScroll: true });
    return copied;
  }
}

/**
 * Lets the reader say how their editor is opened.
 * @param {() => void} changed
 */
export function editorSetting(changed) {
  const told = h('span', { class: 'tone-bad', role: 'status' });
  const field = /** @type {HTMLInputElement} */ (h('input', {
    name: 'editor', size: 34, spellcheck: 'false', autocomplete: 'off', '.value': template(),
    onchange: () => {
      const wanted = field.value.trim() || DEFAULT;
      const good = isTemplate(wanted);
      told.textContent = good ? '' : 'An address with {path} in it is needed.';
      if (!good) return;
      field.value = wanted;
      try {
        localStorage.setItem(KEY, wanted);
      } catch {
        told.textContent = 'This browser keeps nothing.';
      }
      changed();
    },
  }));
  return h('details', { class: 'editor-setting' },
    h('summary', null, 'Editor'),
    h('p', null, h('label', null, 'Opened as ', field), ' ', told),
    h('p', { class: 'faint' }, 'Such as ', h('code', null, DEFAULT), ' or ', h('code', null, 'idea://open?file={path}&line={line}'), '. Kept in this browser.'));
}

// The findings of a job: by file or by rule, filtered, each with its place in the code.

import { catchUp, get } from './api.js';
import { fill, h } from './dom.js';
import { plural, sign, tone } from './format.js';
import { detailsOf, findingRow, groupRow } from './finding-rows.js';
import { Findings, grouped } from './findings.js';
import { listFoot, openEditor, openRow, setOptions, wordsOf } from './list-parts.js';
import { tellProblem } from './main.js';
import { paced } from './pace.js';
import { copy, editorLink, pathLine } from './places.js';
import { refine } from './router.js';
import './virtual-list.js';

const SEVERITIES = ['error', 'warning', 'note'];
const NARROW = matchMedia('(max-width: 48rem)');

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, context) {
  const tab = new FindingsTab(box, context);
  tab.load();
  return { update: (place) => tab.go(place), close: () => tab.close() };
}

class FindingsTab {
  /** @param {HTMLElement} box @param {import('./job-view.js').Context} context */
  constructor(box, { job, place, signal }) {
    this.job = job;
    this.signal = signal;
    this.findings = new Findings();
    /** @type {import('./model.js').JobEvent[] | null} */
    this.early = []; // events that came before the server's answer
    this.wanted = wishes(place);
    this.sought = place.query.get('finding') || '';
    /** @type {Set<string>} */
    this.shut = new Set();
    /** @type {import('./findings.js').Details | null} */
    this.details = null;
    this.drawing = paced(() => this.draw());
    this.ui = controls(this);
    fill(box, ...layout(this, this.ui));
    this.take = (/** @type {Event} */ event) => this.apply(/** @type {CustomEvent} */ (event).detail);
    this.layout = () => this.ui.list.refresh();
    job.addEventListener('event', this.take);
    NARROW.addEventListener('change', this.layout);
  }

  async load() {
    const heard = this.job.seq;
    try {
      await catchUp(heard, async () => {
        const answer = await get(`/jobs/${encodeURIComponent(this.job.id)}/diagnostics?source=1`, this.signal);
        this.findings.take(answer);
        return answer.seq;
      }, this.signal);
    } catch (error) {
      if (!this.signal.aborted) tellProblem(this.ui.problem, error);
      return;
    }
    for (const event of this.early || []) this.findings.apply(event);
    this.early = null;
    this.drawing.ask();
  }

  /** @param {import('./model.js').JobEvent} event */
  apply(event) {
    if (this.early) this.early.push(event);
    else if (this.findings.apply(event) || this.job.finished) this.drawing.ask();
  }

  /** Another place of this tab. @param {import('./router.js').Place} place */
  go(place) {
    this.wanted = wishes(place);
    this.ui.text.value = this.wanted.text;
    this.ui.list.refresh();
    this.sought = place.query.get('finding') || '';
    this.drawing.now();
    return true;
  }

  /** @param {Partial<ReturnType<typeof wishes>>} change */
  choose(change) {
    Object.assign(this.wanted, change);
    if ('by' in change) {
      this.shut.clear();
      this.ui.list.refresh(); // a row says what the heading of its group does not
    }
    refine(change);
    this.ui.list.scrollTop = 0;
    this.ui.list.at = -1;
    this.drawing.now();
  }

  draw() {
    if (this.early) return;
    const all = this.findings.inOrder();
    this.seek(all);
    const words = wordsOf(this.wanted.text);
    const found = all.filter((one) => this.matches(one, words));
    this.rows = grouped(found, this.wanted.by === 'rule', this.shut, this.details);
    this.ui.list.hidden = !found.length;
    this.ui.list.items = this.rows;
    this.drawControls(all, found);
    this.drawEmpty(all, found);
    if (this.revealing) {
      const index = this.rows.findIndex((row) => row === this.revealing);
      this.revealing = null;
      this.ui.list.reveal(index);
      this.ui.list.go(index);
    }
  }

  /** Open the finding that the address names. @param {import('./findings.js').Finding[]} all */
  seek(all) {
    if (!this.sought) return;
    const one = all.find((finding) => finding.fingerprint === this.sought);
    if (!one) {
      this.ui.said.textContent = this.job.finished ? 'The finding of this address is not among those of this job.' : '';
      return;
    }
    this.sought = '';
    if (!this.matches(one, wordsOf(this.wanted.text))) {
      Object.assign(this.wanted, { text: '', hook: '', severity: '' });
      this.ui.text.value = '';
    }
    this.shut.clear();
    this.details = { kind: 'details', of: one, height: 160 };
    this.revealing = one;
    this.ui.list.refresh();
  }

  /** @param {import('./findings.js').Finding} one @param {string[]} words */
  matches(one, words) {
    return (!this.wanted.hook || one.hook === this.wanted.hook)
      && (!this.wanted.severity || one.severity === this.wanted.severity)
      && words.every((word) => one.text.includes(word));
  }

  /** @param {import('./findings.js').Finding[]} all @param {import('./findings.js').Finding[]} found */
  drawControls(all, found) {
    /** @type {Record<string, number>} */
    const severities = {};
    /** @type {Map<string, number>} */
    const hooks = new Map();
    for (const one of all) {
      severities[one.severity] = (severities[one.severity] || 0) + 1;
      hooks.set(one.hook, (hooks.get(one.hook) || 0) + 1);
    }
    for (const chip of this.ui.chips) {
      const severity = chip.dataset.severity || '';
      chip.textContent = `${sign(severity)} ${plural(severities[severity] || 0, severity)}`;
      chip.hidden = !severities[severity];
      chip.setAttribute('aria-pressed', String(this.wanted.severity === severity));
    }
    if (this.wanted.hook && !hooks.has(this.wanted.hook)) hooks.set(this.wanted.hook, 0);
    const options = [...hooks].sort(([a], [b]) => (a < b ? -1 : 1)).map(([hook, count]) => [hook, `${hook} (${count.toLocaleString('en')})`]);
    setOptions(this.ui.hook, [['', 'All hooks'], ...options], this.wanted.hook);
    this.ui.by.textContent = this.wanted.by === 'rule' ? 'Group by file' : 'Group by rule';
    this.ui.fold.textContent = this.shut.size ? 'Unfold all' : 'Fold all';
    const fixable = found.reduce((sum, one) => sum + (one.fixable ? 1 : 0), 0);
    const groups = (this.rows || []).reduce((sum, row) => sum + ('kind' in row && row.kind === 'group' ? 1 : 0), 0);
    const where = plural(groups, this.wanted.by === 'rule' ? 'rule' : 'file');
    const counted = found.length === all.length ? plural(all.length, 'finding') : `${found.length.toLocaleString('en')} of ${plural(all.length, 'finding')}`;
    const said = all.length ? `${counted} in ${where}${fixable ? `, ${fixable.toLocaleString('en')} fixable by the tool` : ''}` : '';
    if (this.ui.count.textContent !== said) this.ui.count.textContent = said;
    this.ui.count.dataset.shown = String(found.length);
  }

  /** @param {unknown[]} all @param {unknown[]} found */
  drawEmpty(all, found) {
    if (found.length) fill(this.ui.empty);
    else if (all.length) {
      fill(this.ui.empty, h('p', { class: 'empty' }, 'No finding is like that. ',
        h('button', { onclick: () => { this.ui.text.value = ''; this.choose({ text: '', hook: '', severity: '' }); } }, 'Show all')));
    } else if (!this.job.finished) fill(this.ui.empty, h('p', { class: 'empty' }, 'Nothing was found so far. Findings appear here as the hooks tell of them.'));
    else fill(this.ui.empty, h('p', { class: 'empty' }, h('b', { class: 'tone-good' }, '✓ '), 'The hooks that ran found nothing. Which ran and which did not is in the overview.'));
  }

  foldAll() {
    const unfold = this.shut.size > 0;
    this.shut.clear();
    if (!unfold) for (const row of this.rows || []) if ('kind' in row && row.kind === 'group') this.shut.add(row.key);
    this.drawing.now();
  }

  /** @param {import('./findings.js').Row} row */
  row(row) {
    if (!('kind' in row)) {
      return findingRow(row, { byRule: this.wanted.by === 'rule', marked: this.details?.of === row, open: () => this.open(row) });
    }
    return row.kind === 'group' ? groupRow(row, () => this.toggle(row)) : this.detailsRow(row);
  }

  /** @param {import('./findings.js').Details} details */
  detailsRow(details) {
    const one = details.of;
    return openRow(details, () => this.ui.list.measured(), detailsOf(one, editorLink(this.job.data.project, one), {
      copy: () => this.copy(one), link: () => this.copy(one, location.href), close: () => this.open(one),
    }));
  }

  /** @param {import('./findings.js').Group} group */
  toggle(group) {
    if (!this.shut.delete(group.key)) this.shut.add(group.key);
    this.drawing.now();
  }

  /** Show all of a finding, or no longer. @param {import('./findings.js').Finding} one */
  open(one) {
    const shut = this.details?.of === one;
    this.details = shut ? null : { kind: 'details', of: one, height: 160 };
    refine({ finding: shut ? null : one.fingerprint });
    this.ui.list.refresh();
    this.drawing.now();
  }

  /** @param {import('./findings.js').Finding} one @param {string} [text] */
  async copy(one, text = pathLine(one)) {
    this.ui.said.textContent = text && await copy(text) ? `Copied ${text}` : 'Nothing was copied: this browser does not let the page.';
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const row = this.ui.list.items[this.ui.list.at];
    const onControl = /** @type {Element} */ (event.target).closest('a, button');
    if (!row || (event.key === 'Enter' && onControl)) return;
    const one = row.kind === 'details' ? row.of : row.kind === 'group' ? null : row;
    if (event.key === 'Enter') one ? this.open(one) : this.toggle(row);
    else if (event.key === 'Escape' && this.details) this.open(this.details.of);
    else if (event.key === 'c' && one) this.copy(one);
    else if (event.key === 'e' && one) openEditor(editorLink(this.job.data.project, one));
    else return;
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
 * What the tab is made of.
 * @param {FindingsTab} tab
 */
function controls(tab) {
  const text = /** @type {HTMLInputElement} */ (h('input', {
    type: 'search', name: 'text', placeholder: 'Path, rule or message', 'aria-label': 'Find', '.value': tab.wanted.text,
    oninput: () => tab.choose({ text: text.value }),
  }));
  const hook = /** @type {HTMLSelectElement} */ (h('select', {
    name: 'hook', 'aria-label': 'Hook', onchange: () => tab.choose({ hook: hook.value }),
  }));
  const chips = SEVERITIES.map((severity) => h('button', {
    class: `chip ${tone(severity)}`, 'data-severity': severity, 'aria-pressed': 'false',
    onclick: () => tab.choose({ severity: tab.wanted.severity === severity ? '' : severity }),
  }));
  const list = /** @type {import('./virtual-list.js').VirtualList} */ (h('virtual-list', { 'aria-label': 'Findings', class: 'finding-list' }));
  list.keeps = list.walks = true;
  list.draw = (row) => tab.row(row);
  list.heightOf = (row) => row.kind === 'details' ? row.height : row.kind === 'group' ? 36 : NARROW.matches ? 52 : 30;
  list.addEventListener('keydown', (event) => tab.key(event));
  return {
    text, hook, chips, list,
    by: h('button', { name: 'by', onclick: () => tab.choose({ by: tab.wanted.by ? '' : 'rule' }) }),
    fold: h('button', { name: 'fold', onclick: () => tab.foldAll() }),
    problem: h('div', null),
    count: h('p', { class: 'faint list-count', role: 'status' }),
    said: h('p', { class: 'said', role: 'status' }),
    empty: h('div', null),
  };
}

/** @param {FindingsTab} tab @param {ReturnType<typeof controls>} ui */
function layout(tab, ui) {
  return [
    ui.problem,
    h('div', { class: 'bar list-bar', role: 'search', 'aria-label': 'Findings' }, ui.text, ui.hook, ui.chips, ui.by, ui.fold),
    ui.count, ui.empty, ui.list,
    listFoot(ui.list, ui.said),
  ];
}

/** What the address asks for. @param {import('./router.js').Place} place */
function wishes({ query }) {
  return {
    text: query.get('text') || '', hook: query.get('hook') || '', severity: query.get('severity') || '',
    by: query.get('by') || '',
  };
}

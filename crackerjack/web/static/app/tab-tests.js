// The tests of a job: what failed and why, and whether that is chance, then what takes long.

import { catchUp, eachEvent, get } from './api.js';
import { fill, h } from './dom.js';
import { plural, sign, tone, words } from './format.js';
import { listFoot, openEditor, openRow, wordsOf } from './list-parts.js';
import { tellProblem } from './main.js';
import { TEXT_KEPT } from './model.js';
import { paced } from './pace.js';
import { copy, editorLink, pathLine } from './places.js';
import { refine } from './router.js';
import { FAILING, ordered, OUTCOMES, TestResults, TYPES } from './test-results.js';
import { detailsOf, headRow, testRow } from './test-rows.js';
import './virtual-list.js';

const NARROW = matchMedia('(max-width: 48rem)');

/**
 * @param {HTMLElement} box
 * @param {import('./job-view.js').Context} context
 * @returns {import('./main.js').View}
 */
export function open(box, context) {
  const tab = new TestsTab(box, context);
  tab.load();
  return { update: (place) => tab.go(place), close: () => tab.close() };
}

class TestsTab {
  /** @param {HTMLElement} box @param {import('./job-view.js').Context} context */
  constructor(box, { job, place, signal }) {
    this.job = job;
    this.signal = signal;
    this.results = new TestResults();
    /** @type {import('./model.js').JobEvent[] | null} */
    this.early = []; // events that came before the server's answer
    this.wanted = wishes(place);
    this.sought = place.query.get('test') || '';
    /** @type {import('./test-results.js').TestDetails | null} */
    this.details = null;
    /** @type {import('./test-results.js').Test | null} */
    this.revealing = null;
    this.slowest = 0;
    this.asked = false; // what recent runs say, this one being among them
    this.drawing = paced(() => this.draw());
    this.ui = controls(this);
    fill(box, ...layout(this.ui));
    this.take = (/** @type {Event} */ event) => this.apply(/** @type {CustomEvent} */ (event).detail);
    this.layout = () => this.ui.list.refresh();
    job.addEventListener('event', this.take);
    NARROW.addEventListener('change', this.layout);
  }

  async load() {
    const heard = this.job.seq;
    try {
      await catchUp(heard, () => eachEvent(this.job.id, TYPES, (event) => this.results.apply(event), this.signal), this.signal);
    } catch (error) {
      if (!this.signal.aborted) tellProblem(this.ui.problem, error);
      return;
    }
    for (const event of this.early || []) this.results.apply(event);
    this.early = null;
    this.drawing.ask();
    this.ask();
  }

  /** Ask what recent runs say of the project's tests; and again when this one is among them. */
  async ask() {
    const finished = this.job.finished;
    this.asked = finished;
    try {
      const query = new URLSearchParams({ project: this.job.data.project });
      const { projects: [project] } = await get(`/stats?${query}`, this.signal);
      if (!project?.tests || finished !== this.asked) return;
      this.results.know(project.tests.flaky, project.tests.runs);
    } catch (error) {
      if (!this.signal.aborted) tellProblem(this.ui.problem, error);
      return;
    }
    this.ui.list.refresh();
    this.drawing.ask();
  }

  /** @param {import('./model.js').JobEvent} event */
  apply(event) {
    if (this.early) this.early.push(event);
    else if (this.results.apply(event) || this.job.finished) this.drawing.ask();
    if (this.job.finished && !this.asked && !this.early) this.ask();
  }

  /** Another place of this tab. @param {import('./router.js').Place} place */
  go(place) {
    this.wanted = wishes(place);
    this.ui.text.value = this.wanted.text;
    this.sought = place.query.get('test') || '';
    this.drawing.now();
    return true;
  }

  /** @param {Partial<ReturnType<typeof wishes>>} change */
  choose(change) {
    Object.assign(this.wanted, change);
    refine(change);
    this.ui.list.scrollTop = 0;
    this.ui.list.at = -1;
    this.drawing.now();
  }

  draw() {
    if (this.early) return;
    const all = this.results.all;
    this.seek(all);
    const asked = wordsOf(this.wanted.text);
    const found = all.filter((test) => this.matches(test, asked));
    const slowest = found.reduce((most, test) => Math.max(most, test.duration), 0);
    const list = this.ui.list;
    list.hidden = !found.length;
    list.items = ordered(found, this.details);
    if (slowest !== this.slowest) list.refresh(); // all bars are drawn against it
    this.slowest = slowest;
    this.drawControls(all, found);
    this.drawEmpty(all, found);
    if (this.revealing) {
      const index = list.items.indexOf(this.revealing);
      this.revealing = null;
      list.reveal(index);
      list.go(index);
    }
  }

  /** Open the test that the address names. @param {import('./test-results.js').Test[]} all */
  seek(all) {
    if (!this.sought) return;
    const long = this.sought.length >= TEXT_KEPT; // the overview knows only the beginning of such a name
    const named = all.filter((test) => test.nodeid === this.sought || (long && test.nodeid.startsWith(this.sought)));
    const one = named.find((test) => FAILING.includes(test.outcome)) || named[0];
    if (!one) {
      this.ui.said.textContent = this.job.finished ? 'The test of this address did not run in this job.' : '';
      return;
    }
    this.sought = '';
    if (!this.matches(one, wordsOf(this.wanted.text))) {
      Object.assign(this.wanted, { text: '', outcome: '', flaky: '' });
      this.ui.text.value = '';
    }
    this.details = { kind: 'details', of: one, height: 160 };
    this.revealing = one;
    this.ui.list.refresh();
  }

  /** @param {import('./test-results.js').Test} test @param {string[]} asked */
  matches(test, asked) {
    return (!this.wanted.outcome || test.outcome === this.wanted.outcome) && (!this.wanted.flaky || Boolean(this.results.flakiness(test))) && asked.every((word) => test.text.includes(word));
  }

  /** @param {import('./test-results.js').Test[]} all @param {import('./test-results.js').Test[]} found */
  drawControls(all, found) {
    /** @type {Record<string, number>} */
    const outcomes = {};
    for (const test of all) outcomes[test.outcome] = (outcomes[test.outcome] || 0) + 1;
    for (const chip of this.ui.chips) {
      const outcome = chip.dataset.outcome || '';
      const text = `${sign(outcome)} ${(outcomes[outcome] || 0).toLocaleString('en')} ${words(outcome)}`;
      if (chip.textContent !== text) chip.textContent = text;
      chip.hidden = !outcomes[outcome];
      chip.setAttribute('aria-pressed', String(this.wanted.outcome === outcome));
    }
    const flaky = all.reduce((sum, test) => sum + Number(Boolean(this.results.flakiness(test))), 0);
    const text = `${flaky.toLocaleString('en')} flaky`;
    if (this.ui.flaky.textContent !== text) this.ui.flaky.textContent = text;
    this.ui.flaky.hidden = !flaky && !this.wanted.flaky;
    this.ui.flaky.setAttribute('aria-pressed', String(Boolean(this.wanted.flaky)));
    const expected = this.results.expected;
    const counted = !this.job.finished && expected > all.length ? `${all.length.toLocaleString('en')} of ${plural(expected, 'test')} so far` : plural(all.length, 'test');
    const said = !all.length ? '' : found.length === all.length ? counted : `${found.length.toLocaleString('en')} shown, of ${counted}`;
    if (this.ui.count.textContent !== said) this.ui.count.textContent = said;
    this.ui.count.dataset.shown = String(found.length);
  }

  /** @param {unknown[]} all @param {unknown[]} found */
  drawEmpty(all, found) {
    const empty = this.ui.empty;
    if (found.length) fill(empty);
    else if (all.length) {
      fill(empty, h('p', { class: 'empty' }, 'No test is like that. ',
        h('button', { onclick: () => { this.ui.text.value = ''; this.choose({ text: '', outcome: '', flaky: '' }); } }, 'Show all')));
    } else if (!this.job.finished) fill(empty, h('p', { class: 'empty' }, 'No test has ended yet. Each appears here as it ends, when this run has tests.'));
    else fill(empty, h('p', { class: 'empty' }, 'This run had no tests. ', h('code', null, 'crackerjack run -t'), ' runs them.'));
  }

  /** @param {import('./test-results.js').TestRow} row */
  row(row) {
    if (row.kind === 'head') return headRow(row);
    if (row.kind === 'test') {
      return testRow(row, {
        slowest: this.slowest, marked: this.details?.of === row, flaky: this.results.flakiness(row), open: () => this.open(row),
      });
    }
    const test = row.of;
    return openRow(row, () => this.ui.list.measured(), detailsOf(test, this.results.flakiness(test), editorLink(this.job.data.project, test), {
      copy: () => this.copy(test), link: () => this.copy(test, location.href), close: () => this.open(test),
    }));
  }

  /** Show all of a test, or no longer. @param {import('./test-results.js').Test} test */
  open(test) {
    const shut = this.details?.of === test;
    this.details = shut ? null : { kind: 'details', of: test, height: 160 };
    refine({ test: shut ? null : test.nodeid });
    this.ui.list.refresh();
    this.drawing.now();
  }

  /** @param {import('./test-results.js').Test} test @param {string} [text] */
  async copy(test, text = pathLine(test) || test.nodeid) {
    this.ui.said.textContent = await copy(text) ? `Copied ${text}` : 'Nothing was copied: this browser does not let the page.';
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const row = this.ui.list.items[this.ui.list.at];
    const onControl = /** @type {Element} */ (event.target).closest('a, button');
    if (!row || row.kind === 'head' || (event.key === 'Enter' && onControl)) return;
    const test = row.kind === 'details' ? row.of : row;
    if (event.key === 'Enter') this.open(test);
    else if (event.key === 'Escape' && this.details) this.open(this.details.of);
    else if (event.key === 'c') this.copy(test);
    else if (event.key === 'e') openEditor(editorLink(this.job.data.project, test));
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
 * @param {TestsTab} tab
 */
function controls(tab) {
  const text = /** @type {HTMLInputElement} */ (h('input', {
    type: 'search', name: 'text', placeholder: 'Name or message', 'aria-label': 'Find', '.value': tab.wanted.text,
    oninput: () => tab.choose({ text: text.value }),
  }));
  const chips = OUTCOMES.map((outcome) => h('button', {
    class: `chip ${tone(outcome)}`, 'data-outcome': outcome, 'aria-pressed': 'false',
    onclick: () => tab.choose({ outcome: tab.wanted.outcome === outcome ? '' : outcome }),
  }));
  const flaky = h('button', {
    class: 'chip warn', 'data-flaky': '', 'aria-pressed': 'false', title: 'Passed and failed at the same content',
    onclick: () => tab.choose({ flaky: tab.wanted.flaky ? '' : '1' }),
  });
  const list = /** @type {import('./virtual-list.js').VirtualList} */ (h('virtual-list', { 'aria-label': 'Tests', class: 'test-list' }));
  list.keeps = list.walks = true;
  list.draw = (row) => tab.row(row);
  list.heightOf = (row) => {
    if (row.kind === 'details') return row.height;
    if (row.kind === 'head') return 36;
    return NARROW.matches || FAILING.includes(row.outcome) ? 52 : 30;
  };
  list.addEventListener('keydown', (event) => tab.key(event));
  return {
    text, chips, flaky, list,
    problem: h('div', null),
    count: h('p', { class: 'faint list-count', role: 'status' }),
    said: h('p', { class: 'said', role: 'status' }),
    empty: h('div', null),
  };
}

/** @param {ReturnType<typeof controls>} ui */
function layout(ui) {
  return [
    ui.problem,
    h('div', { class: 'bar list-bar', role: 'search', 'aria-label': 'Tests' }, ui.text, ...ui.chips, ui.flaky),
    ui.count, ui.empty, ui.list,
    listFoot(ui.list, ui.said),
  ];
}

/** What the address asks for. @param {import('./router.js').Place} place */
function wishes({ query }) {
  return { text: query.get('text') || '', outcome: query.get('outcome') || '', flaky: query.get('flaky') || '' };
}

// The findings of a job that stand: those of a hook that starts again count no more.

/**
 * @typedef {{step_id: string, hook: string, path: string | null, line: number | null, column: number | null,
 *   code: string | null, severity: string, message: string, fixable: boolean, fingerprint: string,
 *   source?: string | null, text: string}} Finding `text` is what a search looks in, `source` the line as it is now
 */

/** Changed by `take` and `apply` alone. */
export class Findings {
  constructor() {
    /** @type {Finding[]} */
    this.all = [];
    this.seq = 0;
    this.sorted = true;
  }

  /** Begin with what the server has. @param {{diagnostics: any[], seq: number}} answer */
  take(answer) {
    this.all = answer.diagnostics.map(searchable);
    this.seq = answer.seq;
    this.sorted = false;
  }

  /**
   * @param {import('./states.js').JobEvent} event
   * @returns {boolean} whether it changed anything
   */
  apply({ seq, event_type: type, data }) {
    if (seq <= this.seq) return false;
    this.seq = seq;
    if (type === 'diagnostic_found') {
      this.all.push(searchable(data));
      this.sorted = false;
      return true;
    }
    if (type === 'workflow_started') {
      this.all = [];
      return true;
    }
    if (type !== 'hook_execution_started') return false;
    const before = this.all.length;
    // a run that repeats one of an earlier step takes its place
    this.all = this.all.filter((one) => one.hook !== data.hook || (one.step_id !== data.step_id && !data.rerun));
    return this.all.length !== before;
  }

  /** All of them by path, line and column. */
  inOrder() {
    if (!this.sorted) {
      this.all.sort(byPlace);
      this.sorted = true;
    }
    return this.all;
  }
}

/** @param {any} data @returns {Finding} */
function searchable(data) {
  return { ...data, text: `${data.path || ''}:${data.line || ''} ${data.code || ''} ${data.hook} ${data.message}`.toLowerCase() };
}

/** @param {Finding} a @param {Finding} b */
function byPlace(a, b) {
  const [left, right] = [a.path || '', b.path || ''];
  if (left !== right) return left < right ? -1 : 1;
  return (a.line || 0) - (b.line || 0) || (a.column || 0) - (b.column || 0);
}

/**
 * @typedef {{kind: 'group', key: string, title: string, hook: string, count: number, errors: number, shut: boolean}} Group
 * @typedef {import('./list-tab.js').Details<Finding>} Details
 * @typedef {Finding | Group | Details} Row
 */

/**
 * The rows of a list: each group's heading, and below it its findings unless it is shut.
 * @param {Finding[]} findings by place
 * @param {boolean} byRule else by file
 * @param {Set<string>} shut keys of groups
 * @param {Details | null} details shown below its finding
 * @returns {Row[]}
 */
export function grouped(findings, byRule, shut, details) {
  /** @type {Map<string, Finding[]>} */
  const groups = new Map();
  for (const finding of findings) {
    const key = byRule ? `${finding.hook} ${finding.code || ''}` : finding.path || '';
    const group = groups.get(key);
    if (group) group.push(finding);
    else groups.set(key, [finding]);
  }
  const order = [...groups];
  if (byRule) order.sort((a, b) => b[1].length - a[1].length);
  /** @type {Row[]} */
  const rows = [];
  for (const [key, members] of order) {
    rows.push({
      kind: 'group', key, count: members.length, shut: shut.has(key),
      title: byRule ? members[0].code || members[0].hook : key || 'the project as a whole',
      hook: byRule ? members[0].hook : '',
      errors: members.reduce((sum, one) => sum + (one.severity === 'error' ? 1 : 0), 0),
    });
    if (shut.has(key)) continue;
    for (const member of members) {
      rows.push(member);
      if (details && details.of === member) rows.push(details);
    }
  }
  return rows;
}

// Asking the server: the public protocol, nothing else.

const KEY = 'crackerjack.token';
const SILENCE = 30_000; // milliseconds until a server that is silent is taken for gone

/** The token: from the address once (and taken out of it), else as kept for this tab. */
export function token() {
  const query = new URLSearchParams(location.search);
  const given = query.get('token');
  if (given !== null) {
    sessionStorage.setItem(KEY, given);
    query.delete('token');
    const rest = query.toString();
    history.replaceState(null, '', `${location.pathname}${rest ? `?${rest}` : ''}${location.hash}`);
  }
  return sessionStorage.getItem(KEY) || '';
}

/** @param {string} value */
export function keepToken(value) {
  sessionStorage.setItem(KEY, value);
}

/**
 * Where the server tells of a job; names may have any character.
 * @param {string} jobId
 * @param {...string} parts such as 'output' and the name of a hook
 */
export function jobPath(jobId, ...parts) {
  return `/${['jobs', jobId, ...parts].map(encodeURIComponent).join('/')}`;
}

/** Why the server did not answer as asked. */
export class Refused extends Error {
  /**
   * @param {number} status HTTP status; 0 when the server could not be reached
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether it may be another time: there is no server, or it cannot use its store. */
  get mayPass() {
    return this.status === 0 || this.status === 503;
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  const secret = token();
  if (!/^[!-~]*$/.test(secret)) throw new Refused(401, 'no token is like that: it has ASCII characters only');
  // a browser would take the dots for the directory above, and ask for something else
  if (/\/\.\.?(?=[/?]|$)/.test(path)) throw new Refused(404, 'there is no such job or hook');
  if (secret) headers.set('Authorization', `Bearer ${secret}`);
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), SILENCE);
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, signal: options.signal ? AbortSignal.any([options.signal, silence.signal]) : silence.signal });
  } catch {
    throw new Refused(0, 'the server does not answer');
  } finally {
    clearTimeout(timer); // how long the rest of an answer takes, hangs on its length
  }
  if (answer.ok) return answer;
  let detail = answer.statusText;
  try {
    detail = (await answer.json()).detail || detail;
  } catch {
    // no problem document: the status must do
  }
  throw new Refused(answer.status, detail);
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>} the answer's JSON
 */
export async function get(path, signal) {
  return (await ask(path, { signal })).json();
}

const PATIENCE = 8; // answers that may know less than this page
const PAUSE = 50; // milliseconds until the second of them; each time as much longer
export const BEHIND = 'the server knows fewer events of this job than this page: its store was replaced. Reload the page to begin anew';

/**
 * Wait before a server is asked again that has yet to read what this page has heard.
 * @param {number} times that it was behind
 * @returns {Promise<boolean>} false when that was often enough
 */
export async function isPatient(times) {
  await new Promise((done) => setTimeout(done, PAUSE * times));
  return times < PATIENCE;
}

/**
 * Ask until the answer has all that this page has heard.
 * @param {number} heard `seq`
 * @param {() => Promise<number>} asked resolves to the `seq` of an answer
 * @param {AbortSignal} signal
 */
export async function catchUp(heard, asked, signal) {
  for (let times = 1; await asked() < heard && !signal.aborted; times += 1) {
    if (!await isPatient(times)) throw new Error(BEHIND);
  }
}

/**
 * The same, while all else waits. Only for printing: a browser gives a page no other time to get itself ready.
 * @param {string} path
 * @returns {any} the answer's JSON
 */
export function getNow(path) {
  const asked = new XMLHttpRequest();
  asked.open('GET', path, false);
  if (token()) asked.setRequestHeader('Authorization', `Bearer ${token()}`);
  try {
    asked.send();
  } catch {
    throw new Refused(0, 'the server does not answer');
  }
  if (asked.status !== 200) throw new Refused(asked.status, asked.statusText);
  return JSON.parse(asked.responseText);
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<string>}
 */
export async function getText(path, signal) {
  return (await ask(path, { signal })).text();
}

/**
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function post(path, body) {
  const answer = await ask(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return answer.json();
}

/**
 * All events of some types that a job has now, page by page.
 * @param {string} jobId
 * @param {string} types comma-separated
 * @param {(event: any) => void} take
 * @param {AbortSignal} [signal]
 * @returns {Promise<number>} the `seq` up to which that is all
 */
export async function eachEvent(jobId, types, take, signal) {
  let since = 0;
  let stalls = 0;
  for (;;) {
    const query = new URLSearchParams({ since: String(since), limit: '1000', types });
    const page = await get(`${jobPath(jobId, 'events')}?${query}`, signal);
    page.events.forEach(take);
    if (page.next <= since && since < page.head && !await isPatient(stalls += 1)) throw new Error(BEHIND);
    since = page.next;
    if (since >= page.head) return since;
  }
}

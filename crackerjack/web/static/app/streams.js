// Streams over WebSocket: one connection for each, however many follow it; it comes back by itself.

const FIRST_DELAY = 0.2; // seconds
const LAST_DELAY = 5;
const KEPT = 5000; // events, for those who come later
const KEPT_SIZE = 8_000_000; // characters of them: output is long
const SILENCE = 45_000; // milliseconds; the server speaks every 20 s
const HANDSHAKE = 10_000; // milliseconds for a connection to be opened
const CHECK = 1000; // milliseconds between two checks for silence

/**
 * @typedef {object} Subscriber
 * @property {(events: any[]) => void} onEvents
 * @property {(state: import('./live.js').State) => void} onState
 * @property {(error: string) => void} onEnd
 */

/** Those that a new subscriber may join. @type {Map<string, Stream>} */
const streams = new Map();
/** All that are followed. @type {Set<Stream>} */
const open = new Set();

/**
 * @param {string} name `job/ID`, or `all`
 * @param {number} since
 * @param {string} token
 * @param {Subscriber} subscriber
 * @returns {() => void}
 */
export function subscribe(name, since, token, subscriber) {
  const key = `${token} ${name}`; // with another token there may be another answer
  let stream = streams.get(key);
  if (!stream || stream.over || !stream.reaches(since)) {
    stream = new Stream(name, since, token);
    streams.set(key, stream); // one that began later than this one wants goes on for its own
  }
  const joined = stream;
  joined.add(subscriber, since);
  return () => {
    if (joined.remove(subscriber) && streams.get(key) === joined) streams.delete(key);
  };
}

// The network is back: don't wait any longer.
self.addEventListener('online', () => open.forEach((stream) => stream.hurry()));
// A computer that slept, or a network that is gone: such a connection is never closed, it is only silent.
setInterval(() => open.forEach((stream) => stream.checkSilence()), CHECK);

class Stream {
  /** @param {string} name @param {number} since @param {string} token */
  constructor(name, since, token) {
    this.name = name;
    this.token = token;
    this.first = since;
    this.cursor = since;
    this.storeCursor = '';
    /** Messages as they came, with their length. @type {{events: any[], size: number}[]} */
    this.kept = [];
    this.keptCount = 0;
    this.keptSize = 0;
    /** @type {Set<Subscriber>} */
    this.subscribers = new Set();
    this.failures = 0;
    this.heard = Date.now();
    this.over = false;
    /** @type {string | null} */
    this.end = null;
    /** @type {import('./live.js').State} */
    this.state = { connected: false, reason: '', retryAfter: 0, seq: since };
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    open.add(this);
    this.open();
  }

  /** Whether it still has all events after this one. @param {number} since */
  reaches(since) {
    return this.name === 'all' || since >= this.first;
  }

  /** @param {Subscriber} subscriber @param {number} since */
  add(subscriber, since) {
    this.subscribers.add(subscriber);
    subscriber.onState(this.state);
    if (this.name === 'all') return;
    const missed = this.kept.flatMap(({ events }) => events.filter((event) => event.seq > since));
    if (missed.length) subscriber.onEvents(missed);
    if (this.end !== null) subscriber.onEnd(this.end);
  }

  /** @param {Subscriber} subscriber @returns {boolean} whether it was the last */
  remove(subscriber) {
    this.subscribers.delete(subscriber);
    if (this.subscribers.size) return false;
    this.stop();
    return true;
  }

  stop() {
    this.over = true;
    open.delete(this);
    clearTimeout(this.timer);
    this.socket?.close();
  }

  open() {
    const base = self.location.origin.replace(/^http/, 'ws');
    const query = new URLSearchParams({ batch: '1' });
    let path = '/ws/events';
    if (this.name === 'all') {
      query.set('types', 'workflow_*,job_*,hook_execution_*,hook_strategy_*,quality_phase_*');
      if (this.storeCursor) query.set('since', this.storeCursor);
    } else {
      path = `/ws/progress/${encodeURIComponent(this.name.slice(4))}`;
      query.set('since', String(this.cursor));
    }
    const named = /^[\w.!#$%&'*+^`|~-]+$/.test(this.token); // else it can be no subprotocol: base64 has / and =
    const protocols = named ? ['crackerjack', `crackerjack.bearer.${this.token}`] : [];
    if (this.token && !named) query.set('token', this.token);
    const socket = new WebSocket(`${base}${path}?${query}`, protocols);
    this.socket = socket;
    this.heard = Date.now();
    if (this.state.reason) this.tell({ connected: false, reason: this.state.reason, retryAfter: 0 });
    socket.onopen = () => {
      if (this.socket === socket) this.tell({ connected: true, reason: '', retryAfter: 0 });
    };
    socket.onmessage = ({ data }) => {
      if (this.socket === socket) this.take([].concat(JSON.parse(data)), data.length);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.socket === socket) this.closed(code, reason);
    };
  }

  /** @param {any[]} messages @param {number} size characters */
  take(messages, size) {
    this.failures = 0;
    this.heard = Date.now();
    const events = [];
    for (const message of messages) {
      if (message.cursor) this.storeCursor = message.cursor;
      if (message.event_type === 'stream_position' || message.seq === undefined) continue;
      if (this.name !== 'all') {
        if (message.seq <= this.cursor) continue;
        this.cursor = message.seq;
      }
      events.push(message);
    }
    if (!events.length) return;
    if (this.name !== 'all') this.keep(events, size);
    this.state.seq = this.cursor;
    for (const subscriber of this.subscribers) subscriber.onEvents(events);
  }

  /** @param {any[]} events @param {number} size characters */
  keep(events, size) {
    this.kept.push({ events, size });
    this.keptCount += events.length;
    this.keptSize += size;
    while (this.kept.length > 1 && (this.keptCount > KEPT || this.keptSize > KEPT_SIZE)) {
      const [oldest] = this.kept.splice(0, 1);
      this.keptCount -= oldest.events.length;
      this.keptSize -= oldest.size;
      this.first = oldest.events[oldest.events.length - 1].seq;
    }
  }

  /** @param {number} code @param {string} reason */
  closed(code, reason) {
    if (this.over) return;
    if (code === 1000) this.finish('');
    else if ([1003, 1007, 1008, 1009].includes(code) || (code >= 4400 && code < 4500 && code !== 4408)) {
      if (this.name === 'all' && code === 4410) { // another store: begin anew
        this.storeCursor = '';
        this.again(reason);
      } else this.finish(`the server refused: ${reason || code}. Reload the page to begin anew`);
    } else if (code === 1006 && this.failures > 0) this.ask(reason);
    else this.again(reason);
  }

  /** Why a connection cannot be opened, browsers don't tell: it may be the token. @param {string} reason */
  async ask(reason) {
    let status = 0;
    try {
      const headers = this.token ? { Authorization: `Bearer ${this.token}` } : undefined;
      status = (await fetch('/jobs?limit=1', { headers, signal: AbortSignal.timeout(HANDSHAKE) })).status;
    } catch {
      // it does not answer at all
    }
    if (this.over) return;
    if (status === 401) this.finish('401');
    else this.again(reason);
  }

  /** @param {string} reason */
  again(reason) {
    const told = /retry in ([0-9.]{1,8})/.exec(reason);
    const delay = told
      ? Number(told[1])
      : Math.min(LAST_DELAY, FIRST_DELAY * 2 ** Math.min(this.failures, 8)) * (0.5 + Math.random() / 2);
    this.failures += 1;
    this.tell({ connected: false, reason: reason || 'the server does not answer', retryAfter: delay });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), delay * 1000);
  }

  /** Don't wait any longer. */
  hurry() {
    if (this.over || this.state.connected || this.socket?.readyState === WebSocket.CONNECTING) return;
    clearTimeout(this.timer);
    this.open();
  }

  /** Leave a connection on which nothing is heard. */
  checkSilence() {
    const silent = this.socket;
    if (!silent || silent.readyState > WebSocket.OPEN) return; // it waits for its next try
    if (Date.now() - this.heard < (silent.readyState === WebSocket.OPEN ? SILENCE : HANDSHAKE)) return;
    this.socket = null; // it may take minutes until that one is closed
    silent?.close();
    this.again('the server is silent');
  }

  /** @param {string} error */
  finish(error) {
    this.end = error;
    this.stop();
    for (const subscriber of [...this.subscribers]) subscriber.onEnd(error);
  }

  /** @param {{connected: boolean, reason: string, retryAfter: number}} state */
  tell(state) {
    this.state = { ...state, seq: this.cursor };
    for (const subscriber of this.subscribers) subscriber.onState(this.state);
  }
}

// Streams over WebSocket: one connection for each, however many follow it; it comes back by itself.

const FIRST_DELAY = 0.2; // seconds
const LAST_DELAY = 5;
const KEPT = 5000; // events, for those who come later

/**
 * @typedef {object} Subscriber
 * @property {(events: any[]) => void} onEvents
 * @property {(state: {connected: boolean, reason: string, retryAfter: number, seq: number}) => void} onState
 * @property {(error: string) => void} onEnd
 */

/** @type {Map<string, Stream>} */
const streams = new Map();

/**
 * @param {string} name `job/ID`, or `all`
 * @param {number} since
 * @param {string} token
 * @param {Subscriber} subscriber
 * @returns {() => void}
 */
export function subscribe(name, since, token, subscriber) {
  let stream = streams.get(name);
  if (!stream || !stream.reaches(since)) {
    const own = stream !== undefined; // it began later than this one wants: that needs its own
    stream = new Stream(name, since, token);
    if (!own) streams.set(name, stream);
  }
  const joined = stream;
  joined.add(subscriber, since);
  return () => {
    if (joined.remove(subscriber) && streams.get(name) === joined) streams.delete(name);
  };
}

class Stream {
  /** @param {string} name @param {number} since @param {string} token */
  constructor(name, since, token) {
    this.name = name;
    this.token = token;
    this.first = since;
    this.cursor = since;
    this.storeCursor = '';
    /** @type {any[]} */
    this.kept = [];
    /** @type {Set<Subscriber>} */
    this.subscribers = new Set();
    this.failures = 0;
    this.over = false;
    /** @type {string | null} */
    this.end = null;
    this.state = { connected: false, reason: '', retryAfter: 0, seq: since };
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.open();
    self.addEventListener('online', () => this.hurry());
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
    const missed = this.kept.filter((event) => event.seq > since);
    if (missed.length) subscriber.onEvents(missed);
    if (this.end !== null) subscriber.onEnd(this.end);
  }

  /** @param {Subscriber} subscriber @returns {boolean} whether it was the last */
  remove(subscriber) {
    this.subscribers.delete(subscriber);
    if (this.subscribers.size) return false;
    this.over = true;
    clearTimeout(this.timer);
    this.socket?.close();
    return true;
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
    const protocols = this.token ? ['crackerjack', `crackerjack.bearer.${this.token}`] : [];
    const socket = new WebSocket(`${base}${path}?${query}`, protocols);
    this.socket = socket;
    socket.onopen = () => this.tell({ connected: true, reason: '', retryAfter: 0 });
    socket.onmessage = ({ data }) => this.take([].concat(JSON.parse(data)));
    socket.onclose = ({ code, reason }) => this.closed(code, reason);
  }

  /** @param {any[]} messages */
  take(messages) {
    this.failures = 0;
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
    if (this.name !== 'all') {
      this.kept.push(...events);
      if (this.kept.length > 2 * KEPT) {
        this.kept.splice(0, this.kept.length - KEPT);
        this.first = this.kept[0].seq - 1;
      }
    }
    this.state.seq = this.cursor;
    for (const subscriber of this.subscribers) subscriber.onEvents(events);
  }

  /** @param {number} code @param {string} reason */
  closed(code, reason) {
    if (this.over) return;
    if (code === 1000) return this.finish('');
    if ([1003, 1007, 1008, 1009].includes(code) || (code >= 4400 && code < 4500 && code !== 4408)) {
      if (this.name === 'all' && code === 4410) { // another store: begin anew
        this.storeCursor = '';
        return this.again(reason);
      }
      return this.finish(`refused: ${code} ${reason}`);
    }
    return this.again(reason);
  }

  /** @param {string} reason */
  again(reason) {
    const told = /retry in ([0-9.]{1,8})/.exec(reason);
    const delay = told
      ? Number(told[1])
      : Math.min(LAST_DELAY, FIRST_DELAY * 2 ** Math.min(this.failures, 8)) * (0.5 + Math.random() / 2);
    this.failures += 1;
    this.tell({ connected: false, reason: reason || 'the server does not answer', retryAfter: delay });
    this.timer = setTimeout(() => this.open(), delay * 1000);
  }

  /** The network is back: don't wait any longer. */
  hurry() {
    if (this.over || this.state.connected) return;
    clearTimeout(this.timer);
    this.open();
  }

  /** @param {string} error */
  finish(error) {
    this.over = true;
    this.end = error;
    for (const subscriber of this.subscribers) subscriber.onEnd(error);
  }

  /** @param {{connected: boolean, reason: string, retryAfter: number}} state */
  tell(state) {
    this.state = { ...state, seq: this.cursor };
    for (const subscriber of this.subscribers) subscriber.onState(this.state);
  }
}

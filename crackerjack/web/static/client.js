// Follows a job of crackerjack: every event once, in order, across lost connections.
//
//   const following = crackerjack.stream('http://127.0.0.1:8675', 'job123', {
//     since: 0,                       // only events after this seq
//     types: ['hook_*'],              // all when left out
//     token: '...',                   // only where the server has one; sent as a subprotocol if it can be one
//     onEvent: (event) => {},         // event_type, data, timestamp, job_id, seq
//     onState: (state) => {},         // {connected, reason, retryAfter}; retryAfter in seconds
//     onEnd: (error) => {},           // undefined: the job has ended; else why there is no more
//   });
//   following.close();
//
// Needs a global WebSocket, or one given as {WebSocket: ...}, such as that of the package `ws`.
(function (root, factory) {
  if (typeof module === 'object' && module.exports) module.exports = factory();
  else root.crackerjack = factory();
})(typeof self !== 'undefined' ? self : this, function () {
  'use strict';

  const CONTROL = new Set(['job_snapshot', 'stream_position', 'pong', 'error', 'cancel_requested']);
  const FIRST_DELAY = 0.1; // seconds before coming back
  const LAST_DELAY = 10;
  const LONGEST_TOLD = 60; // seconds that a server may keep us away

  // Close codes that say "don't come back"; 1012, 1013 and 4408 say "come back with since".
  function isFinal(code) {
    return [1003, 1007, 1008, 1009].includes(code) || (code >= 4400 && code < 4500 && code !== 4408);
  }

  function parse(text) {
    try {
      const said = [].concat(JSON.parse(text));
      return said.every((one) => one && typeof one.event_type === 'string') ? said : null;
    } catch {
      return null;
    }
  }

  function stream(url, jobId, options) {
    const settings = Object.assign({ since: 0, onEvent() {}, onState() {}, onEnd() {} }, options);
    const Socket = settings.WebSocket || WebSocket;
    const token = settings.token || '';
    const named = /^[\w.!#$%&'*+^`|~-]+$/.test(token); // else it can be no subprotocol: base64 has / and =
    const filtered = Boolean(settings.types && settings.types.length);
    const base = url.replace(/^http/, 'ws').replace(/\/+$/, '');
    let cursor = settings.since;
    let socket = null;
    let timer = null;
    let failures = 0;
    let over = false;

    function close() {
      over = true;
      clearTimeout(timer);
      if (socket) socket.close();
    }

    function finish(error) {
      if (over) return;
      close();
      settings.onEnd(error);
    }

    function take(event) {
      if (over || CONTROL.has(event.event_type) || event.seq <= cursor) return;
      if (!filtered && event.seq !== cursor + 1) {
        finish(new Error(`after event ${cursor} of job ${jobId} came ${event.seq}: events are missing`));
        return;
      }
      cursor = event.seq;
      failures = 0;
      settings.onEvent(event);
    }

    function open() {
      // After a failure in small messages: of a large one that is cut off, nothing would be left.
      const query = new URLSearchParams({ since: String(cursor), batch: failures ? '0' : '1' });
      if (filtered) query.set('types', settings.types.join(','));
      if (token && !named) query.set('token', token);
      const address = `${base}/ws/progress/${encodeURIComponent(jobId)}?${query}`;
      const protocols = named ? ['crackerjack', `crackerjack.bearer.${token}`] : [];
      socket = new Socket(address, protocols);
      socket.onopen = () => settings.onState({ connected: true, reason: '', retryAfter: 0 });
      socket.onmessage = (message) => {
        const events = parse(message.data);
        if (events === null) finish(new Error('what the server says is not an event'));
        else events.forEach(take);
      };
      socket.onerror = () => {}; // a close event follows
      socket.onclose = (closed) => {
        if (over) return;
        if (closed.code === 1000) finish();
        else if (isFinal(closed.code)) finish(new Error(`refused: ${closed.code} ${closed.reason}`));
        else retry(closed.reason || 'the connection was lost');
      };
    }

    function retry(reason) {
      const told = /retry in ([0-9]{1,9}(?:\.[0-9]{1,9})?)/.exec(reason);
      const delay = told
        ? Math.min(LONGEST_TOLD, Number(told[1]))
        : Math.min(LAST_DELAY, FIRST_DELAY * 2 ** Math.min(failures, 16)) * (0.5 + Math.random() / 2);
      failures += 1;
      settings.onState({ connected: false, reason, retryAfter: delay });
      timer = setTimeout(open, delay * 1000);
    }

    open();
    return {
      get cursor() { return cursor; },
      close,
    };
  }

  return { stream };
});

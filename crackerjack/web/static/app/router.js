// Deep links: everything that can be looked at has an address after the #.

/**
 * @typedef {object} Place
 * @property {string[]} parts such as ['job', 'ab12', 'findings']
 * @property {URLSearchParams} query
 */

/** Where we are. @returns {Place} */
export function here() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  return {
    parts: path.split('/').filter(Boolean).map(decoded),
    query: new URLSearchParams(query || ''),
  };
}

/** A part of an address; one that was written by hand may be no such thing. @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * The address of a place.
 * @param {string[]} parts
 * @param {Record<string, string | null | undefined>} [query]
 */
export function link(parts, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const rest = new URLSearchParams(/** @type {[string, string][]} */ (given)).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${rest ? `?${rest}` : ''}`;
}

/**
 * Change the query of where we are, without a step in the history.
 * @param {Record<string, string | null>} changes
 */
export function refine(changes) {
  const { parts, query } = here();
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  try {
    history.replaceState(null, '', link(parts, Object.fromEntries(query)));
  } catch {
    // some browsers refuse a hundred changes in a few seconds: the next one makes up for it
  }
}

/** @param {(place: Place) => void} show */
export function route(show) {
  addEventListener('hashchange', () => show(here()));
  show(here());
}

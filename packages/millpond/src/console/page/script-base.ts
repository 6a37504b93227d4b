// The page's script, first part: what it knows, how it hears of it, and how elements are made. Text always goes in as text: names of pools,
// labels and errors are somebody else's words.

export const SCRIPT_BASE: string = String.raw`
'use strict';
const $ = (id) => document.getElementById(id);
const state = { snapshot: undefined, pool: undefined, search: '', points: [], events: new Map(), startedAt: undefined, source: undefined,
  tab: 'now' };

/** An element with attributes and children; strings become text. */
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'on') for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children);
  return node;
}
function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}
const count = (value) => value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });
function duration(ms) {
  if (ms >= 3600e3) return Math.floor(ms / 3600e3) + ' h ' + Math.floor(ms % 3600e3 / 60e3) + ' min';
  if (ms >= 60e3) return Math.floor(ms / 60e3) + ' min ' + Math.floor(ms % 60e3 / 1e3) + ' s';
  if (ms >= 1e3) return (ms / 1e3).toFixed(ms < 10e3 ? 1 : 0) + ' s';
  if (ms >= 10 || ms === 0) return Math.round(ms) + ' ms';
  return ms >= 1 ? ms.toFixed(1) + ' ms' : Math.round(ms * 1e3) + ' µs';
}
const clock = (at) => new Date(at).toLocaleTimeString('en-GB');
const say = (text) => { if ($('said').textContent !== text) $('said').textContent = text; };

// ------------------------------------------------------------------------------------------------------------------ hearing

function query() {
  const wish = new URLSearchParams();
  if (state.pool !== undefined) wish.set('pool', state.pool);
  if (state.search !== '') wish.set('search', state.search);
  return wish.toString();
}
function listen() {
  state.source?.close();
  const source = new EventSource('events?' + query());
  state.source = source;
  source.addEventListener('hello', ({ data }) => { state.points = []; take(JSON.parse(data)); });
  source.addEventListener('now', ({ data }) => take(JSON.parse(data)));
  source.addEventListener('full', () =>
    { source.close(); lost('Too many people look at this process. Close one of them and load this page again.'); });
  source.onerror = () => {
    lost('The process does not answer. What you see is how it was; this page goes on by itself when it is back.');
    // A browser gives up where somebody else answers in between, as a proxy does.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (state.source === source) listen(); }, 1000);
  };
}
function lost(text) {
  $('link').textContent = 'lost';
  $('link').className = 'pill lost';
  $('lost').textContent = text;
  $('lost').hidden = false;
}
function take(snapshot) {
  $('lost').hidden = true;
  $('link').textContent = 'live';
  $('link').className = 'pill live';
  const { startedAt } = snapshot.process;
  if (state.startedAt !== undefined && Math.abs(startedAt - state.startedAt) > 1) {
    say('The process was restarted.');
    state.events.clear();
    state.points = [];
  }
  state.startedAt = startedAt;
  for (const event of snapshot.events) state.events.set(event.id + event.pool, event);
  if (state.events.size > 400) state.events = new Map([...state.events].slice(-300));
  if (snapshot.detail !== undefined && snapshot.detail.id === state.pool) {
    const newest = state.points.at(-1)?.[0] ?? 0;
    state.points.push(...snapshot.detail.points.filter(([at]) => at > newest));
    state.points = state.points.slice(-300);
  }
  state.snapshot = snapshot;
  if (state.pool === undefined && snapshot.pools.length > 0) choose(snapshot.pools[0].id);
  else draw();
}
function choose(id) {
  if (state.pool === id) return;
  state.pool = id;
  state.points = [];
  remember();
  listen();
  draw();
}
/** The address says what is looked at, so that it can be sent to somebody. */
function remember() {
  history.replaceState(undefined, '', '#' + new URLSearchParams({ pool: state.pool ?? '', view: state.tab }));
}
async function act(action, more = {}) {
  try {
    const response = await fetch('actions', {
      method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Millpond-Console': '1' },
      body: JSON.stringify({ pool: state.pool, action, ...more }),
    });
    const answer = await response.text();
    say(response.ok ? state.pool + ' ' + JSON.parse(answer).text : answer);
  } catch (error) {
    say('The process did not answer: ' + error.message);
  }
}
`;

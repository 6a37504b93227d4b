// The page's script, third part: the views, and what the reader does.

export const SCRIPT_VIEWS: string = String.raw`
const TABS = ['now', 'slow', 'holds', 'events', 'config'];
const TROUBLE = new Set(['createError', 'refused', 'leak', 'staleRelease']);

function draw() {
  const { snapshot } = state;
  if (snapshot === undefined) return;
  const { process } = snapshot;
  $('process').textContent = 'process ' + process.pid + ' · Node ' + process.node + ' · up ' + duration(process.upMs);
  $('mode').textContent = snapshot.actions ? 'may change pools' : 'read only';
  drawList(snapshot);
  const view = snapshot.pools.find(({ id }) => id === state.pool);
  $('doing').hidden = !snapshot.actions;
  if (view === undefined) {
    $('name').textContent = state.pool === undefined ? 'No pool yet' : state.pool + ' is gone';
    $('state').hidden = true;
    return;
  }
  $('name').textContent = view.id;
  if (!$('state').hidden && $('state').dataset.pool === view.id && $('state').textContent !== view.stats.state) say(view.id + ' is '
    + view.stats.state);
  $('state').hidden = false;
  $('state').dataset.pool = view.id;
  $('state').textContent = view.stats.state;
  $('state').className = 'pill ' + view.stats.state;
  const { borrowed, waiting } = view.peaks;
  $('peaks').textContent = 'most borrowed ' + borrowed.value + ' at ' + clock(borrowed.at) + ', most waiting ' + waiting.value + ' at '
    + clock(waiting.at);
  const detail = snapshot.detail?.id === view.id ? snapshot.detail : undefined;
  if (state.tab === 'now') drawNow(view, detail);
  else if (state.tab === 'events') drawEvents(snapshot);
  else if (detail !== undefined) ({ slow: drawSlow, holds: drawHolds, config: drawConfig })[state.tab](detail, view);
}

function drawList({ pools, morePools }) {
  const list = $('pools');
  const rows = new Map([...list.children].map((row) => [row.dataset.id, row]));
  for (const view of pools) {
    const row = rows.get(view.id) ?? newRow(view.id);
    rows.delete(view.id);
    fillRow(row, view);
    list.append(row);
  }
  for (const row of rows.values()) row.remove();
  $('more').hidden = morePools === 0;
  $('more').textContent = 'and ' + count(morePools) + ' more: find them by name';
}
function newRow(id) {
  const bar = el('div', { class: 'bar' }, el('i', { class: 'b' }), el('i', { class: 'i' }), el('i', { class: 'c' }));
  const button = el('button', { type: 'button', on: { click: () => { choose(id); } } },
    el('span', { class: 'name' }, el('span', {}, id), el('span', { class: 'size num' })), bar, el('span', { class: 'facts num' }));
  const row = el('li', {}, button);
  row.dataset.id = id;
  return row;
}
function fillRow(row, { id, stats, perSecond, wait }) {
  const button = row.firstChild;
  button.setAttribute('aria-current', String(id === state.pool));
  const whole = Math.max(stats.max, stats.size, 1);
  const [b, i, c] = row.querySelectorAll('i');
  b.style.width = 100 * stats.borrowed / whole + '%';
  i.style.width = 100 * stats.idle / whole + '%';
  c.style.width = 100 * stats.creating / whole + '%';
  row.querySelector('.size').textContent = stats.borrowed + ' of ' + stats.max;
  const facts = row.querySelector('.facts');
  facts.replaceChildren(el('span', {}, count(perSecond) + '/s'), el('span', {}, 'wait p99 ' + duration(wait.p99)),
    el('span', { class: stats.state !== 'open' ? 'bad' : stats.waiting > 0 ? 'warn' : '' },
      stats.state !== 'open' ? stats.state : stats.waiting > 0 ? count(stats.waiting) + ' waiting' : 'nobody waits'));
}

function tile(value, name) {
  return el('div', { class: 'tile' }, el('b', {}, value), el('span', {}, name));
}
function drawNow(view, detail) {
  const { stats, wait, perSecond, waitedMs } = view;
  $('tiles').replaceChildren(
    tile(stats.borrowed + ' / ' + stats.max, 'borrowed'), tile(String(stats.idle), 'idle'), tile(count(stats.waiting), 'waiting'),
    tile(count(perSecond), 'per second'), tile(duration(wait.p99), 'wait, 99 %'), tile(count(stats.totals.timedOut), 'timed out'),
    tile(count(stats.totals.createErrors), 'creates failed'));
  $('first').textContent = waitedMs.length === 0 ? '' : 'the first in line has waited for ' + duration(waitedMs[0]);
  $('slots').replaceChildren(...slotsOf(view));
  $('slots').setAttribute('aria-label', stats.borrowed + ' borrowed, ' + stats.idle + ' idle, ' + stats.creating + ' being created, '
    + stats.waiting + ' waiting, of at most ' + stats.max);
  drawTimeline();
  const lanes = detail?.lanes ?? [];
  $('lanes').hidden = lanes.length < 2;
  const heads = [['lane'], ['share', 'num'], ['borrowed', 'num'], ['waiting', 'num'], ['first in line for', 'num']];
  $('lanes').lastChild.replaceChildren(table(heads,
    lanes.map(({ name, share, held, waiting, oldestMs }) => el('tr', {}, el('td', {}, name), el('td', { class: 'num' }, count(share)),
      el('td', { class: 'num' }, count(held)), el('td', { class: 'num' }, count(waiting)),
      el('td', { class: 'num' }, waiting === 0 ? '–' : duration(oldestMs)))), ''));
}
function legends() {
  const entry = (kind, text) => el('span', {}, el('i', { class: 'slot ' + kind }), text);
  $('slot-legend').append(entry('busy', 'borrowed'), entry('old', 'for more than 5 s'), entry('stuck', 'for more than 30 s'),
    entry('idle', 'idle'),
    entry('creating', 'being created'), entry('resetting', 'reset or validated'), entry('destroying', 'being closed'), entry('waiter',
      'a caller who waits'), entry('waiter late', 'for more than 1 s'));
  $('line-legend').append(entry('busy', 'borrowed'), entry('idle', 'idle'), entry('creating', 'being created'), entry('waiter',
    'waiting (line)'),
    el('span', {}, '- - max'));
}

/** Where the time of a caller goes, in a sentence or two. */
function verdict({ wait, use, create, holders }, { stats }) {
  if (stats.state === 'paused') return 'The pool is paused: nothing is lent until it is resumed.';
  if (stats.state === 'unavailable') return 'Creating fails, and the breaker is open: callers are refused at once. The events say why.';
  const oldest = holders[0];
  if (stats.waiting > 0 && stats.borrowed >= stats.max) {
    const held = oldest === undefined ? '' : ' The oldest is held for ' + duration(oldest.heldMs) + (oldest.label === undefined ? '.'
      : ' by "' + oldest.label + '".');
    if (oldest !== undefined && oldest.heldMs > 30e3) return 'Callers wait because all ' + stats.max
      + ' are out, and some are not coming back.' + held + ' See who holds them.';
    return 'Callers wait because all ' + stats.max + ' are out; each is used for about ' + duration(use.p50) + '.' + held
      + ' Shorter use helps for certain. A larger max helps only if the server has room: the chart of sizes shows whether it had.';
  }
  if (stats.waiting > 0) return 'Callers wait for resources that are being created; a create takes about ' + duration(create.p50) + '.';
  if (wait.count > 0 && wait.p99 > 10 && wait.p99 > use.p50) return 'Nobody waits now, but one in a hundred has waited '
    + duration(wait.p99) + ' or longer: there are bursts.';
  if (use.count === 0) return 'Nobody waits, and nothing has come back since somebody began to look here.';
  return 'Nobody waits. If it is slow, the time goes into the use (' + duration(use.p50) + ' at the median), not into the pool.';
}
function drawSlow(detail, view) {
  $('verdict').textContent = verdict(detail, view);
  $('histograms').replaceChildren(histogram('wait', 'Wait for a lease', detail.wait), histogram('use', 'Use of a lease', detail.use),
    histogram('create', 'Create', detail.create));
  $('sizes').replaceChildren(sizesChart(detail.sizes, view.stats.max));
}

function table(columns, rows, empty) {
  if (rows.length === 0) return el('p', { class: 'quiet' }, empty);
  const heads = columns.map(([name, kind]) => el('th', { scope: 'col', class: kind }, name));
  return el('table', {}, el('thead', {}, el('tr', {}, ...heads)), el('tbody', {}, ...rows));
}
function drawHolds({ holders, moreHolders, longHolds }) {
  // What is open stays open, and what has the focus keeps it.
  const open = new Set([...document.querySelectorAll('#holders details[open]')].map((each) => each.dataset.id));
  if ($('holders').contains(document.activeElement)) return;
  const rows = holders.map(({ id, label, heldMs, stack }) => {
    const details = stack === undefined ? '' : el('details', { open: open.has(String(id)) }, el('summary', {}, 'where'), el('pre', {},
      stack));
    if (details !== '') details.dataset.id = id;
    const click = () => endLease(id, heldMs, label);
    const end = state.snapshot.actions ? el('button', { class: 'do danger', type: 'button', on: { click } },
      'End the lease') : '';
    return el('tr', {}, el('td', { class: 'num' }, '#' + id), el('td', { class: heldMs > 30e3 ? 'num bad' : heldMs > 5e3 ? 'num warn'
      : 'num' }, duration(heldMs)),
      el('td', {}, el('div', { class: 'by' }, el('div', {}, label ?? '–', details), end)));
  });
  $('holders').replaceChildren(table([['resource', 'num'], ['held for', 'num'], ['by']], rows, 'Nobody holds anything.'),
    moreHolders > 0 ? el('p', { class: 'quiet' }, 'and ' + moreHolders + ' more') : '',
    rows.length > 0 && holders.every(({ stack }) => stack === undefined)
      ? el('p', { class: 'quiet' },
        'Where they were acquired is not known: keep stacks (option captureStacks, or for a minute under Config).') : '');
  $('long').replaceChildren(table([['label'], ['longest', 'num'], ['seconds seen', 'num']], longHolds.map(({ label, longestMs, seen }) =>
    el('tr', {}, el('td', {}, label), el('td', { class: 'num' }, duration(longestMs)), el('td', { class: 'num' }, count(seen)))),
      'None above a second.'));
}
function endLease(id, heldMs, label) {
  const which = 'the lease of #' + id + (label === undefined ? '' : ' by "' + label + '"') + ', held for ' + duration(heldMs);
  // By its age, so that nobody else's is ended who has got the resource in the meantime.
  if (confirm('End ' + which + '? Its holder finds it ended, and the resource is destroyed.')) {
    void act('reclaim', { resource: id, heldMs });
  }
}

function drawEvents({ eventsLeftOut }) {
  const [scope, kind] = [$('scope').value, $('kind').value];
  const shown = [...state.events.values()].filter((event) => (scope === 'all' || event.pool === state.pool)
    && (kind === '' || TROUBLE.has(event.kind) || (event.kind === 'destroy' && ['broken', 'invalid', 'resetFailed',
      'stale'].includes(event.what))))
    .sort((a, b) => b.at - a.at).slice(0, 150);
  $('left').hidden = eventsLeftOut === 0;
  $('left').textContent = count(eventsLeftOut) + ' events were more than could be kept.';
  $('events').replaceChildren(...shown.map(({ at, pool, kind, what, text, stack }) => el('li', {},
    el('time', { class: 'num quiet', datetime: new Date(at).toISOString() }, clock(at)),
    el('span', { class: TROUBLE.has(kind) ? 'bad' : '' }, kind === 'destroy' || kind === 'state' ? kind + ': ' + what : kind),
    el('span', { class: 'text' }, (scope === 'all' ? pool + ' ' : '') + text, stack === undefined ? '' : el('pre', {}, stack)))));
  if (shown.length === 0) $('events').append(el('li', {}, el('span', { class: 'quiet' }, 'Nothing yet.')));
}

function drawConfig({ settings }, { stats }) {
  for (const name of ['min', 'max']) if (document.activeElement !== $(name) && !$(name).dataset.touched) $(name).value = stats[name];
  $('settings').replaceChildren(table([['setting'], ['value'], ['']], settings.map(({ name, value, isDefault }) =>
    el('tr', {}, el('td', { class: 'key' }, name), el('td', {}, value),
      el('td', { class: 'key quiet' }, isDefault ? 'default' : 'chosen'))),
    'This pool does not tell its settings.'));
}

function show(tab) {
  state.tab = tab;
  for (const each of TABS) {
    const chosen = each === tab;
    $('tab-' + each).setAttribute('aria-selected', String(chosen));
    $('tab-' + each).tabIndex = chosen ? 0 : -1;
    $('panel-' + each).hidden = !chosen;
  }
  remember();
  draw();
}
$('tabs').addEventListener('click', ({ target }) => { if (target.id.startsWith('tab-')) show(target.id.slice(4)); });
$('tabs').addEventListener('keydown', (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const to = event.key === 'Home' ? 0 : event.key === 'End' ? TABS.length - 1
    : step === undefined ? -1 : (TABS.indexOf(state.tab) + step + TABS.length) % TABS.length;
  if (to < 0) return;
  event.preventDefault();
  show(TABS[to]);
  $('tab-' + TABS[to]).focus();
});
let typing;
$('search').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => { state.search = $('search').value; listen(); }, 250);
});
$('filter').addEventListener('change', draw);
for (const name of ['min', 'max']) $(name).addEventListener('input', () => { $(name).dataset.touched = '1'; });
$('resize').addEventListener('submit', (event) => {
  event.preventDefault();
  void act('resize', { min: Number($('min').value), max: Number($('max').value) });
  for (const name of ['min', 'max']) delete $(name).dataset.touched;
});
$('doing').addEventListener('click', ({ target }) => { if (target.dataset.do !== undefined) void act(target.dataset.do); });
addEventListener('resize', () => { if (state.tab === 'now') drawTimeline(); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);

legends();
const asked = new URLSearchParams(location.hash.slice(1));
if (asked.get('pool')) state.pool = asked.get('pool');
show(TABS.includes(asked.get('view')) ? asked.get('view') : 'now');
listen();
`;

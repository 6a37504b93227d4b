// The page's script, second part: the pictures. Each has a sentence that says the same to who cannot see it.

export const SCRIPT_CHARTS: string = String.raw`
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

/** Borrowed and idle as areas on each other, what is being created on top, waiting as a line. */
function drawTimeline() {
  const canvas = $('timeline');
  const { points } = state;
  const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
  if (width === 0) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext('2d');
  pen.scale(ratio, ratio);
  pen.font = '11px system-ui, sans-serif';
  const [left, right, top, bottom] = [34, 8, 8, 20];
  const most = Math.max(1, ...points.map(([, idle, borrowed, waiting, creating, , max]) => Math.max(idle + borrowed + creating, waiting,
    max)));
  const now = points.at(-1)?.[0] ?? Date.now();
  // A pool that has just been made fills the picture soon.
  const span = Math.min(300e3, Math.max(60e3, now - (points[0]?.[0] ?? now)));
  const x = (at) => left + (width - left - right) * (1 - Math.min(1, (now - at) / span));
  const y = (value) => height - bottom - (height - top - bottom) * value / most;
  pen.strokeStyle = colour('line');
  pen.fillStyle = colour('soft');
  for (const part of [0, .5, 1]) {
    const value = Math.round(most * part);
    pen.beginPath();
    pen.moveTo(left, y(value));
    pen.lineTo(width - right, y(value));
    pen.stroke();
    pen.textAlign = 'right';
    pen.fillText(count(value), left - 5, y(value) + 4);
  }
  const step = span > 120e3 ? 60e3 : 20e3;
  for (let ago = 0; ago <= span; ago += step) {
    const place = x(now - ago);
    pen.textAlign = ago === 0 ? 'right' : place < left + 20 ? 'left' : 'center';
    pen.fillText(ago === 0 ? 'now' : step === 60e3 ? '-' + ago / 60e3 + ' min' : '-' + ago / 1e3 + ' s', place, height - 5);
  }
  const area = (from, to, name) => {
    pen.fillStyle = colour(name);
    pen.beginPath();
    points.forEach((point, index) => pen[index === 0 ? 'moveTo' : 'lineTo'](x(point[0]), y(to(point))));
    for (let index = points.length - 1; index >= 0; index--) pen.lineTo(x(points[index][0]), y(from(points[index])));
    pen.fill();
  };
  if (points.length > 1) {
    area(() => 0, (p) => p[2], 'busy');
    area((p) => p[2], (p) => p[2] + p[1], 'idle');
    area((p) => p[2] + p[1], (p) => p[2] + p[1] + p[4], 'make');
  }
  const line = (of, name, dash) => {
    pen.strokeStyle = colour(name);
    pen.lineWidth = 2;
    pen.setLineDash(dash);
    pen.beginPath();
    points.forEach((point, index) => pen[index === 0 ? 'moveTo' : 'lineTo'](x(point[0]), y(of(point))));
    pen.stroke();
    pen.setLineDash([]);
    pen.lineWidth = 1;
  };
  line((p) => p[6], 'soft', [4, 4]);
  line((p) => p[3], 'wait', []);
  const last = points.at(-1);
  canvas.setAttribute('aria-label', last === undefined ? 'No readings yet.'
    : 'Now ' + last[2] + ' borrowed, ' + last[1] + ' idle, ' + last[3] + ' waiting, of at most ' + last[6]
      + '. Most that waited in this time: ' + Math.max(...points.map((p) => p[3])) + '.');
}

/** A distribution on a scale of powers of two. */
function histogram(name, title, { count: all, p50, p95, p99, max, buckets }) {
  const steps = new Map();
  for (const [upTo, many] of buckets) {
    const step = upTo <= 0.001 ? -10 : Math.ceil(Math.log2(upTo));
    steps.set(step, (steps.get(step) ?? 0) + many);
  }
  const words = all === 0 ? 'nothing yet' : 'half within ' + duration(p50) + ', 95 % ' + duration(p95) + ', 99 % ' + duration(p99)
    + ', longest ' + duration(max);
  const card = el('div', { class: 'card' }, el('h3', {}, title), el('div', { class: 'quiet' }, words));
  if (all === 0) return card;
  const [from, to] = [Math.min(...steps.keys()), Math.max(...steps.keys())];
  const most = Math.max(...steps.values());
  const wide = 280 / (to - from + 1);
  const chart = svg('svg', { viewBox: '0 0 280 124', class: 'chart', role: 'img', 'aria-label': title + ': ' + words });
  for (let step = from; step <= to; step++) {
    const high = 96 * Math.sqrt((steps.get(step) ?? 0) / most);
    chart.append(svg('rect', { class: name, x: (step - from) * wide + 1, y: 100 - high, width: Math.max(1, wide - 2), height: high,
      rx: 2 }));
  }
  chart.append(svg('line', { class: 'axis', x1: 0, x2: 280, y1: 100.5, y2: 100.5 }));
  for (let step = from; step <= to; step += Math.ceil(64 / wide)) {
    // Below the middle of its bar; those at the ends must not be cut off.
    const middle = (step - from + .5) * wide;
    const anchor = middle < 26 ? 'start' : middle > 254 ? 'end' : 'middle';
    const at = middle < 26 ? 0 : middle > 254 ? 280 : middle;
    chart.append(svg('text', { x: at, y: 115, 'text-anchor': anchor }, step <= -10 ? 'at once' : '≤ ' + duration(2 ** step)));
  }
  card.append(chart);
  return card;
}

/** What was served per second at each size that the pool has had. */
function sizesChart(sizes, today) {
  const known = sizes.filter(({ seconds }) => seconds >= 1).map(({ max, seconds, served }) => ({ max, rate: served / seconds }));
  if (known.length === 0) return el('p', { class: 'quiet' }, 'Nothing has been served yet.');
  const words = known.map(({ max, rate }) => max + ': ' + count(rate) + '/s').join(', ');
  const note = known.length > 1 ? words : words + '. Change the size while load runs, and the curve appears.';
  const most = Math.max(...known.map(({ rate }) => rate), 1);
  const [low, high] = [Math.log(Math.max(1, known[0].max)), Math.log(Math.max(2, known.at(-1).max))];
  const x = (max) => 30 + 520 * (high === low ? .5 : (Math.log(Math.max(1, max)) - low) / (high - low));
  const y = (rate) => 130 - 110 * rate / most;
  const chart = svg('svg', { viewBox: '0 0 580 160', class: 'chart', role: 'img', 'aria-label': 'Served per second by size: ' + words });
  chart.append(svg('line', { class: 'axis', x1: 20, x2: 570, y1: 130.5, y2: 130.5 }));
  chart.append(svg('polyline', { class: 'line', points: known.map(({ max, rate }) => x(max) + ',' + y(rate)).join(' ') }));
  for (const { max, rate } of known) {
    chart.append(svg('circle', { class: max === today ? 'today' : 'dot', cx: x(max), cy: y(rate), r: max === today ? 6 : 4 }));
    chart.append(svg('text', { x: x(max), y: 148, 'text-anchor': 'middle' }, String(max)));
    chart.append(svg('text', { x: x(max), y: y(rate) - 9, 'text-anchor': 'middle' }, count(rate)));
  }
  return el('div', {}, chart, el('p', { class: 'quiet' }, note));
}

/** One cell per place, up to some hundred; by the age of what is lent. */
function slotsOf({ stats, heldMs, waitedMs }) {
  const cells = [];
  const cell = (kind, title) => cells.push(el('span', { class: 'slot ' + kind, title }));
  const room = 240;
  for (let index = 0; index < Math.min(stats.borrowed, room); index++) {
    const held = heldMs[index] ?? 0;
    cell(held > 30e3 ? 'stuck' : held > 5e3 ? 'old' : 'busy', 'borrowed for ' + duration(held));
  }
  for (const kind of ['idle', 'validating', 'resetting', 'creating', 'destroying']) {
    for (let index = 0; index < Math.min(stats[kind], room); index++) cell(kind, kind);
  }
  for (let index = stats.size; index < Math.min(stats.max, room); index++) cell('', 'free');
  for (let index = 0; index < Math.min(stats.waiting, 60); index++) {
    const waited = waitedMs[index] ?? 0;
    cell(waited > 1e3 ? 'waiter late' : 'waiter', 'has waited for ' + duration(waited));
  }
  return cells;
}
`;

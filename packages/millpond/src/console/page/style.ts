// How the page looks: light and dark by what the reader's system prefers, one column on a phone.

export const STYLE: string = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f4; --card: #ffffff; --line: #d9ddd3; --ink: #1d2420; --soft: #57625b; --faint: #eef1ea;
  --water: #0d6e8a; --idle: #8fc3ae; --busy: #1c7fa3; --old: #c2571a; --stuck: #b3261e; --wait: #9a6b00; --make: #6b5bb5; --good: #19764a;
  --focus: #0b57d0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #111614; --card: #1a211e; --line: #33403a; --ink: #e6ece8; --soft: #a3b1a9; --faint: #222b27;
    --water: #62c3df; --idle: #4d8570; --busy: #4aa9cc; --old: #f0924f; --stuck: #ff8a80; --wait: #e5b94e; --make: #b3a5f2; --good: #6dcf9c;
    --focus: #9cc2ff;
  }
}
* { box-sizing: border-box; }
html { font: 15px/1.45 system-ui, -apple-system, "Segoe UI", sans-serif; background: var(--ground); color: var(--ink); }
body { margin: 0; }
h1, h2, h3 { margin: 0; font-weight: 650; line-height: 1.25; }
h1 { font-size: 1.1rem; } h2 { font-size: 1.15rem; overflow-wrap: anywhere; } h3 { font-size: .95rem; }
button, input, select { font: inherit; color: inherit; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
[hidden] { display: none !important; }
.skip { position: absolute; left: -999px; } .skip:focus { left: 8px; top: 8px; background: var(--card); padding: 6px 10px; z-index: 2; }
.quiet { color: var(--soft); } .num { font-variant-numeric: tabular-nums; }
header { display: flex; flex-wrap: wrap; gap: 6px 18px; align-items: center; padding: 10px 18px; background: var(--card);
  border-bottom: 1px solid var(--line); }
header .mark { display: flex; gap: 9px; align-items: center; }
header svg { width: 26px; height: 26px; fill: none; stroke: var(--water); stroke-width: 2; stroke-linecap: round; }
header .quiet { font-size: .87rem; }
.pill { display: inline-flex; gap: 6px; align-items: center; padding: 1px 10px; border-radius: 99px; border: 1px solid var(--line);
  font-size: .85rem; white-space: nowrap; }
.pill::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: var(--soft); }
.pill.live::before, .pill.open::before { background: var(--good); } .pill.lost::before, .pill.unavailable::before, .pill.closed::before {
  background: var(--stuck); }
.pill.paused::before, .pill.draining::before { background: var(--wait); }
#lost { background: var(--stuck); color: var(--card); padding: 8px 18px; }
.frame { display: grid; grid-template-columns: minmax(250px, 330px) minmax(0, 1fr); gap: 16px; padding: 16px 18px 40px;
  max-width: 1500px; margin: 0 auto; }
nav, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
nav { align-self: start; overflow: hidden; }
nav .find { padding: 10px; border-bottom: 1px solid var(--line); }
input, select { background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 5px 8px; }
nav input { width: 100%; }
nav ul { list-style: none; margin: 0; padding: 0; max-height: 78vh; overflow: auto; }
nav li + li { border-top: 1px solid var(--line); }
nav li button { display: block; width: 100%; text-align: left; background: none; border: 0; border-left: 4px solid transparent;
  padding: 9px 12px; cursor: pointer; }
nav li button:hover { background: var(--faint); } nav li button[aria-current="true"] { background: var(--faint);
  border-left-color: var(--water); }
nav .name { display: flex; justify-content: space-between; gap: 8px; font-weight: 600; overflow-wrap: anywhere; }
nav .facts { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 10px; font-size: .84rem; color: var(--soft); }
.bar { display: flex; height: 8px; margin: 5px 0; border-radius: 4px; overflow: hidden; background: var(--faint);
  border: 1px solid var(--line); }
.bar i { display: block; height: 100%; } .bar .b { background: var(--busy); } .bar .i { background: var(--idle); } .bar .c {
  background: var(--make); }
.warn { color: var(--wait); font-weight: 600; } .bad { color: var(--stuck); font-weight: 600; }
.head { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; margin-bottom: 12px; }
[role="tablist"] { display: flex; flex-wrap: wrap; gap: 2px; border-bottom: 1px solid var(--line); margin-bottom: 14px; }
[role="tab"] { background: none; border: 0; border-bottom: 3px solid transparent; padding: 7px 13px; cursor: pointer; color: var(--soft); }
[role="tab"][aria-selected="true"] { color: var(--ink); border-bottom-color: var(--water); font-weight: 600; }
[role="tabpanel"] { display: grid; gap: 14px; grid-template-columns: minmax(0, 1fr); }
.card { padding: 13px 15px; min-width: 0; } .card > h3 { margin-bottom: 8px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(106px, 1fr)); gap: 10px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 9px 13px; }
.tile b { display: block; font-size: 1.55rem; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .85rem; }
.slots { display: flex; flex-wrap: wrap; gap: 4px; }
.slot { width: 19px; height: 19px; border-radius: 4px; border: 1px solid var(--line); background: var(--ground); }
.slot.idle { background: var(--idle); } .slot.busy { background: var(--busy); } .slot.old { background: var(--old); } .slot.stuck {
  background: var(--stuck); }
.slot.creating { background: repeating-linear-gradient(45deg, var(--make) 0 4px, transparent 4px 8px); }
.slot.resetting, .slot.validating { background: repeating-linear-gradient(45deg, var(--idle) 0 4px, transparent 4px 8px); }
.slot.destroying { background: repeating-linear-gradient(45deg, var(--soft) 0 3px, transparent 3px 8px); }
.slot.waiter { border-radius: 50%; background: var(--wait); width: 13px; height: 13px; align-self: center; }
.slot.waiter.late { background: var(--stuck); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-top: 9px; font-size: .85rem; color: var(--soft); }
.legend span { display: inline-flex; gap: 6px; align-items: center; } .legend .slot { width: 13px; height: 13px; }
canvas { display: block; width: 100%; height: 210px; }
.three { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 14px; }
.chart { width: 100%; height: auto; display: block; } .chart text { fill: var(--soft); font-size: 11px; }
#sizes .chart { max-width: 620px; } .chart .axis { stroke: var(--line); } .chart rect.wait { fill: var(--wait); } .chart rect.use {
  fill: var(--busy); } .chart rect.create { fill: var(--make); }
.chart .line { fill: none; stroke: var(--busy); stroke-width: 2; } .chart .dot { fill: var(--busy); } .chart .today { fill: var(--old); }
.verdict { border-left: 4px solid var(--water); font-size: 1.02rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: 6px 10px 6px 0;
  border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-size: .85rem; color: var(--soft); font-weight: 600; } td.num, th.num { text-align: right; width: 1%; white-space: nowrap;
  padding-right: 18px; }
td { overflow-wrap: anywhere; } td.key { width: 1%; overflow-wrap: normal; } h3 .quiet { font-weight: 400; }
pre { margin: 6px 0 0; padding: 8px 10px; background: var(--faint); border-radius: 6px; overflow-x: auto;
  font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace; }
.events { list-style: none; margin: 0; padding: 0; } .events li { display: grid; grid-template-columns: 5.4rem 9.5rem minmax(0, 1fr);
  gap: 10px; padding: 6px 0; border-bottom: 1px solid var(--line); }
.events .text { white-space: pre-wrap; overflow-wrap: anywhere; }
.size, .do { white-space: nowrap; }
.do { background: var(--faint); border: 1px solid var(--line); border-radius: 6px; padding: 5px 12px; cursor: pointer; }
.do:hover { border-color: var(--water); } .do.danger { color: var(--stuck); }
.row { display: flex; flex-wrap: wrap; gap: 8px; align-items: end; } .by { display: flex; flex-wrap: wrap; gap: 6px 12px;
  justify-content: space-between; align-items: start; } .by > div { flex: 1 1 8rem; min-width: 0; }
 form.row label { display: grid; gap: 2px; font-size: .85rem;
  color: var(--soft); }
form.row input { width: 6.5rem; }
@media (max-width: 760px) {
  .frame { grid-template-columns: minmax(0, 1fr); padding: 10px 10px 30px; } nav ul { max-height: 34vh; }
  [role="tab"] { padding: 7px 6px; } td.num, th.num { padding-right: 10px; }
  .events li { grid-template-columns: minmax(0, 1fr); gap: 0; } header { padding: 9px 12px; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(96px, 1fr)); } .tile b { font-size: 1.25rem; }
}
@media (prefers-reduced-motion: no-preference) { .bar i { transition: width .3s; } }
`;

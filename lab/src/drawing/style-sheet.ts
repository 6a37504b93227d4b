// The looks of the page: light or dark as the reader's system is, no font or picture from elsewhere.

export const STYLE_SHEET = `
:root { color-scheme: light dark; --paper: #fcfcfb; --card: #ffffff; --ink: #16181d; --soft: #5a606b; --faint: #e6e8ec; --edge: #d5d8de;
  --a: #2466c9; --b: #0f8a5f; --c: #c2571a; --bad: #cf3030; --down: #cf30300f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14161a; --card: #1b1e24; --ink: #e9ebef; --soft: #a0a7b3; --faint: #2a2e36;
  --edge: #3a3f49; --a: #6ea4f4; --b: #43c493; --c: #f0935a; --bad: #f2706b; --down: #f2706b1a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 44px 0 12px; }
p { margin: 0 0 10px; }
.lead { color: var(--soft); margin-bottom: 24px; }
.shown { margin: 0; padding: 18px 22px 18px 40px; background: var(--card); border: 1px solid var(--faint); border-radius: 10px; }
.shown li { margin: 6px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: 7px 9px; text-align: right; border-bottom: 1px solid var(--faint); }
th { color: var(--soft); font-weight: 600; border-bottom-color: var(--edge); cursor: help; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.best td { font-weight: 650; }
td.bad { color: var(--bad); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 20px; }
figure { margin: 0; padding: 16px 16px 8px; background: var(--card); border: 1px solid var(--faint); border-radius: 10px; }
figcaption { margin: 0 0 10px; line-height: 1.35; }
figcaption span { display: block; color: var(--soft); font-size: 13px; }
svg { display: block; width: 100%; height: auto; font: 12.5px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.wide svg { min-width: 700px; }
.grid { stroke: var(--faint); } .axis { stroke: var(--edge); }
.label { fill: var(--soft); } .words { fill: var(--ink); }
.tone-a { --tone: var(--a); } .tone-b { --tone: var(--b); } .tone-c { --tone: var(--c); } .tone-bad { --tone: var(--bad); }
.line { fill: none; stroke: var(--tone); stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.line.thin { stroke-width: 1.4; } .area { fill: var(--tone); opacity: 0.16; }
.dot { fill: var(--tone); stroke: var(--card); stroke-width: 1.5; } .target { fill: transparent; } .point:hover .dot { r: 6px; }
.reference line { stroke: var(--soft); stroke-dasharray: 4 4; }
.reference text { fill: var(--soft); stroke: var(--card); stroke-width: 4px; paint-order: stroke; }
.down { fill: var(--down); } .after { margin: 12px 0 0; color: var(--soft); }
.event line { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 2 3; opacity: 0.65; } .event text { fill: var(--ink); }
.notes { color: var(--soft); font-size: 14px; padding-left: 20px; } .notes li { margin: 5px 0; }
code { font: 0.92em ui-monospace, monospace; }
`;

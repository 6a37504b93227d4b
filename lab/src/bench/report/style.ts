// What the page of the benchmark adds to the looks that all pages of the lab share.

export const BENCH_STYLE = `
main { max-width: 1320px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 18px 0 0; font-size: 14px; }
nav strong { color: var(--soft); font-weight: 600; }
a { color: var(--a); text-decoration: none; } a:hover { text-decoration: underline; }
h2 { font-size: 23px; margin: 56px 0 6px; padding-top: 22px; border-top: 1px solid var(--edge); }
h3 { font-size: 18px; margin: 40px 0 4px; }
h3 + p { color: var(--soft); font-size: 14.5px; max-width: 90ch; }
th { cursor: help; vertical-align: bottom; } td, th { padding: 5px 10px; }
td small { color: var(--soft); font-size: 11.5px; margin-left: 5px; }
tr.ours td { background: color-mix(in srgb, var(--a) 8%, transparent); } tr.ours td:first-child { font-weight: 650; }
td:first-child { cursor: help; } td.best { color: var(--b); font-weight: 650; }
td.lacks, th.lacks { text-align: left; color: var(--soft); white-space: normal; min-width: 190px; font-size: 13px; }
td.words { color: var(--soft); } tr.failed td { color: var(--bad); }
ul.targets { list-style: none; padding: 0; margin: 12px 0 18px; font-size: 14.5px; } ul.targets li { margin: 3px 0; }
ul.targets b { display: inline-block; min-width: 7.4em; font-weight: 600; } .held b { color: var(--b); } .missed b { color: var(--c); }
.failure { border: 1px solid var(--bad); color: var(--bad); border-radius: 10px; padding: 12px 18px; margin: 18px 0; }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 580px)); margin-top: 18px; }
.bar { fill: var(--soft); opacity: 0.55; } .ours .bar { fill: var(--a); opacity: 1; } .whisker { stroke: var(--ink); opacity: 0.6; }
.mark { fill: var(--soft); } .ours .mark { fill: var(--a); } .ours .words { font-weight: 650; }
.curve path { fill: none; stroke: var(--tone); stroke-width: 1.6; } .curve circle { fill: var(--tone); } .curve text { fill: var(--tone); }
.curve.ours path { stroke-width: 3.2; } .curve.ours text { font-weight: 700; } .curve:hover path { stroke-width: 3.4; }
`;

// The page as it is sent: one file, with everything it needs inside.

import { MARKUP } from './markup.ts';
import { SCRIPT_BASE } from './script-base.ts';
import { SCRIPT_CHARTS } from './script-charts.ts';
import { SCRIPT_VIEWS } from './script-views.ts';
import { STYLE } from './style.ts';

export { STYLE };
export const SCRIPT: string = `${SCRIPT_BASE}${SCRIPT_CHARTS}${SCRIPT_VIEWS}`;

const ICON = 'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 26 26%22%3E%3Cpath d=%22'
  + 'M2 9c4-4 7 4 11 0s7 4 11 0'
  + 'M2 17c4-4 7 4 11 0s7 4 11 0%22 fill=%22none%22 stroke=%22%230d6e8a%22 stroke-width=%223%22/%3E%3C/svg%3E';

export function pageOf(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>millpond</title>
<link rel="icon" href="${ICON}">
<style>${STYLE}</style>
</head>
<body>${MARKUP}<script>${SCRIPT}</script></body>
</html>
`;
}

// Turns what a program printed to a terminal into a drawing: the screen it left behind, as SVG for light and dark pages.

export interface Span {
  readonly text: string;
  readonly bold?: true;
  readonly dim?: true;
  readonly color?: 'red' | 'green' | 'yellow';
}
export type Line = readonly Span[];
type Look = Omit<Span, 'text'>;

/** What the codes of the live log change. */
const LOOKS: Readonly<Record<string, (before: Look) => Look>> = {
  '1': (look) => ({ ...look, bold: true }),
  '2': (look) => ({ ...look, dim: true }),
  '22': ({ bold: _bold, dim: _dim, ...rest }) => rest,
  '31': (look) => ({ ...look, color: 'red' }),
  '32': (look) => ({ ...look, color: 'green' }),
  '33': (look) => ({ ...look, color: 'yellow' }),
  '39': ({ color: _color, ...rest }) => rest,
};

/** The lines on the screen after a program ended. Throws for an escape sequence that the live log doesn't write. */
export function screenOf(output: string): readonly Line[] {
  const rows: (Span | undefined)[][] = [[]];
  let row = 0;
  let column = 0;
  let look: Look = {};
  // oxlint-disable-next-line no-control-regex -- escape sequences are what this reads
  for (const [token, parameters = '', final] of output.matchAll(/\u001b\[([\d;?]*)([A-Za-z])|[^]/gu)) {
    const sequence = final === undefined ? '' : `${parameters}${final}`;
    const current = (rows[row] ??= []);
    if (token === '\r') column = 0;
    else if (token === '\n') row += 1;
    else if (final === undefined) current[column++] = { ...look, text: token };
    else if (final === 'm') look = lookAfter(look, parameters);
    else if (final === 'A') row = Math.max(0, row - Number(parameters || 1));
    else if (sequence === '0J') {
      rows.length = row + 1;
      current.length = Math.min(current.length, column);
    } else if (!/^\?25[lh]$/.test(sequence)) throw new Error(`unknown escape sequence: ${JSON.stringify(token)}`);
  }
  while (rows.at(-1)?.length === 0) rows.pop();
  return Array.from(rows, (cells) => spansOf(cells ?? []));
}

function lookAfter(look: Look, code: string): Look {
  const change = LOOKS[code];
  if (change === undefined) throw new Error(`unknown style: ${code}`);
  return change(look);
}

/** Neighbours of one look become one span; a column that was skipped is a space. */
function spansOf(cells: readonly (Span | undefined)[]): Line {
  const spans: Span[] = [];
  for (const cell of Array.from(cells, (one) => one ?? { text: ' ' })) {
    const last = spans.at(-1);
    if (last === undefined || classOf(last) !== classOf(cell)) spans.push(cell);
    else spans[spans.length - 1] = { ...last, text: last.text + cell.text };
  }
  return spans;
}

const classOf = ({ bold, dim, color }: Look): string =>
  [bold && 'bold', dim && 'dim', color].filter((name) => name !== undefined).join(' ');

export const textOf = (line: Line): string => line.map(({ text }) => text).join('');

/** The same text for runs that took a little more or less time, wherever the app's folder is. */
export function steadied(output: string, appDir: string): string {
  return output
    .replaceAll(appDir, `~/${appDir.split('/').at(-1)}`)
    .replace(/\b(\d+(?:\.\d+)?) (ms|s)\b/g, (_, count, unit) => rounded(Number(count) * (unit === 's' ? 1000 : 1)));
}

/** To 1, 2 or 5 times a power of ten. */
function rounded(ms: number): string {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, ms)));
  const steps = [1, 2, 5, 10].map((digit) => digit * power);
  const nearest = steps.reduce((best, step) => (Math.abs(step - ms) < Math.abs(best - ms) ? step : best));
  return nearest >= 1000 ? `${nearest / 1000} s` : `${nearest} ms`;
}

const CHARACTER = 8.4;
const LINE = 20;
const PADDING = 20;
const STYLE = `
    .ground { fill: #ffffff; stroke: #d0d7de; }
    text { fill: #1f2328; font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace; }
    .bold { font-weight: 600; }
    .dim { fill: #59636e; }
    .red { fill: #cf222e; }
    .green { fill: #1a7f37; }
    .yellow { fill: #9a6700; }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117; stroke: #3d444d; }
      text { fill: #f0f6fc; }
      .dim { fill: #9198a1; }
      .red { fill: #ff7b72; }
      .green { fill: #3fb950; }
      .yellow { fill: #d29922; }
    }`;

/** The same lines always give the same bytes. */
export function svgOf(lines: readonly Line[], title: string): string {
  const width = Math.ceil(Math.max(...lines.map(widthOf)) * CHARACTER + 2 * PADDING);
  const height = lines.length * LINE + 2 * PADDING;
  const texts = lines.flatMap((line, index) =>
    line.length === 0 ? [] : [drawn(line, PADDING + (index + 0.75) * LINE)],
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
  <title>${escaped(title)}</title>
  <style>${STYLE}
  </style>
  <rect class="ground" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" />
${texts.join('\n')}
</svg>
`;
}

const widthOf = (line: Line): number => [...textOf(line)].length;

/** `textLength` keeps the columns in place with any of the fonts. */
function drawn(line: Line, y: number): string {
  const spans = line.map((span) => {
    const name = classOf(span);
    return name === '' ? escaped(span.text) : `<tspan class="${name}">${escaped(span.text)}</tspan>`;
  });
  const length = (widthOf(line) * CHARACTER).toFixed(1);
  return `  <text x="${PADDING}" y="${y}" textLength="${length}" xml:space="preserve">${spans.join('')}</text>`;
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

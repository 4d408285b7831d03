// Figures as text.

const number = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));

export const isMissed = ({ ratio, target, value, bound, broken }) =>
  broken !== undefined ||
  (ratio !== undefined && target !== undefined && ratio > target) ||
  (value !== undefined && bound !== undefined && value > bound);

export function tableOf(group, figures) {
  const rows = figures.map((figure) => {
    if (figure.broken !== undefined) return [figure.name, '', '', '', 'broken', figure.broken];
    if (figure.skipped !== undefined) return [figure.name, '', '', '', 'skipped', figure.skipped];
    if (figure.value !== undefined) {
      const bound = figure.bound === undefined ? '' : `<= ${number(figure.bound)} ${figure.unit}`;
      return [figure.name, '', `${number(figure.value)} ${figure.unit}`, '', bound, verdict(figure)];
    }
    return [
      figure.name,
      spread(figure.floor),
      spread(figure.pyflow),
      `${figure.ratio.toFixed(2)}x`,
      figure.target === undefined ? '' : `<= ${figure.target}x`,
      verdict(figure),
    ];
  });
  const all = [[group, 'floor, ms', 'pyflow, ms', 'ratio', 'target', ''], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const lines = all.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === 5 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join('  ')
      .trimEnd(),
  );
  return `${lines[0]}\n${'-'.repeat(lines[0].length)}\n${lines.slice(1).join('\n')}\n`;
}

/** Median and quartiles. */
const spread = ({ median, quartiles: [low, high] }) => `${number(median)} (${number(low)}..${number(high)})`;

const verdict = (figure) =>
  figure.target === undefined && figure.bound === undefined ? '' : isMissed(figure) ? 'missed' : 'met';

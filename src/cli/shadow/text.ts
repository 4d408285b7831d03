// A comparison of two builds as text.

import { cleanText } from '../../engine/files/clean-text.js';
import { countOf, formatDuration, table } from '../../engine/render/messages.js';
import { FILE_CLASSES, type Comparison, type Pair } from './compare.js';

const SHOWN = 5;

export function shadowText(comparison: Comparison): string {
  const { detect, compiles, release, files, packages, packagesInCommon, environment, steps, failures } = comparison;
  const lines = [
    ...table([
      ['', 'buildpack', 'pyflow'],
      ['detect', show(detect.buildpack), show(detect.pyflow)],
      ...compiles.map(({ buildpack, pyflow }, index) => [
        index === 0 ? 'compile' : `compile, build ${index + 1}`,
        buildpack === undefined ? '-' : `${buildpack.status} in ${formatDuration(buildpack.durationMs)}`,
        pyflow === undefined ? '-' : `${pyflow.status} in ${formatDuration(pyflow.durationMs)}`,
      ]),
    ]),
    ...(release.buildpack === release.pyflow ? [] : ['', 'Release', ...both(release)]),
    '',
    ...table([
      ['Files', 'same', 'different', 'buildpack only', 'pyflow only'],
      ...FILE_CLASSES.map((name) => {
        const { same, different, onlyBuildpack, onlyPyflow } = files[name];
        return [name, ...[same, different.length, onlyBuildpack.length, onlyPyflow.length].map(String)];
      }),
    ]),
    ...FILE_CLASSES.filter((name) => name !== 'bytecode' && name !== 'records').flatMap((name) => {
      const { different, onlyBuildpack, onlyPyflow } = files[name];
      return [
        ...examples(`${name}, different`, different),
        ...examples(`${name}, buildpack only`, onlyBuildpack),
        ...examples(`${name}, pyflow only`, onlyPyflow),
      ];
    }),
    '',
    `Packages: ${packagesInCommon} the same, ${Object.keys(packages).length} different`,
    ...Object.entries(packages).map(([name, versions]) => `  ${name}: ${inline(versions)}`),
    '',
    ...(environment === undefined
      ? ['Environment at boot: not compared, because a profile script failed']
      : [
          `Environment at boot: ${countOf(Object.keys(environment).length, 'difference')}`,
          ...Object.entries(environment).flatMap(([name, values]) => [`  ${cleanText(name)}`, ...both(values)]),
        ]),
    '',
    'Steps of the first build',
    ...steps.buildpack.map((step) => `  buildpack  ${cleanText(step)}`),
    ...steps.pyflow.map((step) => `  pyflow     ${cleanText(step)}`),
    ...failed('the buildpack', failures.buildpack),
    ...failed('pyflow', failures.pyflow),
    '',
    comparison.isSame
      ? 'Statuses, packages and the files of the app are the same.'
      : 'Statuses, packages or the files of the app differ.',
  ];
  return `${lines.join('\n')}\n`;
}

const show = (value: number | undefined): string => (value === undefined ? '-' : String(value));

const inline = ({ buildpack, pyflow }: Pair<string>): string =>
  `${buildpack ?? 'none'} (buildpack), ${pyflow ?? 'none'} (pyflow)`;

const both = ({ buildpack, pyflow }: Pair<string>): readonly string[] => [
  `    buildpack  ${buildpack === undefined ? '(not set)' : cleanText(buildpack)}`,
  `    pyflow     ${pyflow === undefined ? '(not set)' : cleanText(pyflow)}`,
];

function examples(title: string, paths: readonly string[]): readonly string[] {
  if (paths.length === 0) return [];
  const more = paths.length > SHOWN ? [`    and ${paths.length - SHOWN} more`] : [];
  return [`  ${title}:`, ...paths.slice(0, SHOWN).map((path) => `    ${cleanText(path)}`), ...more];
}

const failed = (side: string, lines: readonly string[] | undefined): readonly string[] =>
  lines === undefined
    ? []
    : ['', `The build with ${side} failed. Its last lines:`, ...lines.map((line) => `  ${cleanText(line)}`)];

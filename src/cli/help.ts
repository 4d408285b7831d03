// The help texts. Their content is in the commands themselves; here it is laid out.

import type { Command, Option } from './command.js';
import { usageOf } from './subcommands.js';

const WIDTH = 100;

export function overviewOf(commands: readonly Command[]): string {
  return [
    'pyflow builds Python apps with declarative pipelines and reuses every result whose inputs did not change.',
    '',
    'Usage: pyflow COMMAND [OPTIONS]',
    '',
    'Commands:',
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    '',
    'Options:',
    ...columns([
      ['--no-color', 'Print no colors, with any command; the same as NO_COLOR=1'],
      ['-V, --version', 'Print the version'],
      ['-h, --help', 'Print help; after a command, print the help of that command'],
    ]),
    '',
    'To start, run `pyflow run` in the folder of a Python app. `pyflow help COMMAND` shows the options of a command.',
    ...EXIT_STATUS,
    '',
  ].join('\n');
}

export function helpOf(command: Command): string {
  const operands = command.operands === '' ? '' : ` ${command.operands}`;
  return [
    `${command.summary}.`,
    '',
    `Usage: pyflow ${command.name}${operands} [OPTIONS]`,
    ...(command.takesCommandLine === true ? [`       pyflow ${command.name} [OPTIONS] -- CMD [ARG]...`] : []),
    ...(command.details ?? []).flatMap((paragraph) => ['', ...wrap(paragraph, WIDTH)]),
    ...(command.subcommands === undefined
      ? []
      : ['', 'Subcommands:', ...columns(command.subcommands.map((one) => [usageOf(one), one.summary]))]),
    '',
    'Options:',
    ...columns([
      ...command.options.map((option) => [label(option), describe(option)] as const),
      ['-h, --help', 'Print this help'],
    ]),
    ...(command.examples === undefined ? [] : ['', 'Examples:', ...command.examples.map((line) => `  ${line}`)]),
    ...(command.name === 'run' ? EXIT_STATUS : []),
    '',
  ].join('\n');
}

const EXIT_STATUS = [
  '',
  'Exit status:',
  ...columns([
    ['0', 'success'],
    ['1', 'the app is at fault'],
    ['2', 'the pipeline file or the command line is at fault'],
    ['70', 'a bug in pyflow'],
    ['75', 'the environment failed; a retry may help'],
    ['130, 143', 'interrupted by SIGINT or SIGTERM'],
  ]),
];

const label = ({ name, short, value }: Option): string =>
  `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;

const describe = ({ summary, choices, repeatable }: Option): string =>
  summary +
  (choices === undefined ? '' : ` [values: ${choices.join(', ')}]`) +
  (repeatable === true ? ' [repeatable]' : '');

/** Two columns, the second wrapped. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.max(...rows.map(([first]) => first.length)) + 4;
  return rows.flatMap(([first, second]) =>
    wrap(second, WIDTH - left).map((line, index) => (index === 0 ? `  ${first}` : '').padEnd(left) + line),
  );
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

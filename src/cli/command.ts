// A command as data: its options serve parsing, help and "did you mean" alike. Unaware of what commands do.

import { parseArgs } from 'node:util';
import { closest } from '../manifests/closest.js';
import type { World } from './world.js';

export interface Option {
  readonly name: string;
  readonly short?: string;
  /** What stands for the value in the help, e.g. `DIR`. Absent: a flag. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly repeatable?: true;
  /** One sentence without a full stop. */
  readonly summary: string;
}

export interface Command {
  readonly name: string;
  /** Behind the command's name in the usage line, e.g. `PIPELINE`. */
  readonly operands: string;
  readonly minOperands: number;
  readonly maxOperands: number;
  readonly summary: string;
  /** Paragraphs below the usage line; lines as they are printed. */
  readonly details?: string;
  readonly options: readonly Option[];
  readonly examples?: readonly string[];
  /** Everything behind `--` is handed on untouched. */
  readonly takesCommandLine?: true;
  run(given: Given, world: World): Promise<number>;
}

/** The command line after parsing. */
export interface Given {
  readonly operands: readonly string[];
  /** What stands behind `--` of a command that takes a command line. */
  readonly commandLine: readonly string[];
  flag(name: string): boolean;
  value(name: string): string | undefined;
  values(name: string): readonly string[];
}

/** The command line is at fault: one line, and what to do. */
export interface UsageProblem {
  readonly message: string;
  readonly remedy: string;
}

export type Parsed =
  { readonly ok: true; readonly given: Given } | { readonly ok: false; readonly problem: UsageProblem };

const refuse = (message: string, remedy: string): Parsed => ({ ok: false, problem: { message, remedy } });

export function parse(command: Command, args: readonly string[]): Parsed {
  const help = `See \`pyflow help ${command.name}\`.`;
  const cut = command.takesCommandLine ? args.indexOf('--') : -1;
  const own = cut < 0 ? args : args.slice(0, cut);
  const { tokens } = parseArgs({
    args: [...own],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      command.options.map((option) => [
        option.name,
        {
          type: option.value === undefined ? ('boolean' as const) : ('string' as const),
          ...(option.short === undefined ? {} : { short: option.short }),
        },
      ]),
    ),
  });

  const known = new Map(command.options.map((option) => [option.name, option]));
  const seen = new Map<string, string[]>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      operands.push(token.value);
      continue;
    }
    const option = known.get(token.name);
    if (option === undefined) return unknownOption(command, token.rawName, help);
    if (option.value === undefined) {
      if (token.value !== undefined) return refuse(`${token.rawName} takes no value.`, help);
      seen.set(option.name, []);
      continue;
    }
    if (token.value === undefined || (token.value === '' && option.choices !== undefined))
      return refuse(`${token.rawName} needs a value (${option.value}).`, help);
    if (!token.inlineValue && token.value.startsWith('-') && token.value !== '-')
      return refuse(
        `${token.rawName} needs a value (${option.value}), but ${quote(token.value)} follows.`,
        `If that is the value, write --${option.name}=${token.value}.`,
      );
    if (option.choices !== undefined && !option.choices.includes(token.value))
      return refuse(
        `${quote(token.value)} is no value of --${option.name}.`,
        `It takes one of: ${option.choices.join(', ')}.${didYouMean(token.value, option.choices)}`,
      );
    const before = seen.get(option.name);
    if (before !== undefined && option.repeatable !== true)
      return refuse(`--${option.name} is given more than once.`, 'Keep one of them.');
    if (before === undefined) seen.set(option.name, [token.value]);
    else before.push(token.value);
  }
  if (operands.length < command.minOperands) return refuse(`pyflow ${command.name} needs ${command.operands}.`, help);
  if (operands.length > command.maxOperands)
    return refuse(`There is nothing for ${quote(operands[command.maxOperands] ?? '')} to be.`, help);
  return {
    ok: true,
    given: {
      operands,
      commandLine: cut < 0 ? [] : args.slice(cut + 1),
      flag: (name) => seen.has(name),
      value: (name) => seen.get(name)?.at(-1),
      values: (name) => seen.get(name) ?? [],
    },
  };
}

function unknownOption(command: Command, rawName: string, help: string): Parsed {
  const names = [...command.options.map(({ name }) => `--${name}`), '--no-color', '--help'];
  return refuse(
    `pyflow ${command.name} has no option ${rawName}.`,
    `${didYouMean(rawName, names).trim()} ${help}`.trim(),
  );
}

/** ` Did you mean X?` or nothing. */
export function didYouMean(given: string, known: readonly string[]): string {
  const match = closest(given, known);
  return match === undefined ? '' : ` Did you mean ${match}?`;
}

const quote = (text: string): string => `"${text}"`;

/** The command line is at fault; the file being at fault gives the same status. */
export const USAGE_STATUS = 2;

export function complain(world: World, problem: UsageProblem): number {
  world.stderr.write(`pyflow: ${problem.message}\n${problem.remedy}\n`);
  return USAGE_STATUS;
}

// A command as data: parsing, help, completion and "did you mean" all read the same options.

import { parseArgs } from 'node:util';
import { fail, succeed, type Result } from '../engine/failure.js';
import { closest } from '../manifests/closest.js';
import { styleOf } from '../engine/render/style.js';
import { hasColor } from './color.js';
import { USAGE_STATUS } from './exit-status.js';
import type { World } from './world.js';

export interface Option {
  readonly name: string;
  readonly short?: string;
  /** The placeholder of the value in the help, such as `DIR`. Absent for a flag. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly repeatable?: true;
  /** One sentence without a full stop. */
  readonly summary: string;
}

export interface Command {
  readonly name: string;
  /** Follows the command's name in the usage line: `PIPELINE`, or `ls | show KEY` for subcommands. */
  readonly operands: string;
  /** All values of the first operand, if only these are valid. */
  readonly choices?: readonly string[];
  readonly minOperands: number;
  readonly maxOperands: number;
  readonly summary: string;
  readonly subcommands?: readonly Subcommand[];
  /** Paragraphs for the help. */
  readonly details?: readonly string[];
  readonly options: readonly Option[];
  readonly examples?: readonly string[];
  /** Everything after `--` is passed on unchanged. */
  readonly takesCommandLine?: true;
  run(given: Given, world: World): Promise<number>;
}

/** The first operand of a command, if it says what the command does: the `gc` of `pyflow cache gc`. */
export interface Subcommand {
  readonly verb: string;
  /** The operand that must follow. Absent if none may follow. */
  readonly operand?: {
    /** In usage lines: `KEY`. */
    readonly placeholder: string;
    /** If it is missing, the message says that the subcommand needs this: `a KEY`. */
    readonly phrase: string;
    readonly remedy: string;
  };
  /** One sentence without a full stop. */
  readonly summary: string;
  /** The command's options that it accepts. Absent if it accepts all. */
  readonly options?: readonly string[];
  /** `operand` is empty if the subcommand has none. */
  run(given: Given, world: World, operand: string): number | Promise<number>;
}

/** The command line after parsing. */
export interface Given {
  readonly operands: readonly string[];
  /** The words after `--`, if the command accepts a command line. */
  readonly commandLine: readonly string[];
  flag(name: string): boolean;
  value(name: string): string | undefined;
  values(name: string): readonly string[];
}

/** What is wrong with the command line, and what to do. */
export interface UsageProblem {
  readonly message: string;
  readonly remedy: string;
}

/** The remedy for an option whose value is the empty string. */
export const EMPTY_VALUE = 'The value is empty. Check whether a variable is unset.';

export const wrongUsage = (message: string, remedy: string) => fail<UsageProblem>({ message, remedy });

/** Parses what follows the command's name. */
export function parse(command: Command, args: readonly string[]): Result<Given, UsageProblem> {
  const cut = command.takesCommandLine ? args.indexOf('--') : -1;
  const tokens = tokensOf(command, cut < 0 ? args : args.slice(0, cut));
  const operands: string[] = [];
  const seen = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const problem = readOption(command, token, seen);
    if (problem !== undefined) return problem;
  }
  if (operands.length < command.minOperands)
    return wrongUsage(`pyflow ${command.name} needs ${command.operands}.`, seeHelp(command));
  if (operands.length > command.maxOperands)
    return wrongUsage(`Unexpected argument ${quote(operands[command.maxOperands] ?? '')}.`, seeHelp(command));
  return succeed({
    operands,
    commandLine: cut < 0 ? [] : args.slice(cut + 1),
    flag: (name) => seen.has(name),
    value: (name) => seen.get(name)?.at(-1),
    values: (name) => seen.get(name) ?? [],
  });
}

/** Node's parser only splits the words: this file decides what they mean, so that all problems have one wording. */
const tokensOf = (command: Command, args: readonly string[]) =>
  parseArgs({
    args: [...args],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      command.options.map(({ name, short, value }) => [
        name,
        {
          type: value === undefined ? ('boolean' as const) : ('string' as const),
          ...(short === undefined ? {} : { short }),
        },
      ]),
    ),
  }).tokens;

type OptionToken = Extract<ReturnType<typeof tokensOf>[number], { kind: 'option' }>;

/** Adds the option to `seen`; returns what is wrong with it. */
function readOption(command: Command, token: OptionToken, seen: Map<string, string[]>) {
  const option = command.options.find(({ name }) => name === token.name);
  if (option === undefined) return unknownOption(command, token.rawName);
  if (option.value === undefined) {
    if (token.value !== undefined) return wrongUsage(`${token.rawName} does not accept a value.`, seeHelp(command));
    seen.set(option.name, []);
    return undefined;
  }
  const { value } = token;
  if (value === undefined || (value === '' && option.choices !== undefined))
    return wrongUsage(`${token.rawName} needs a value (${option.value}).`, seeHelp(command));
  if (!token.inlineValue && value.startsWith('-') && value !== '-')
    return wrongUsage(
      `${token.rawName} needs a value (${option.value}), but ${quote(value)} follows.`,
      `If that is the value, write --${option.name}=${value}.`,
    );
  if (option.choices !== undefined && !option.choices.includes(value))
    return wrongUsage(
      `--${option.name} does not accept ${quote(value)}.`,
      `Use one of: ${option.choices.join(', ')}.${didYouMean(value, option.choices)}`,
    );
  const before = seen.get(option.name);
  if (before !== undefined && option.repeatable !== true)
    return wrongUsage(`--${option.name} is given more than once.`, 'Remove all but one.');
  if (before === undefined) seen.set(option.name, [value]);
  else before.push(value);
  return undefined;
}

function unknownOption(command: Command, rawName: string) {
  const names = [...command.options.map(({ name }) => `--${name}`), '--no-color', '--help'];
  return wrongUsage(
    `pyflow ${command.name} has no option ${rawName}.`,
    `${didYouMean(rawName, names).trim()} ${seeHelp(command)}`.trim(),
  );
}

export const seeHelp = ({ name }: Command): string => `See \`pyflow help ${name}\`.`;

/** ` Did you mean X?`, or nothing. */
export function didYouMean(given: string, known: readonly string[]): string {
  const match = closest(given, known);
  return match === undefined ? '' : ` Did you mean ${match}?`;
}

const quote = (text: string): string => `"${text}"`;

/** Returns the exit status. */
export function complain(world: World, problem: UsageProblem): number {
  const style = styleOf(hasColor(world, world.stderr));
  world.stderr.write(`${style.red('error:')} ${style.bold(problem.message)}\n  -> ${problem.remedy}\n`);
  return USAGE_STATUS;
}

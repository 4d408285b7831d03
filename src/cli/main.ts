// From argv to the command that it names. Also answers `help`, and says what is wrong with a command line.

import { scarcityFailure } from '../engine/files/system-failures.js';
import { describeBug } from './bug.js';
import { command as buildpack } from './buildpack.js';
import { command as cache } from './cache.js';
import { command as catalogue } from './catalogue.js';
import { command as check } from './check.js';
import { complain, didYouMean, parse, type Command } from './command.js';
import { completionOf } from './completion.js';
import { command as exec } from './exec.js';
import { command as explain } from './explain.js';
import { command as fix } from './fix.js';
import { command as graph } from './graph.js';
import { BUG_STATUS, USAGE_STATUS } from './exit-status.js';
import { helpOf, overviewOf } from './help.js';
import { command as inspect } from './inspect.js';
import { command as plan } from './plan.js';
import { command as plugins } from './plugins.js';
import { printFailure } from './refusal.js';
import { command as report } from './report.js';
import { command as run } from './run.js';
import { command as shadow } from './shadow.js';
import { command as verify } from './verify.js';
import { command as why } from './why.js';
import type { World } from './world.js';

/**
 * All commands are one chunk: reading twenty small files takes longer than reading one of fifty kilobytes. Commands import
 * what is heavy (the engine, winston) when they need it.
 */
export const COMMANDS: Readonly<Record<string, Command>> = {
  run,
  check,
  plan,
  why,
  explain,
  graph,
  exec,
  fix,
  inspect,
  verify,
  buildpack,
  cache,
  catalogue,
  plugins,
  report,
  shadow,
  completion: completionOf(() => Object.values(COMMANDS)),
};

/** Returns the exit status. */
export async function main(argv: readonly string[], world: World): Promise<number> {
  try {
    return await dispatch(argv, world);
  } catch (error) {
    const scarcity = scarcityFailure(error);
    if (scarcity !== undefined) return printFailure(scarcity, world);
    world.stderr.write(describeBug(error, Boolean(world.env['PYFLOW_DEBUG'])));
    return BUG_STATUS;
  }
}

const NO_COLOR = '--no-color';

async function dispatch(given: readonly string[], colored: World): Promise<number> {
  // All commands accept it, anywhere before `--`.
  const end = given.includes('--') ? given.indexOf('--') : given.length;
  const argv = given.filter((arg, index) => arg !== NO_COLOR || index > end);
  const world = argv.length === given.length ? colored : { ...colored, env: { ...colored.env, NO_COLOR: '1' } };
  const [name, ...args] = argv;
  if (name === undefined) {
    world.stderr.write(overviewOf(Object.values(COMMANDS)));
    return USAGE_STATUS;
  }
  if (name === '--version' || name === '-V') {
    world.stdout.write(`pyflow ${world.version}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h' || (name === 'help' && args.length === 0)) {
    world.stdout.write(overviewOf(Object.values(COMMANDS)));
    return 0;
  }
  if (name === 'help') return help(args, world);
  const command = commandOf(name);
  if (command === undefined) return unknown(name, world);
  if (asksForHelp(command, args)) return help([name], world);
  const parsed = parse(command, args);
  return parsed.ok ? await command.run(parsed.value, world) : complain(world, parsed.failure);
}

function asksForHelp(command: Command, args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  return own.some((arg, index) => (arg === '--help' || arg === '-h') && !isValue(command, own[index - 1]));
}

/** Whether the next word is the value of `arg`: `--out -h` names a folder `-h`, and is refused for that. */
const isValue = (command: Command, arg: string | undefined): boolean =>
  command.options.some(({ name, short, value }) => value !== undefined && (arg === `--${name}` || arg === `-${short}`));

const commandOf = (name: string): Command | undefined => (Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined);

function help(names: readonly string[], world: World): number {
  const command = names.length === 1 ? commandOf(names[0] ?? '') : undefined;
  if (command === undefined) return unknown(names.join(' '), world);
  world.stdout.write(helpOf(command));
  return 0;
}

const unknown = (name: string, world: World): number =>
  complain(world, {
    message: name.startsWith('-')
      ? `pyflow has no option ${name} before the command.`
      : `pyflow has no command "${name}".`,
    remedy: `${didYouMean(name, [...Object.keys(COMMANDS), 'help']).trim()} \`pyflow help\` lists the commands.`.trim(),
  });

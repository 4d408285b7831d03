// From argv to a command: which commands there are, help, and what is said about a command line that is at fault.

import { BUG_STATUS, describeBug } from './bug.js';
import { complain, didYouMean, parse, type Command } from './command.js';
import type { World } from './world.js';

/** Each is loaded when asked for; `help` alone loads all of them. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./run.js')).command,
  check: async () => (await import('./check.js')).command,
  plan: async () => (await import('./plan.js')).command,
  why: async () => (await import('./why.js')).command,
  graph: async () => (await import('./graph.js')).command,
  exec: async () => (await import('./exec.js')).command,
  cache: async () => (await import('./cache.js')).command,
  plugins: async () => (await import('./plugins.js')).command,
  report: async () => (await import('./report.js')).command,
};

/** The exit status. */
export async function main(argv: readonly string[], world: World): Promise<number> {
  try {
    return await dispatch(argv, world);
  } catch (error) {
    world.stderr.write(describeBug(error, world.env['PYFLOW_DEBUG'] !== undefined));
    return BUG_STATUS;
  }
}

async function dispatch(argv: readonly string[], world: World): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined) {
    world.stderr.write(await overview());
    return 2;
  }
  if (name === '--version' || name === '-V') {
    world.stdout.write(`pyflow ${world.version}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h' || (name === 'help' && args.length === 0)) {
    world.stdout.write(await overview());
    return 0;
  }
  if (name === 'help') return help(args, world);
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) return unknown(name, world);
  const command = await load();
  if (asksForHelp(command, args)) return help([name], world);
  const parsed = parse(command, args);
  return parsed.ok ? await command.run(parsed.given, world) : complain(world, parsed.problem);
}

function asksForHelp(command: Command, args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  return own.some((arg, index) => (arg === '--help' || arg === '-h') && !isValue(command, own[index - 1]));
}

/** Whether what follows `arg` is its value: `--out -h` is a folder called `-h`, and refused as such. */
const isValue = (command: Command, arg: string | undefined): boolean =>
  command.options.some(({ name, short, value }) => value !== undefined && (arg === `--${name}` || arg === `-${short}`));

async function help(names: readonly string[], world: World): Promise<number> {
  const name = names[0] ?? '';
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined || names.length > 1) return unknown(names.join(' '), world);
  const [{ helpOf }, command] = await Promise.all([import('./help.js'), load()]);
  world.stdout.write(helpOf(command));
  return 0;
}

async function overview(): Promise<string> {
  const { overviewOf } = await import('./help.js');
  return overviewOf(await Promise.all(Object.values(COMMANDS).map((load) => load())));
}

const unknown = (name: string, world: World): number =>
  complain(world, {
    message: name.startsWith('-') ? `There is no option ${name} before a command.` : `There is no command "${name}".`,
    remedy: `${didYouMean(name, [...Object.keys(COMMANDS), 'help']).trim()} \`pyflow help\` lists the commands.`.trim(),
  });

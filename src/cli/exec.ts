// `pyflow exec`: runs a command in the built app's environment.

import { resolve } from 'node:path';
import { readAppVariables } from '../engine/app/app-variables.js';
import { succeed, type Result } from '../engine/failure.js';
import { complain, didYouMean, wrongUsage, type Command, type UsageProblem } from './command.js';
import { printFailure } from './refusal.js';
import { CACHE_DIR_OPTION, cacheDirOf, sandboxOf } from './run-options.js';

export const command: Command = {
  name: 'exec',
  operands: '[PROCESS]',
  minOperands: 0,
  maxOperands: 1,
  summary: "Run a command in the built app's environment",
  details: [
    'Starts the command like the platform does: with the slug at /app, HOME=/app and the profile scripts sourced. Exits with the status of the command.',
    'PROCESS is a process type of the Procfile, such as web. If PORT is not set, a process gets PORT=5000.',
    'The command gets PORT, the variables for proxies and certificates, and those of --env and --env-dir. It gets no other variables of the environment. In a sandbox, the slug is read-only unless you pass --writable. Without a sandbox, the command can change the slug, and the next run repairs it.',
  ],
  options: [
    { name: 'slug', value: 'DIR', summary: 'Folder of the slug (default: .pyflow/slug)' },
    {
      name: 'env',
      short: 'e',
      value: 'NAME[=VALUE]',
      repeatable: true,
      summary: 'Set a variable, or pass on the variable with this name',
    },
    { name: 'env-dir', value: 'DIR', summary: "Folder with the app's variables, one file per variable" },
    { name: 'writable', summary: 'Let the command change the slug' },
    {
      name: 'sandbox',
      value: 'MODE',
      choices: ['auto', 'required', 'none'],
      summary: 'How to isolate the command from the machine (default: auto, which uses namespaces if they work)',
    },
    CACHE_DIR_OPTION,
  ],
  takesCommandLine: true,
  examples: [
    'pyflow exec web',
    'pyflow exec --slug .pyflow/slug -- python -c "import flask"',
    'pyflow exec -e PORT=8000 -- gunicorn shop:app',
  ],
  run: async (given, world) => {
    const slugDir = resolve(world.cwd, given.value('slug') ?? '.pyflow/slug');
    const [type] = given.operands;
    const { commandLine } = given;
    if (type === undefined && commandLine.length === 0) {
      return complain(world, {
        message: 'pyflow exec needs a process or a command.',
        remedy: 'Name a process type of the Procfile (`pyflow exec web`), or write a command after `--`.',
      });
    }
    if (type !== undefined && commandLine.length > 0) {
      return complain(world, {
        message: `pyflow exec got both the process type "${type}" and a command.`,
        remedy: 'Remove one of them.',
      });
    }
    let argv = commandLine;
    if (type !== undefined) {
      const { readProcfile } = await import('./procfile.js');
      const processes = readProcfile(slugDir);
      if (!processes.ok) return printFailure(processes.failure, world);
      const command = commandOf(type, processes.value, slugDir);
      if (!command.ok) return complain(world, command.failure);
      argv = ['bash', '-c', command.value];
    }
    const env: Record<string, string> = type === undefined ? {} : { PORT: DEFAULT_PORT };
    const envDir = given.value('env-dir');
    if (envDir !== undefined) {
      const read = await readAppVariables(resolve(world.cwd, envDir));
      if (!read.ok) return printFailure(read.failure, world);
      Object.assign(env, read.value);
    }
    for (const entry of ['PORT', ...given.values('env')]) {
      const cut = entry.indexOf('=');
      const name = cut < 0 ? entry : entry.slice(0, cut);
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        return complain(world, {
          message: `--env does not accept "${entry}".`,
          remedy: 'Write --env NAME=VALUE or --env NAME.',
        });
      }
      const value = cut < 0 ? world.env[name] : entry.slice(cut + 1);
      if (value !== undefined) env[name] = value;
    }
    const { signal, interruption } = world.onInterrupt();
    const done = await world.engine.exec({
      slugDir,
      argv,
      env,
      sandbox: sandboxOf(given),
      writable: given.flag('writable'),
      cacheDir: cacheDirOf(given, world),
      signal,
    });
    // A command that handles the signal itself exits with its own status.
    return done.ok ? done.value : (interruption()?.exitStatus ?? printFailure(done.failure, world));
  },
};

/** The default of other tools for Procfiles. */
const DEFAULT_PORT = '5000';

/** The command line of a process type. */
function commandOf(
  type: string,
  processes: ReadonlyMap<string, string>,
  slugDir: string,
): Result<string, UsageProblem> {
  const command = processes.get(type);
  if (command !== undefined) return succeed(command);
  const types = [...processes.keys()];
  const behind = `If "${type}" is a command, write \`pyflow exec -- ${type} ...\`.`;
  if (types.length === 0)
    return wrongUsage(`The slug ${slugDir} has no process types: its Procfile is missing or empty.`, behind);
  const known = `It has ${types.join(', ')}.${didYouMean(type, types)}`;
  return wrongUsage(`The Procfile has no process type "${type}".`, `${known} ${behind}`);
}

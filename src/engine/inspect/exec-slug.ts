// Runs a command in the built app's environment: the slug at /app, its profile scripts sourced, HOME=/app.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { APP_ROOT, PROFILE_FOLDER, profileScripts, shellQuote, sourceProfiles } from '../app/boot-script.js';
import { BASE_ENVIRONMENT } from '../app/base-environment.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { probeSandbox, type SandboxMode, type SandboxOptions } from '../process/sandbox/probe.js';
import { SLUG_MARKER } from '../app/source-names.js';
import { runAttached, type AttachedOptions } from '../process/attached.js';
import { exitStatusOf } from '../process/command.js';

export interface ExecSlugRequest {
  /** Absolute. */
  readonly slugDir: string;
  readonly argv: readonly string[];
  /** Variables of the app, such as PORT. They can't change HOME. */
  readonly env: Readonly<Record<string, string>>;
  readonly sandbox: SandboxMode;
  /** Lets the command change the slug. Otherwise a sandbox prevents that, and in mode none Python writes no bytecode. */
  readonly writable: boolean;
  /** Passed on to the command, which decides how to end. */
  readonly signal: AbortSignal;
  readonly stdio?: NonNullable<AttachedOptions['stdio']>;
}

/** The exit status of the command; 128 plus the number of the signal if one ended it. */
export async function execSlug(request: ExecSlugRequest, options: SandboxOptions): Promise<Result<number, Failure>> {
  const { slugDir, argv, signal, stdio, writable } = request;
  const problem = problemOf(slugDir);
  if (problem !== undefined) return fail(problem);
  const sandbox = await probeSandbox(request.sandbox, options);
  if (!sandbox.ok) return sandbox;
  const { mode, boot } = sandbox.value;
  const home = mode === 'none' ? slugDir : APP_ROOT;
  const env = {
    PATH: BASE_ENVIRONMENT['PATH'] ?? '',
    ...request.env,
    HOME: home,
    ...(mode === 'none' && !writable ? { PYTHONDONTWRITEBYTECODE: '1' } : {}),
  };
  const booting = ['bash', '-c', bootScript(home, profilesOf(slugDir), argv)];
  const attached = { signal, ...(stdio === undefined ? {} : { stdio }) };

  if (boot === undefined) return statusOf(await runAttached(booting, { cwd: home, env, ...attached }));
  const { argv: inside, ...how } = boot({ slugDir, writable, argv: booting, env });
  return statusOf(await runAttached(inside, { cwd: '/', ...how, ...attached }));
}

const statusOf = (exit: Awaited<ReturnType<typeof runAttached>>): Result<number, Failure> =>
  exit.ok ? succeed(exitStatusOf(exit.value)) : exit;

const profilesOf = (slugDir: string): readonly string[] =>
  existsSync(`${slugDir}/${PROFILE_FOLDER}`)
    ? profileScripts(
        readdirSync(`${slugDir}/${PROFILE_FOLDER}`).filter((name) =>
          statSync(`${slugDir}/${PROFILE_FOLDER}/${name}`, { throwIfNoEntry: false })?.isFile(),
        ),
      )
    : [];

/** All words are written out, so that profile scripts may change `$@` and the working directory. */
const bootScript = (home: string, profiles: readonly string[], argv: readonly string[]): string =>
  [...sourceProfiles(home, profiles), `exec ${argv.map(shellQuote).join(' ')}`].join('\n');

function problemOf(slugDir: string): Failure | undefined {
  const stat = statSync(slugDir, { throwIfNoEntry: false });
  if (stat === undefined) return slugNotFound(slugDir);
  return stat.isDirectory() && existsSync(`${slugDir}/${SLUG_MARKER}`) ? undefined : notASlug(slugDir);
}

const slugNotFound = (slugDir: string): Failure => ({
  code: 'slug::not-found',
  blame: 'pipeline',
  title: `No slug at ${slugDir}`,
  detail: "The path doesn't exist.",
  remedy: 'Build the app first with `pyflow run`, or set the path of the slug with --slug.',
});

const notASlug = (slugDir: string): Failure => ({
  code: 'slug::not-a-slug',
  blame: 'pipeline',
  title: `${slugDir} is not a finished slug`,
  detail: `It has no ${SLUG_MARKER}, the file that a run writes last.`,
  remedy: 'Build the app again with `pyflow run`, or set another path with --slug.',
});

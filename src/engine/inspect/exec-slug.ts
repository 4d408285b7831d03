// Runs a command as the built app would: the slug at /app, its profile scripts sourced, HOME=/app. Unaware of builds.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { BASE_ENVIRONMENT } from '../app/base-environment.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { probeSandbox, type SandboxMode, type SandboxOptions } from '../process/sandbox/probe.js';
import { SLUG_MARKER } from '../app/source-names.js';
import { runAttached, type AttachedOptions } from '../process/attached.js';

export interface ExecSlugRequest {
  /** Absolute. */
  readonly slugDir: string;
  readonly argv: readonly string[];
  /** Variables of the app, PORT and the like; HOME is not up to them. */
  readonly env: Readonly<Record<string, string>>;
  readonly sandbox: SandboxMode;
  /** Let the command change the slug; without it a sandbox refuses that, and in mode none no bytecode is written. */
  readonly writable: boolean;
  /** Passed on to the command, which then ends as it likes. */
  readonly signal: AbortSignal;
  readonly stdio?: NonNullable<AttachedOptions['stdio']>;
}

const PROFILE_FOLDER = '.profile.d';
const APP = '/app';

/** The exit status of the command; 128 and the signal's number when one ended it. */
export async function execSlug(request: ExecSlugRequest, options: SandboxOptions): Promise<Result<number, Failure>> {
  const { slugDir, argv, signal, stdio, writable } = request;
  const problem = problemOf(slugDir);
  if (problem !== undefined) return fail(problem);
  const sandbox = await probeSandbox(request.sandbox, options);
  if (!sandbox.ok) return sandbox;
  const { mode, boot } = sandbox.value;
  const home = mode === 'none' ? slugDir : APP;
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
  exit.ok ? succeed(exit.value.exitCode ?? 128 + signalNumber(exit.value.signal)) : exit;

const signalNumber = (name: string | undefined): number =>
  constants.signals[(name ?? 'SIGKILL') as keyof typeof constants.signals];

/** Sorted by code unit: a shell's own order depends on the language. */
const profilesOf = (slugDir: string): readonly string[] =>
  existsSync(`${slugDir}/${PROFILE_FOLDER}`)
    ? readdirSync(`${slugDir}/${PROFILE_FOLDER}`)
        .filter((name) => name.endsWith('.sh') && statSync(`${slugDir}/${PROFILE_FOLDER}/${name}`).isFile())
        .sort()
    : [];

/** All words are written out, so that a profile script may do to `$@` and to the working directory what it likes. */
const bootScript = (home: string, profiles: readonly string[], argv: readonly string[]): string =>
  [
    ...profiles.map((name) => `. ${quote(`${home}/${PROFILE_FOLDER}/${name}`)}`),
    `exec ${argv.map(quote).join(' ')}`,
  ].join('\n');

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

function problemOf(slugDir: string): Failure | undefined {
  const stat = statSync(slugDir, { throwIfNoEntry: false });
  if (stat === undefined) return slugNotFound(slugDir);
  return stat.isDirectory() && existsSync(`${slugDir}/${SLUG_MARKER}`) ? undefined : notASlug(slugDir);
}

const slugNotFound = (slugDir: string): Failure => ({
  code: 'slug::not-found',
  blame: 'pipeline',
  title: `There is no slug ${slugDir}`,
  detail: 'Nothing of this name exists.',
  remedy: 'Build the app first with `pyflow run`, or name the slug with --slug.',
});

const notASlug = (slugDir: string): Failure => ({
  code: 'slug::not-a-slug',
  blame: 'pipeline',
  title: `${slugDir} is no finished slug`,
  detail: `It has no ${SLUG_MARKER}, which a run writes last.`,
  remedy: 'Build the app again with `pyflow run`, or name another folder with --slug.',
});

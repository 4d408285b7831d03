// Headers of calls to the remote cache: fills in variables and checks names and values. Failures never show a value.

import { didYouMean } from '../../manifests/closest.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { badHeader } from './settings-failures.js';

type Env = Readonly<Record<string, string | undefined>>;

/** gRPC and HTTP/2 set these. A name that ends in `-bin` stands for binary data. */
const RESERVED =
  /^(grpc-.*|content-type|content-length|connection|host|te|transfer-encoding|upgrade|user-agent|.*-bin)$/;

const VARIABLE = /\$\{\{\s*([^{}]*?)\s*\}\}/g;

export function filledHeaders(
  headers: Readonly<Record<string, string>>,
  env: Env,
): Result<Readonly<Record<string, string>>, Failure> {
  const filled: Record<string, string> = {};
  for (const [name, text] of Object.entries(headers)) {
    if (RESERVED.test(name)) return fail(reserved(name));
    const value = filledText(name, text, env);
    if (!value.ok) return value;
    if (!/^[\x20-\x7e]+$/.test(value.value)) return fail(wrongValue(name));
    filled[name] = value.value;
  }
  return succeed(filled);
}

function filledText(header: string, text: string, env: Env): Result<string, Failure> {
  let problem: Failure | undefined;
  const filled = text.replaceAll(VARIABLE, (_, reference: string) => {
    const name = /^env\.([A-Za-z_]\w*)$/.exec(reference)?.[1];
    const value = name === undefined ? undefined : env[name];
    if (value !== undefined && value !== '') return value.trim();
    problem ??= name === undefined ? wrongReference(header) : unset(header, name, env);
    return '';
  });
  if (problem === undefined && filled === text && text.includes('${{')) problem = wrongReference(header);
  return problem === undefined ? succeed(filled.trim()) : fail(problem);
}

const reserved = (name: string): Failure =>
  badHeader({
    title: `The header ${name} can't be set`,
    detail: 'The protocol sets it itself, or gives its name a meaning of its own.',
    remedy: 'Remove it from the settings.',
  });

const wrongValue = (name: string): Failure =>
  badHeader({
    title: `The header ${name} has no valid value`,
    detail: 'It is empty, or has a line end or another character that is not printable ASCII.',
    remedy: 'Correct the settings, or the variable that they name.',
  });

const wrongReference = (name: string): Failure =>
  badHeader({
    title: `The header ${name} has a reference that pyflow can't fill in`,
    detail: 'Headers can contain variables of the environment only.',
    remedy: 'Write ${{ env.NAME }}.',
  });

const unset = (header: string, name: string, env: Env): Failure =>
  badHeader({
    title: `The variable ${name} is not set, but the header ${header} needs it`,
    detail: 'The settings of the remote cache take the value of this header from the environment of pyflow.',
    remedy: didYouMean(name, others(env, name)) ?? `Set ${name}.`,
  });

const others = (env: Env, name: string): readonly string[] => Object.keys(env).filter((each) => each !== name);

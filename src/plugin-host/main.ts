// The process of an outside plugin: loads the plugin, calls its methods on request, and sends what they return.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { isMainThread, workerData } from 'node:worker_threads';
import { FailureError } from '../engine/failure.js';
import type { Method, NotLoaded, Places, Said, Told } from '../engine/outside/protocol.js';
import { calls, current, handleFor, type Call } from './calls.js';
import { listen, say } from './channel.js';
import { flushOutput, installGuards } from './guards.js';
import { runMonitor, startMonitor } from './monitor.js';
import { plainCopy, Unsendable } from './plain-value.js';
import { servicesFor, settle, takeLine } from './services.js';
import { describeThrown } from './thrown.js';
import { viewOf } from './view.js';

type Loading = Extract<Told, { type: 'load' }>;
type Calling = Extract<Told, { type: 'call' }>;

let pluginFile = '';
let plugin: Readonly<Record<Method, (...given: unknown[]) => unknown>>;

if (isMainThread) listen(take);
else runMonitor((workerData as { readonly pluginFile: string }).pluginFile);

function take(message: Told): void {
  switch (message.type) {
    case 'load':
      return void load(message);
    case 'call':
      return void start(message);
    case 'abort':
      say({ type: 'heard', id: message.id });
      return calls.get(message.id)?.controller.abort();
    case 'reply':
      return settle(message.request, message.value, message.error);
    case 'line':
      return takeLine(message.request, message.stream, message.text);
  }
}

async function load({ file, services, host }: Loading): Promise<void> {
  pluginFile = file;
  installGuards(file);
  startMonitor(file);
  const refuse = (why: NotLoaded, error?: unknown): void =>
    say({ type: 'not-loaded', why, ...(error === undefined ? {} : { thrown: describeThrown(error, file) }) });
  let module: { readonly manifest?: unknown; readonly plugin?: unknown };
  try {
    module = (await import(pathToFileURL(file).href)) as typeof module;
  } catch (error) {
    return say({ type: 'not-loaded', why: 'import', thrown: describeThrown(error, file) });
  }
  const Class = module.plugin as { new (...given: unknown[]): typeof plugin; readonly inject?: unknown };
  if (typeof Class !== 'function') return refuse('no-class');
  const inject = Class.inject ?? [];
  const known = servicesFor(host);
  if (!Array.isArray(inject) || !inject.every((name) => typeof name === 'string' && services.includes(name)))
    return say({ type: 'loaded', manifest: null, inject: sendable(inject), places: {} });
  try {
    plugin = new Class(...inject.map((name) => known[name as string]));
  } catch (error) {
    return say({ type: 'not-loaded', why: 'constructor', thrown: describeThrown(error, file) });
  }
  for (const method of ['reads', 'run'] as const)
    if (typeof plugin[method] !== 'function') return refuse('no-method', new Error(method));
  try {
    say({ type: 'loaded', manifest: plainCopy(module.manifest ?? null), inject, places: placesOf(file) });
  } catch (error) {
    if (!(error instanceof Unsendable)) return refuse('import', error);
    refuse('unsendable', new Error(`manifest${error.where === '' ? '' : '.'}${error.where} is ${error.what}`));
  }
}

const sendable = (value: unknown): unknown => {
  try {
    return plainCopy(value);
  } catch {
    return null;
  }
};

/** Finds the methods by their text in the file. */
function placesOf(file: string): Places {
  const places: Partial<Record<Method, string>> = {};
  const text = readFileSync(file, 'utf8');
  for (const method of ['reads', 'run'] as const) {
    const at = text.indexOf(Function.prototype.toString.call(plugin[method]));
    if (at >= 0) places[method] = `${file}:${text.slice(0, at).split('\n').length}`;
  }
  return places;
}

async function start(message: Calling): Promise<void> {
  const { id } = message;
  const call: Call = { id, controller: new AbortController() };
  calls.set(id, call);
  const answer = await current.run(call, () => perform(message, call));
  flushOutput(id);
  calls.delete(id);
  try {
    say(answer);
  } catch (error) {
    say({ type: 'threw', id, thrown: describeThrown(error, pluginFile) });
  }
}

/** `instanceof` runs code of a thrown value, which may throw too. */
function isOf<T>(Class: new (...given: never[]) => T, error: unknown): error is T {
  try {
    return error instanceof Class;
  } catch {
    return false;
  }
}

/** Never throws. */
async function perform({ id, method, node, run, context }: Calling, call: Call): Promise<Said> {
  try {
    const view = viewOf(id, run);
    const second =
      context === undefined ? view : { ...context, view, signal: call.controller.signal, handle: handleFor(call) };
    const value = await plugin[method](node, second);
    // So that the complaint says `undefined`.
    if (value === undefined) return { type: 'returned', id, value: undefined };
    return { type: 'returned', id, value: plainCopy(value) };
  } catch (error) {
    if (isOf(FailureError, error)) return { type: 'failed', id, failure: sendable(error.failure) };
    if (isOf(Unsendable, error)) return { type: 'unsendable', id, where: error.where, what: error.what };
    return { type: 'threw', id, thrown: describeThrown(error, pluginFile) };
  }
}

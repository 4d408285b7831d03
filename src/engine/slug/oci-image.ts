// Configuration and manifest of an image of the app, as data: one image for each process type, all with the same layers.

import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import { APP_ROOT } from '../app/boot-script.js';
import { BASE_ENVIRONMENT } from '../app/base-environment.js';
import { isTable, isText } from '../files/untrusted-json.js';
import type { BaseImage, Platform } from './oci-base.js';
import { CONFIG_TYPE, MANIFEST_TYPE, type Descriptor } from './oci-words.js';

export const LAUNCHER = 'pyflow/launch';
/** As `pyflow exec` sets it for a process type. */
const DEFAULT_PORT = '5000';
/** The image of an app without process types. */
const NO_PROCESS = 'app';

export interface ImageLayer extends Descriptor {
  /** `sha256:HEX` before compression. */
  readonly diffId: string;
  /** What made it, for people. */
  readonly createdBy: string;
}

export interface ImageParts {
  readonly platform: Platform;
  readonly base: BaseImage | undefined;
  /** Above those of the base. */
  readonly layers: readonly ImageLayer[];
  /** Process type -> command. */
  readonly processes: ReadonlyMap<string, string>;
  /** `UID[:GID]`; undefined if the base decides. */
  readonly user: string | undefined;
  /** ISO 8601. */
  readonly created: string;
}

/** Names of the images: the process types, `web` first. */
export function imageNames(processes: ReadonlyMap<string, string>): readonly string[] {
  const names = [...processes.keys()].sort((a, b) => Number(b === 'web') - Number(a === 'web') || (a < b ? -1 : 1));
  return names.length === 0 ? [NO_PROCESS] : names;
}

export function configOf(name: string, { platform, base, layers, processes, user, created }: ImageParts): JSONObject {
  const command = processes.get(name);
  const below = base?.config ?? {};
  const given = tableOf(below['config']);
  const history = Array.isArray(below['history']) ? (below['history'] as JSONValue[]) : [];
  return {
    ...pick(below, ['variant', 'os.version', 'os.features']),
    ...platform,
    created,
    config: {
      ...pick(given, ['User', 'ExposedPorts', 'Volumes', 'StopSignal']),
      ...(user === undefined ? {} : { User: user }),
      Env: environment(given['Env'], command === undefined ? {} : { PORT: DEFAULT_PORT }),
      Entrypoint: [`/${LAUNCHER}`],
      Cmd: command === undefined ? ['bash'] : ['bash', '-c', command],
      WorkingDir: APP_ROOT,
      Labels: {
        ...(tableOf(given['Labels']) as JSONObject),
        'io.pyflow.processes': JSON.stringify(Object.fromEntries([...processes].sort(([a], [b]) => (a < b ? -1 : 1)))),
      },
    },
    rootfs: { type: 'layers', diff_ids: [...(base?.diffIds ?? []), ...layers.map(({ diffId }) => diffId)] },
    history: [...history, ...layers.map(({ createdBy }) => ({ created, created_by: createdBy }))],
  };
}

export function manifestOf(config: Descriptor, { base, layers }: Pick<ImageParts, 'base' | 'layers'>): JSONObject {
  const own = layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }));
  return {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { ...config, mediaType: CONFIG_TYPE },
    layers: [...(base?.layers ?? []), ...own].map((each) => ({ ...each })),
  };
}

const tableOf = (value: unknown): Readonly<Record<string, unknown>> => (isTable(value) ? value : {});

const pick = (table: Readonly<Record<string, unknown>>, names: readonly string[]): JSONObject =>
  Object.fromEntries(names.flatMap((name) => (table[name] == undefined ? [] : [[name, table[name] as JSONValue]])));

/** Variables of the base, replaced by those that the app needs. Its PATH stays: its programs may be elsewhere. */
function environment(given: unknown, more: Readonly<Record<string, string>>): string[] {
  const variables = new Map<string, string>([['PATH', BASE_ENVIRONMENT['PATH'] ?? '']]);
  for (const entry of Array.isArray(given) ? given.filter(isText) : []) {
    const cut = entry.indexOf('=');
    if (cut > 0) variables.set(entry.slice(0, cut), entry.slice(cut + 1));
  }
  for (const [name, value] of Object.entries({ ...more, HOME: APP_ROOT })) variables.set(name, value);
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

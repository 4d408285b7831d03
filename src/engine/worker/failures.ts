// Why a worker refuses an action. All blame the environment: the client and the worker's image don't match.

import type { Failure } from '../failure.js';

const refusal = (code: string, title: string, detail: string, remedy = SAME_RELEASE): Failure => ({
  code,
  blame: 'environment',
  title,
  detail,
  remedy,
});

const SAME_RELEASE =
  'Put the same release of pyflow into the image of the workers as on the machine that starts the build.';

export const wrongProtocol = (asked: string, own: string): Failure =>
  refusal(
    'worker::protocol',
    'The worker speaks another version of the protocol',
    `The action asks for version ${JSON.stringify(asked)}; this pyflow-node speaks ${own}.`,
  );

export const invalidSpec = (detail: string): Failure =>
  refusal('worker::invalid-spec', 'The worker does not understand the spec.json of the action', detail);

export const unknownKind = (kind: string): Failure =>
  refusal(
    'worker::unknown-kind',
    `The worker has no kind ${JSON.stringify(kind)}`,
    'Workers run the kinds that pyflow ships, and no plugins from outside.',
  );

export const otherRevision = (kind: string, asked: number, own: number): Failure =>
  refusal(
    'worker::revision',
    `The worker has another revision of the kind ${kind}`,
    `The action asks for revision ${asked}; this pyflow-node has ${own}.`,
  );

export const otherBuilder = (asked: string, own: string): Failure =>
  refusal(
    'worker::builder',
    'The worker has other programs than the machine that starts the build',
    `The action's key contains the builder ${asked}; the worker is ${own}.`,
    'Run workers in the image of the build machine. If the two are known to be equal, give both the same PYFLOW_BUILDER.',
  );

export const unusableInput = (path: string, detail: string): Failure =>
  refusal(
    'worker::unusable-input',
    `The worker can't use ${path} of the action's input root`,
    detail,
    'Check the worker: it must lay out files, folders and links as the action names them.',
  );

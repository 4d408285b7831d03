// The view of a node as a plugin uses it in its own process. Most methods block until pyflow answers.

import type { JSONValue, ViewReader } from '../engine/sdk.js';
import type { Look } from '../engine/outside/protocol.js';
import { sayAndWait } from './channel.js';
import { ask } from './services.js';

export function viewOf(id: string, run: ViewReader['run']): ViewReader {
  const look = <T>(what: Look, argument?: string): T =>
    sayAndWait({ type: 'look', id, what, ...(argument === undefined ? {} : { argument }) }) as T;
  return {
    run,
    async read(path) {
      const content = (await ask(id, 'read', path)) as string | undefined;
      return content === undefined ? undefined : Buffer.from(content, 'base64');
    },
    exists: (path) => look<boolean>('exists', path),
    kindOf: (path) => look<ReturnType<ViewReader['kindOf']>>('kindOf', path),
    isExecutable: (path) => look<boolean>('isExecutable', path),
    list: (path) => look<readonly string[]>('list', path),
    match: (pattern) => look<readonly string[]>('match', pattern),
    env: (name) => look<string | undefined>('env', name),
    envNames: () => look<readonly string[]>('envNames'),
    state: (name) => look<JSONValue | undefined>('state', name),
  };
}

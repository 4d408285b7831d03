// Finds paths that a pipeline declares in vain: `writes` that the node did not write, `reads` that don't exist.

import type { PluginManifest } from '../../manifests/plugin-manifest.js';
import type { JSONObject } from '../../manifests/json-schema.js';
import { plainBaseOf } from '../../manifests/path-pattern.js';
import { matcherOf } from '../files/pattern.js';
import { someOf } from '../files/shown-path.js';
import type { Action } from './action.js';
import type { Run } from '../run/run.js';

const SHOWN = 5;

interface PatternNotice {
  readonly code: 'node::nothing-read' | 'node::nothing-written';
  readonly text: string;
}

/** `written`: paths that the node wrote or deleted. */
export function unusedPatterns(run: Run, action: Action, written: () => Iterable<string>): readonly PatternNotice[] {
  const { node, plugin, index } = action;
  const isThere = (pattern: string): boolean => run.states.files.match(index, pattern).length > 0;
  const toRead = namedBy(plugin.manifest.reads, node.config).filter((path) => plainBaseOf(path) === undefined);
  const unread = [...new Set(toRead)].filter((path) => !isThere(path));
  const toWrite = new Set(namedBy(plugin.manifest.writes, node.config));
  if (toWrite.size > 0) {
    const paths = [...written()];
    for (const pattern of toWrite) {
      const isMatch = matcherOf([pattern, `${pattern}/**`]);
      // A file that already existed may have been written again with the same bytes.
      if (paths.some((path) => isMatch(path)) || isThere(pattern)) toWrite.delete(pattern);
    }
  }
  const notices: PatternNotice[] = [];
  if (unread.length > 0) {
    const text = `\`reads\` of node ${node.id} names ${someOf(unread, SHOWN)}, but no such file exists. Fix the path, or add the node that writes it to \`after\`.`;
    notices.push({ code: 'node::nothing-read', text });
  }
  if (toWrite.size > 0) {
    const text = `\`writes\` of node ${node.id} names ${someOf([...toWrite], SHOWN)}, but the node wrote nothing there. Fix the path, or remove it.`;
    notices.push({ code: 'node::nothing-written', text });
  }
  return notices;
}

/** Only paths that the pipeline itself lists in the config, not those that the kind declares. */
function namedBy(patterns: PluginManifest['writes'] | undefined, config: JSONObject): readonly string[] {
  return (patterns ?? []).flatMap((pattern) => {
    const field = /^\$\{config\.(\w+)\}$/.exec(pattern)?.[1];
    const value = field === undefined || field === 'exists' ? undefined : config[field];
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  });
}

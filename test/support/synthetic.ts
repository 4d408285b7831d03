// A pipeline of a dozen commands whose outputs all depend on one file of the app, and a model of it: the exact content
// and digest of the slug.

import { createHash } from 'node:crypto';
import { digestOf, type Digest } from '../../src/engine/files/digest.js';
import { buildTree, type NewEntry } from '../../src/engine/trees/directories.js';

/** Node -> nodes that it reads. The graph is wide and deep, and joins again. */
const GRAPH: Readonly<Record<string, readonly string[]>> = {
  a: [],
  b: [],
  c: [],
  ab: ['a', 'b'],
  bc: ['b', 'c'],
  left: ['ab'],
  middle: ['ab', 'bc'],
  right: ['bc'],
  deep: ['left'],
  deeper: ['deep', 'middle'],
  joined: ['deeper', 'right'],
  last: ['joined', 'a'],
};
/** The node `last` writes this in addition. Large enough for a separate blob file. */
const LARGE_BYTES = 150_000;

export const NODES = Object.keys(GRAPH);

export interface SyntheticOptions {
  readonly name?: string;
  /** Environment of every node; part of the keys. */
  readonly env?: Readonly<Record<string, string>>;
  /** Shell code that every node runs first. NODE stands for its name. */
  readonly first?: string;
}

/** Each node digests the app's salt and what the nodes before it wrote. */
export function syntheticPipeline({ name = 'synthetic', env = {}, first = ':' }: SyntheticOptions = {}): string {
  const nodes = Object.entries(GRAPH).map(([id, reads]) => {
    const sources = ['salt', ...reads.map((node) => `out/${node}`)];
    const large = id === 'last' ? `; yes "$(cat salt)" | head -c ${LARGE_BYTES} > out/large` : '';
    const script = `${first.replaceAll('NODE', id)}; mkdir -p out; cat ${sources.join(' ')} | sha256sum > out/${id}${large}`;
    return `  ${id}: ${JSON.stringify({
      uses: 'command',
      with: {
        argv: ['sh', '-c', script],
        reads: sources,
        writes: [`out/${id}`, ...(large === '' ? [] : ['out/large'])],
      },
      env,
      ...(reads.length === 0 ? {} : { after: reads }),
    })}`;
  });
  return `pyflow: 1\nname: ${name}\nnodes:\n${nodes.join('\n')}\n`;
}

export const syntheticApp = (salt: string): Readonly<Record<string, string>> => ({
  salt: `${salt}\n`,
  'app.py': 'print()\n',
  'static/style.css': 'body {}\n',
});

/** Path -> content of the finished slug. */
export function syntheticSlug(salt: string): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [path, text] of Object.entries(syntheticApp(salt))) files.set(path, Buffer.from(text));
  for (const [id, reads] of Object.entries(GRAPH)) {
    const bytes = ['salt', ...reads.map((node) => `out/${node}`)].map((path) => files.get(path)!);
    files.set(`out/${id}`, Buffer.from(`${createHash('sha256').update(Buffer.concat(bytes)).digest('hex')}  -\n`));
  }
  files.set(
    'out/large',
    Buffer.from(`${salt}\n`.repeat(Math.ceil(LARGE_BYTES / (salt.length + 1)))).subarray(0, LARGE_BYTES),
  );
  return files;
}

export function syntheticDigest(salt: string): Digest {
  const entries = [...syntheticSlug(salt)].map(([path, bytes]): [string, NewEntry] => [
    path,
    { digest: digestOf(bytes), executable: false },
  ]);
  return buildTree(entries).root;
}

/** In the format of `contentOf` in cli-scene. */
export function syntheticContent(salt: string): Readonly<Record<string, string>> {
  const content: Record<string, string> = { out: 'd', static: 'd' };
  for (const [path, bytes] of syntheticSlug(salt)) {
    content[path] = `f ${createHash('sha256').update(bytes).digest('hex')}`;
  }
  return content;
}

import { expect } from 'chai';
import { digestOf, makeDigest, sha256Hex } from '../../../src/engine/files/digest.js';
import { blobsToRead, treesToRead } from '../../../src/engine/remote/worker-result.js';
import { MOST_TREE_BYTES } from '../../../src/engine/trees/foreign-tree.js';
import { OUTPUT_PATHS } from '../../../src/engine/trees/output-paths.js';
import type { ReapiResult } from '../../../src/engine/trees/reapi-result.js';

const result = (...outputDirectories: ReapiResult['outputDirectories']): ReapiResult => ({
  outputFiles: [{ path: OUTPUT_PATHS.result, digest: digestOf('result'), executable: false }],
  outputDirectories,
  outputSymlinks: [],
  exitCode: 0,
});
const app = { path: OUTPUT_PATHS.app, tree: digestOf('app') };
const tool = { path: OUTPUT_PATHS.tool, tree: digestOf('tool') };

describe('engine/remote/worker-result', () => {
  it('reads the trees of an action, and result.json if it is small', () => {
    expect(treesToRead(result(app, tool))).to.deep.equal([app.tree, tool.tree]);
    expect(blobsToRead(result(app), 1000)).to.deep.equal([app.tree, digestOf('result')]);
    expect(blobsToRead(result(app), 1)).to.deep.equal([app.tree]);
  });

  it('reads no other folders, no huge trees, and none if there are more than an action has', () => {
    const huge = { ...app, tree: makeDigest(sha256Hex('huge'), MOST_TREE_BYTES + 1) };
    expect(treesToRead(result(huge, { ...tool, path: 'out/other' }))).to.deep.equal([]);
    const many = Array.from({ length: 3 }, (_, index) => ({ ...app, tree: digestOf(`tree ${index}`) }));
    expect(treesToRead(result(...many))).to.deep.equal([]);
  });
});

import { expect } from 'chai';
import type { Failure } from '../../../src/engine/failure.js';
import { withoutRunPaths } from '../../../src/engine/node/run-paths.js';

const ROOT = '/dev/shm/pyflow-run-20261129T203123Z-0a1b2c3d/files/7-x';
const FOLDERS = { root: ROOT, app: `${ROOT}/view` };

describe('engine/node/run-paths', () => {
  const shown = (text: string): string => {
    const failure: Failure = { code: 'a::b', blame: 'app', title: text, detail: text, subject: text, remedy: text };
    const { title, detail, subject, remedy } = withoutRunPaths(failure, FOLDERS);
    expect([detail, subject, remedy]).to.deep.equal([title, title, title]);
    return title;
  };

  it('shows files of the app by their path relative to the app', () => {
    expect(shown(`${ROOT}/view/bin/post_compile: line 3: npm: command not found`)).to.equal(
      'bin/post_compile: line 3: npm: command not found',
    );
    expect(shown(`from file://${ROOT}/view/lib in ${ROOT}/view`)).to.equal('from lib in .');
    expect(shown(`-I${ROOT.toLowerCase()}/view/include`)).to.equal('-Iinclude');
  });

  it('shows no other folder of the run', () => {
    expect(shown(`cannot write "${ROOT}/tmp/x-1/y" or ${ROOT}/view-2/z`)).to.equal(
      'cannot write "(a folder of the run)" or (a folder of the run)',
    );
  });

  it('leaves other text unchanged', () => {
    for (const text of ['/app/x', '/dev/shm/other', `https://host/files/7-x`]) expect(shown(text)).to.equal(text);
  });
});

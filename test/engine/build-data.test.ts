import { expect } from 'chai';
import { Workspace } from '../support/workspace.js';

const PIPELINE = `pyflow: 1
name: hooks
nodes:
  before: { uses: hook, with: { script: bin/pre_compile } }
  after: { uses: hook, with: { script: bin/post_compile }, after: [before] }
`;

describe('build data', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace().pipeline(PIPELINE);
  });
  afterEach(() => workspace.cleanUp());

  it('[hooks.recorded] [hooks.absent] tells which hooks ran, and how long', async () => {
    workspace.write({ 'bin/pre_compile': 'sleep 0.05' });
    const { buildData } = await workspace.run();
    expect(buildData).to.include({ pre_compile_hook: true, post_compile_hook: false });
    expect(buildData['pre_compile_hook_duration']).to.be.greaterThan(0.04).and.lessThan(60);
    expect(buildData).not.to.have.property('post_compile_hook_duration');
  });

  it('[hooks.recorded] tells of one that failed, without its time', async () => {
    workspace.write({ 'bin/post_compile': 'exit 3' });
    const { buildData } = await workspace.run();
    expect(buildData).to.include({ pre_compile_hook: false, post_compile_hook: true });
    expect(buildData).not.to.have.property('post_compile_hook_duration');
  });

  it('[finish.total-duration] tells seconds, of a build that succeeded', async () => {
    const report = await workspace.run();
    expect(report.buildData['total_duration']).to.be.a('number').and.at.least(0).and.lessThan(60);
    workspace.write({ 'bin/pre_compile': 'exit 3' });
    const failed = await workspace.run();
    expect(failed.buildData).not.to.have.any.keys('total_duration', 'pre_compile_hook_duration');
    expect(failed.buildData).to.include({ failure_reason: 'hooks::pre_compile' });
  });
});

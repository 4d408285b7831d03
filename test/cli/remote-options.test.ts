import { expect } from 'chai';
import { isOfRemote, remoteOf } from '../../src/cli/remote-options.js';

describe('cli/remote-options', () => {
  const given = (options: Readonly<Record<string, string | true>> = {}) => ({
    value: (name: string) => (typeof options[name] === 'string' ? options[name] : undefined),
    flag: (name: string) => options[name] !== undefined,
  });
  const of = (options: Readonly<Record<string, string | true>>, env: Readonly<Record<string, string>> = {}) =>
    remoteOf({ env, cwd: '/work' }, given(options));
  const valueOf = (result: ReturnType<typeof of>) => (result.ok ? result.value : expect.fail(result.failure.message));
  const messageOf = (result: ReturnType<typeof of>) => (result.ok ? expect.fail('accepted') : result.failure.message);

  it('gives nothing without an address', () => {
    expect(valueOf(of({}))).to.equal(undefined);
    expect(valueOf(remoteOf({ env: {}, cwd: '/work' }))).to.equal(undefined);
  });

  it('takes the command line before the environment', () => {
    const env = { PYFLOW_REMOTE: 'grpcs://env', PYFLOW_REMOTE_SETTINGS: 'a.yml', PYFLOW_REMOTE_WRITE: '1' };
    expect(valueOf(of({}, env))).to.include({ url: 'grpcs://env', settingsFile: '/work/a.yml', write: true });
    const both = valueOf(of({ remote: 'grpcs://line', 'remote-settings': '/b.yml' }, env));
    expect(both).to.include({ url: 'grpcs://line', settingsFile: '/b.yml' });
  });

  it('takes an empty variable for one that is not set', () => {
    const empty = { PYFLOW_REMOTE: '', PYFLOW_REMOTE_SETTINGS: '' };
    expect(valueOf(of({}, { ...empty, PYFLOW_REMOTE_WRITE: '1' })), 'off for one command').to.equal(undefined);
    expect(valueOf(of({ 'remote-settings': '/b.yml' }, empty))).to.include({ settingsFile: '/b.yml' });
    expect(valueOf(of({}, { ...empty, PYFLOW_REMOTE_SETTINGS: 'a.yml' }))).to.include({ settingsFile: '/work/a.yml' });
  });

  it('refuses writing and executing without a remote', () => {
    expect(messageOf(of({ 'remote-write': true }))).to.equal('--remote-write needs a remote cache.');
    expect(messageOf(of({ 'remote-write': true }, { PYFLOW_REMOTE: '' }))).to.contain('--remote-write');
    expect(messageOf(of({}, { PYFLOW_REMOTE_WRITE: '1' }))).to.equal('PYFLOW_REMOTE_WRITE needs a remote cache.');
    expect(messageOf(of({}, { PYFLOW_REMOTE_EXECUTE: '1' }))).to.contain('PYFLOW_REMOTE_EXECUTE');
  });

  it('refuses other values of switches, and empty options', () => {
    expect(messageOf(of({}, { PYFLOW_REMOTE: 'grpcs://a', PYFLOW_REMOTE_WRITE: 'yes' }))).to.contain('"yes"');
    expect(messageOf(of({ remote: '' }))).to.equal('--remote needs an address.');
    expect(messageOf(of({ 'remote-settings': '' }))).to.equal('--remote-settings needs a file.');
  });

  it('knows its variables', () => {
    const names = ['PYFLOW_REMOTE', 'PYFLOW_REMOTE_WRITE', 'PYFLOW_REMOTELY', 'PYFLOW_INDEX'];
    expect(names.filter(isOfRemote)).to.deep.equal(['PYFLOW_REMOTE', 'PYFLOW_REMOTE_WRITE']);
  });
});

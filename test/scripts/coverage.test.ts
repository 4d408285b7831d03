import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { coverageOf, type FileCoverage } from '../../scripts/coverage/coverage.js';
import { areaOf, faultsOf } from '../../scripts/coverage/goals.js';

describe('scripts/coverage', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** Coverage of one file, after a process for each program, which gets what the file exports as `file`. */
  function coverage(text: string, ...programs: readonly string[]): FileCoverage {
    const file = join(root, 'file.ts');
    writeFileSync(file, text);
    const folder = join(root, 'v8');
    for (const [index, program] of programs.entries()) {
      const path = join(root, `program-${index}.mts`);
      writeFileSync(path, `import * as file from './file.js';\n${program}`);
      execFileSync(process.execPath, ['--import', 'tsx', path], { env: { ...process.env, NODE_V8_COVERAGE: folder } });
    }
    return coverageOf(folder, [file])[0]!;
  }
  const uncovered = (text: string, ...programs: readonly string[]): readonly string[] =>
    coverage(text, ...programs).uncovered.map((line) => `${line.line} ${line.text}`);

  it('counts lines and branches', () => {
    const text = `interface Unused { readonly a: string }
export function sign(value: number): string {
  if (value < 0) {
    return 'negative';
  }
  return value === 0 ? 'zero' : 'positive';
}
`;
    expect(coverage(text, 'file.sign(1);')).to.deep.include({
      lines: { covered: 2, total: 3 },
      branches: { covered: 2, total: 4 },
    });
    expect(uncovered(text, 'file.sign(1); file.sign(-1);')).to.deep.equal([
      "6 return value === 0 ? 'zero' : 'positive';",
    ]);
  });

  for (const [what, body, taken, untaken] of [
    ['an `if` without `else` that always holds', 'if (value) touch();', '[0, 1]', '[1]'],
    ['an `if` that never holds', 'if (value) touch();', '[0, 1]', '[0]'],
    ['an `else`', 'if (value) touch(); else touch();', '[0, 1]', '[1]'],
    ['an arm of a condition', 'touch(value ? 1 : 2);', '[0, 1]', '[0]'],
    ['the right of `??`', 'touch(value ?? 1);', '[undefined]', '[1]'],
    ['the right of `&&`', 'touch(value && 1);', '[1]', '[0]'],
    ['the right of `||`', 'touch(value || 1);', '[0]', '[1]'],
    ['a case', 'switch (value) { case 1: touch(); break; default: break; }', '[0, 1]', '[0]'],
    ['a `catch`', 'try { touch(value.x); } catch { touch(); }', '[undefined]', '[1]'],
    ['an empty `catch`', 'try { touch(value.x); } catch { /* It has no x. */ }', '[undefined]', '[1]'],
    ['the body of a loop', 'for (const item of value) touch(item);', '[[1]]', '[[]]'],
    ['a function that is never called', 'touch(() => value ?? 1);', '[undefined]', '[undefined]'],
  ] as const) {
    it(`sees ${what}`, () => {
      const call = what.includes('never called') ? '' : 'call';
      const text = `const touch = (value?: any) => ${call === '' ? 'value' : "(typeof value === 'function' ? value() : value)"};
export const run = (value: any): void => {
  ${body}
};
`;
      const ofBody = (values: string): readonly string[] =>
        uncovered(text, `for (const value of ${values}) file.run(value);`).filter((line) => line.startsWith('3 '));
      expect(ofBody(untaken)).to.deep.equal([`3 ${body}`]);
      if (call !== '') expect(ofBody(taken)).to.deep.equal([]);
    });
  }

  it('adds up what several processes ran', () => {
    const text = 'export const pick = (value: boolean): number =>\n  value\n    ? 1\n    : 2;\n';
    expect(uncovered(text, 'file.pick(true);')).to.deep.equal(['4 : 2;']);
    expect(uncovered(text, 'file.pick(true);', 'file.pick(false);')).to.deep.equal([]);
  });

  it('asks for no test of a case that the compiler rules out', () => {
    const text = `const unreachable = (value: never): never => { throw new Error(String(value)); };
export function nameOf(value: 'a'): string {
  switch (value) {
    case 'a':
      return 'A';
    default:
      return unreachable(value);
  }
}
`;
    const { branches, uncovered: lines } = coverage(text, "file.nameOf('a');");
    expect(branches).to.deep.equal({ covered: 1, total: 1 });
    expect(lines).to.deep.equal([]);
  });

  it('counts a file that no process loads as uncovered', () => {
    const loaded = coverage('export {};\n', ';');
    expect(loaded.lines).to.deep.equal({ covered: 0, total: 0 });
    writeFileSync(join(root, 'other.ts'), 'export const one = 1;\n');
    const [other] = coverageOf(join(root, 'v8'), [join(root, 'other.ts')]);
    expect(other!.lines).to.deep.equal({ covered: 0, total: 1 });
  });

  describe('the goals', () => {
    const FILE = 'src/engine/store/blobs.ts';
    const covered = (percent: number, ...lines: readonly string[]): FileCoverage => ({
      file: FILE,
      lines: { covered: 1, total: 1 },
      branches: { covered: percent, total: 100 },
      uncovered: lines.map((text, index) => ({ line: index + 7, text })),
    });

    it('are met with enough branches, whatever is missing', () => {
      expect(faultsOf([covered(95, 'return 1;')])).to.deep.equal([]);
    });

    it('are missed with fewer, and name the lines', () => {
      const [fault, ...others] = faultsOf([covered(94, 'return 1;', 'return 2;')]);
      expect(others).to.deep.equal([]);
      expect(fault).to.match(/94\.0 % of the branches of src\/engine\/store; the goal is 95 %/);
      expect(fault).to.contain(`${FILE}:7: return 1;\n${FILE}:8: return 2;\n`);
    });

    it('do not hold for other folders', () => {
      expect(faultsOf([{ ...covered(10, 'return 1;'), file: 'src/cli/run.ts' }])).to.deep.equal([]);
    });

    it('are per district of the engine, and per folder elsewhere', () => {
      expect(
        ['src/engine/store/blobs.ts', 'src/engine/sdk.ts', 'src/cli/buildpack/x.ts', 'src/cli.ts'].map(areaOf),
      ).to.deep.equal(['src/engine/store', 'src/engine', 'src/cli', 'src']);
    });
  });
});

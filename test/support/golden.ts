// Compares a text with a committed file. `npm run test:update` writes the files again; otherwise, a missing file fails.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';

export function expectGolden(file: string, actual: string): void {
  if (process.env['PYFLOW_UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, actual);
    return;
  }
  expect(existsSync(file), `golden file ${file} is missing; npm run test:update writes it`).to.equal(true);
  expect(actual).to.equal(readFileSync(file, 'utf8'));
}

// What the library `packaging` says, in the copy that the pip of a pyenv Python has: the judge for markers and wheel tags.

import { execFileSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Context } from 'mocha';
import { pyenvVersions } from './runtimes.js';
import { skipBecause } from './skip.js';

const MARKERS = `
import json, sys
from pip._vendor.packaging.markers import Marker
from pip._vendor.packaging.specifiers import SpecifierSet
asked = json.load(sys.stdin)
def answer(text):
    try:
        return Marker(text).evaluate(asked['environment'])
    except Exception as error:
        return None
def meets(version, text):
    try:
        return SpecifierSet(text).contains(version, prereleases=True)
    except Exception:
        return None
print(json.dumps({
    'markers': [answer(text) for text in asked['markers']],
    'specifiers': [meets(*pair) for pair in asked['specifiers']],
}))`;

const TAGS = `
import json, sys
from pip._vendor.packaging.tags import cpython_tags, compatible_tags
minor, platforms = json.load(sys.stdin)
version = (3, minor)
tags = list(cpython_tags(version, abis=['cp3%d' % minor], platforms=platforms))
tags += list(compatible_tags(version, 'cp3%d' % minor, platforms))
print(json.dumps([str(tag) for tag in tags]))`;

interface MarkerQuestions {
  readonly environment: Readonly<Record<string, string>>;
  readonly markers: readonly string[];
  readonly specifiers: readonly (readonly [version: string, specifiers: string])[];
}

interface MarkerAnswers {
  readonly markers: readonly (boolean | null)[];
  readonly specifiers: readonly (boolean | null)[];
}

export const askMarkers = (mocha: Context, questions: MarkerQuestions): MarkerAnswers =>
  ask(mocha, MARKERS, questions) as MarkerAnswers;

/** All tags, `cp312-abi3-manylinux_2_17_x86_64`, that pip accepts for CPython 3.MINOR, given the platforms. */
export const askTags = (mocha: Context, minor: number, platforms: readonly string[]): readonly string[] =>
  ask(mocha, TAGS, [minor, platforms]) as readonly string[];

function ask(mocha: Context, program: string, question: unknown): unknown {
  const version = pyenvVersions().at(-1);
  if (version === undefined) return skipBecause(mocha, 'needs a CPython of pyenv');
  const python = join(homedir(), '.pyenv', 'versions', version, 'bin', 'python3');
  return JSON.parse(execFileSync(python, ['-I', '-c', program], { input: JSON.stringify(question), encoding: 'utf8' }));
}

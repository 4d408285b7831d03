// Writes images after an edit of the source, and compares that with packing the whole slug by hand. For the small examples only the
// time of the output itself is compared: the rest of the run would be needed for packing by hand, too. For a large slug it is the whole
// run.

import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildExample, MANAGERS, runArgs } from '../built-app.mjs';
import {
  boundFigure,
  interleave,
  makeFolder,
  networkEnv,
  pyflowTime,
  ratioFigure,
  remove,
  setAside,
  skippedFigure,
  time,
} from '../measure.mjs';

const MOST_ROUNDS = 5;
const EDITED = { pip: 'app.py', pipenv: 'guestbook.py', poetry: 'shelf/views.py', uv: 'tasks.py' };

export function outputs({ rounds }) {
  const most = Math.min(rounds, MOST_ROUNDS);
  const small = MANAGERS.flatMap((manager) => {
    const ready = buildExample(manager);
    if (ready.reason !== undefined) return [skippedFigure(`${manager}, image`, ready.reason)];
    const { first, samples, mostNew } = measure(ready, EDITED[manager], most);
    const floor = samples.edited.floor;
    return [
      ratioFigure(`${manager}, first image: all layers compressed`, first, 5),
      ratioFigure(
        `${manager}, image after an edit of the source`,
        { floor, pyflow: samples.edited.pyflow.map(ofOutput) },
        0.5,
      ),
      ratioFigure(
        `${manager}, image gone, layers in the cache`,
        { floor, pyflow: samples.gone.pyflow.map(ofOutput) },
        0.5,
      ),
      boundFigure(`${manager}, new bytes in the image after an edit`, 'kB', mostNew / 1e3, 50),
    ];
  });
  return [...small, ...large(most)];
}

const COPIES = 8;

/** A slug of some hundred megabytes: the runtime and packages of an example several times, as one layer. */
function large(rounds) {
  const name = 'large slug, whole run with image after an edit of the source';
  const example = buildExample('pip');
  if (example.reason !== undefined) return [skippedFigure(name, example.reason)];
  const folder = makeFolder();
  const ready = { folder, app: join(folder, 'app'), slug: join(folder, 'slug'), cache: join(folder, 'cache') };
  mkdirSync(ready.app);
  writeFileSync(join(ready.app, 'app.py'), 'print(1)\n');
  writeFileSync(join(ready.app, 'Procfile'), 'web: python app.py\n');
  const script = `mkdir packages; for copy in $(seq ${COPIES}); do cp -a '${example.slug}/.scalingo' packages/$copy; done`;
  const pipeline = {
    pyflow: 1,
    name: 'large',
    nodes: { packages: { uses: 'command', with: { argv: ['/bin/sh', '-ec', script], writes: ['packages/**'] } } },
  };
  writeFileSync(join(folder, 'large.yml'), JSON.stringify(pipeline));
  const { samples } = measure(
    { ...ready, pipeline: join(folder, 'large.yml'), options: ['--sandbox=none'] },
    'app.py',
    rounds,
  );
  remove(folder);
  return [ratioFigure(name, { floor: samples.edited.floor, pyflow: samples.edited.pyflow.map(ofRun) }, 0.5)];
}

const ofOutput = ({ output }) => output;
const ofRun = ({ run }) => run;

/** Samples of pyflow are `{ run, output }`, in milliseconds. */
function measure(ready, edited, rounds) {
  const { folder, slug, app } = ready;
  const image = join(folder, 'image');
  const reportFile = join(folder, 'outputs.json');
  const run = () => {
    const ms = pyflowTime([...runArgs(ready), `--output=oci=${image}`, '--report', reportFile], { env: networkEnv });
    return { run: ms, output: read(reportFile).outputs[0].durationMs };
  };
  const byHand = () => time(['sh', '-c', `tar -C '${slug}' -cf - . | zstd -q | sha256sum`]);
  const layers = () => {
    const [{ digest }] = read(join(image, 'index.json')).manifests;
    return read(join(image, 'blobs/sha256', digest.slice('sha256:'.length))).layers.map((layer) => layer.digest);
  };
  byHand();
  const first = { floor: [byHand()], pyflow: [run().output] };
  let before = layers();
  let mostNew = 0;
  const runEdited = () => {
    const ms = run();
    const after = layers();
    const fresh = after.filter((digest) => !before.includes(digest));
    if (fresh.length !== 1 || fresh[0] !== after.at(-1))
      throw new Error(`${fresh.length} layers are new, not only that of the source`);
    before = after;
    mostNew = Math.max(mostNew, read(reportFile).outputs[0].newBlobs.bytes);
    return ms;
  };
  const samples = interleave(rounds, [
    {
      name: 'edited',
      before: () => appendFileSync(join(app, edited), '\n# edited\n'),
      floor: byHand,
      pyflow: runEdited,
    },
    { name: 'gone', before: () => setAside(image), pyflow: run },
  ]);
  remove(image);
  return { first, samples, mostNew };
}

const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

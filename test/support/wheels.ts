// Wheels and source archives that are byte-identical every time.

import { createHash } from 'node:crypto';
import { crc32, gzipSync } from 'node:zlib';

export interface WheelOptions {
  /** An SPDX expression. */
  readonly license?: string;
  /** Path in site-packages -> content. */
  readonly files?: Readonly<Record<string, string>>;
  /** console_scripts: name -> `module:function`. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** Files in `.data/scripts`, which are installed unchanged into bin/, except for a `#!python` line. */
  readonly plainScripts?: Readonly<Record<string, string>>;
  readonly requires?: readonly string[];
}

export interface Wheel {
  readonly file: string;
  readonly name: string;
  readonly bytes: Buffer;
  readonly sha256: string;
}

/** Name of its file. */
export const versionOf = ({ file }: Wheel): string => /-(\d+(?:\.\d+)*)/.exec(file)?.[1] ?? '';

export function makeWheel(name: string, version: string, options: WheelOptions = {}): Wheel {
  const info = `${name}-${version}.dist-info`;
  const requires = (options.requires ?? []).map((line) => `Requires-Dist: ${line}\n`).join('');
  const license = options.license === undefined ? '' : `License-Expression: ${options.license}\n`;
  const scripts = Object.entries(options.scripts ?? {});
  const files: Record<string, string> = {
    ...(options.files ?? { [`${name}.py`]: `VERSION = '${version}'\n` }),
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n${license}${requires}`,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    ...(scripts.length > 0 && {
      [`${info}/entry_points.txt`]: `[console_scripts]\n${scripts.map(([key, at]) => `${key} = ${at}\n`).join('')}`,
    }),
  };
  for (const [script, text] of Object.entries(options.plainScripts ?? {})) {
    files[`${name}-${version}.data/scripts/${script}`] = text;
  }
  const record = Object.entries(files).map(([path, text]) => {
    const bytes = Buffer.from(text);
    return `${path},sha256=${createHash('sha256').update(bytes).digest('base64url')},${bytes.length}\n`;
  });
  files[`${info}/RECORD`] = `${record.join('')}${info}/RECORD,,\n`;
  const bytes = makeZip(files);
  return {
    file: `${name}-${version}-py3-none-any.whl`,
    name,
    bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}

/** Zip without compression, with all entries dated 1980. */
export function makeZip(files: Readonly<Record<string, string | Buffer>>): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [path, content] of Object.entries(files)) {
    const name = Buffer.from(path);
    const bytes = Buffer.from(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x0800, 2);
    common.writeUInt16LE(0x21, 8);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, bytes]);
    const tail = Buffer.alloc(14);
    const mode = path.includes('.data/scripts/') ? 0o100755 : 0o100644;
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, tail, name);
    bodies.push(local);
    offset += local.length;
  }
  const index = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(Object.keys(files).length, 4);
  end.writeUInt16LE(Object.keys(files).length, 6);
  end.writeUInt32LE(index.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...bodies, index, Buffer.from('PK\x05\x06', 'latin1'), end]);
}

/** Makes `NAME-VERSION.tar.gz` with PKG-INFO and these files. */
export function makeSourceArchive(name: string, version: string, files: Readonly<Record<string, string>>): Wheel {
  const top = `${name}-${version}`;
  const blocks: Buffer[] = [];
  const all = { 'PKG-INFO': `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`, ...files };
  for (const [path, text] of Object.entries(all)) {
    const bytes = Buffer.from(text);
    const header = Buffer.alloc(512);
    const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;
    header.write(`${top}/${path}`, 0);
    header.write(octal(0o644, 8) + octal(0, 8) + octal(0, 8) + octal(bytes.length, 12) + octal(315_532_800, 12), 100);
    header.write(' '.repeat(8), 148);
    header.write('0', 156);
    header.write('ustar\u000000', 257);
    header.write(
      `${octal(
        header.reduce((sum, byte) => sum + byte, 0),
        7,
      )} `,
      148,
    );
    blocks.push(header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  const bytes = gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
  return { file: `${top}.tar.gz`, name, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** The package `built`. Every build of it gives different bytes, in `built.py`. */
export const makeUnstableArchive = (): Wheel =>
  makeSourceArchive('built', '1.0', {
    'pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    'backend.py': `import uuid, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "built-1.0-py3-none-any.whl"
    info = "built-1.0.dist-info/"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("built.py", "BUILD = '%s'\\n" % uuid.uuid4())
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: built\\nVersion: 1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "built.py,,\\n" + info + "METADATA,,\\n" + info + "WHEEL,,\\n" + info + "RECORD,,\\n")
    return name
`,
  });

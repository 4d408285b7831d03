// Loaded before a program (`node --import`): writes its peak resident memory, in bytes, to the file PEAK_FILE. It is the
// kernel's figure for this process image, without parent and children.

import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';

const file = process.env.PEAK_FILE;
delete process.env.PEAK_FILE;
process.on('exit', () => {
  if (file !== undefined) writeFileSync(file, String(peakBytes()));
});

function peakBytes() {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    return Number(kilobytes) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

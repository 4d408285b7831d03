// The system call filter that bubblewrap loads before the command: a classic BPF program, as bytes.

import { ABSENT_CALLS, FORBIDDEN_CALLS, JUDGED_CALLS, LAST_KNOWN_CALL } from './system-calls.js';

/** By `process.arch`; `audit` is the kernel's number of the architecture (linux/audit.h). */
const ARCHITECTURES: Readonly<Record<string, { readonly column: 0 | 1; readonly audit: number }>> = {
  x64: { column: 0, audit: 0xc000003e },
  arm64: { column: 1, audit: 0xc00000b7 },
};
/** Set in the numbers of the x32 ABI's calls. */
const X32_BIT = 0x40000000;

const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_GREATER = 0x25;
const JUMP_IF_AT_LEAST = 0x35;
const JUMP_IF_ANY_BIT = 0x45;
const RETURN = 0x06;

/** Offsets in struct seccomp_data. For an argument, the lower half, on little-endian processors. */
const CALL_NUMBER = 0;
const ARCHITECTURE = 4;
const argument = (index: number): number => 16 + 8 * index;

const ALLOW = 0x7fff0000;
const refuseWith = (errno: number): number => 0x00050000 | errno;
const EPERM = refuseWith(1);
const ENOSYS = refuseWith(38);
const EPROTONOSUPPORT = refuseWith(93);
const EAFNOSUPPORT = refuseWith(97);

/** CLONE_NEW* of mounts, cgroups, UTS, IPC, users, processes and networks. */
const NEW_NAMESPACES = 0x7e020000;
/** CLONE_NEWTIME: a bit of the exit signal in `clone`, a flag in `unshare` alone. */
const NEW_TIME_NAMESPACE = 0x80;

const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const TIOCSETD = 0x5423;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;

/** Query, the default, and the default without address randomization. */
const PERSONALITIES = [0xffffffff, 0, 0x00040000];

interface Instruction {
  readonly code: number;
  readonly whenTrue: number;
  readonly whenFalse: number;
  readonly operand: number;
}

const load = (operand: number): Instruction => ({ code: LOAD_WORD, whenTrue: 0, whenFalse: 0, operand });
const answer = (operand: number): Instruction => ({ code: RETURN, whenTrue: 0, whenFalse: 0, operand });
/** Runs `then`, which ends with an answer, if the comparison with the loaded word holds; else skips it. */
const when = (code: number, operand: number, then: readonly Instruction[]): readonly Instruction[] => [
  { code, whenTrue: 0, whenFalse: then.length, operand },
  ...then,
];

/** Undefined for a processor whose calls are not listed. */
export function systemCallFilter(arch: string): Buffer | undefined {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined) return undefined;
  const { column, audit } = architecture;
  const refusing = (calls: typeof FORBIDDEN_CALLS, verdict: number): readonly Instruction[] =>
    Object.values(calls).flatMap((numbers) => {
      const number = numbers[column];
      return number === undefined ? [] : when(JUMP_IF_EQUAL, number, [answer(verdict)]);
    });
  const judging = (name: keyof typeof JUDGED_CALLS, judge: readonly Instruction[]): readonly Instruction[] =>
    when(JUMP_IF_EQUAL, JUDGED_CALLS[name][column], judge);
  return assemble([
    load(ARCHITECTURE),
    // 32-bit calls have other numbers, which the rules below don't cover, so all of them are refused.
    { code: JUMP_IF_EQUAL, whenTrue: 1, whenFalse: 0, operand: audit },
    answer(ENOSYS),
    load(CALL_NUMBER),
    ...(column === 0 ? when(JUMP_IF_AT_LEAST, X32_BIT, [answer(ENOSYS)]) : []),
    ...when(JUMP_IF_GREATER, LAST_KNOWN_CALL, [answer(ENOSYS)]),
    ...judging('clone', [load(argument(0)), ...when(JUMP_IF_ANY_BIT, NEW_NAMESPACES, [answer(EPERM)]), answer(ALLOW)]),
    ...judging('ioctl', [
      load(argument(1)),
      ...[TIOCSTI, TIOCLINUX, TIOCSETD].flatMap((request) => when(JUMP_IF_EQUAL, request, [answer(EPERM)])),
      answer(ALLOW),
    ]),
    ...judging('socket', judgeSocket()),
    ...judging('unshare', [
      load(argument(0)),
      ...when(JUMP_IF_ANY_BIT, NEW_NAMESPACES | NEW_TIME_NAMESPACE, [answer(EPERM)]),
      answer(ALLOW),
    ]),
    ...judging('personality', [
      load(argument(0)),
      ...PERSONALITIES.flatMap((persona) => when(JUMP_IF_EQUAL, persona, [answer(ALLOW)])),
      answer(EPERM),
    ]),
    ...refusing(FORBIDDEN_CALLS, EPERM),
    ...refusing(ABSENT_CALLS, ENOSYS),
    answer(ALLOW),
  ]);
}

/** Allows local sockets, the internet, and netlink queries about addresses and routes. */
const judgeSocket = (): readonly Instruction[] => [
  load(argument(0)),
  ...[AF_UNIX, AF_INET, AF_INET6].flatMap((family) => when(JUMP_IF_EQUAL, family, [answer(ALLOW)])),
  ...when(JUMP_IF_EQUAL, AF_NETLINK, [
    load(argument(2)),
    ...when(JUMP_IF_EQUAL, 0, [answer(ALLOW)]),
    answer(EPROTONOSUPPORT),
  ]),
  answer(EAFNOSUPPORT),
];

function assemble(instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(8 * instructions.length);
  instructions.forEach(({ code, whenTrue, whenFalse, operand }, index) => {
    bytes.writeUInt16LE(code, 8 * index);
    bytes.writeUInt8(whenTrue, 8 * index + 2);
    bytes.writeUInt8(whenFalse, 8 * index + 3);
    bytes.writeUInt32LE(operand >>> 0, 8 * index + 4);
  });
  return bytes;
}

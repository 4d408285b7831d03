// System calls that no command of a build needs, with their numbers by processor. Data only; seccomp.ts makes the filter.
// The choice follows what desktop sandboxes and container engines ship.

/** [x86-64, aarch64]; undefined if the processor doesn't have the call. */
type Numbers = readonly [number | undefined, number | undefined];

/** These fail with EPERM: they have been used to escape from sandboxes, or they are the host's business. */
export const FORBIDDEN_CALLS: Readonly<Record<string, Numbers>> = {
  acct: [163, 89],
  add_key: [248, 217],
  bpf: [321, 280],
  chroot: [161, 51],
  clock_adjtime: [305, 266],
  clock_settime: [227, 112],
  delete_module: [176, 106],
  fanotify_init: [300, 262],
  finit_module: [313, 273],
  init_module: [175, 105],
  ioperm: [173, undefined],
  iopl: [172, undefined],
  kcmp: [312, 272],
  kexec_file_load: [320, 294],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  lookup_dcookie: [212, 18],
  lsm_set_self_attr: [460, 460],
  mbind: [237, 235],
  migrate_pages: [256, 238],
  modify_ldt: [154, undefined],
  mount: [165, 40],
  move_pages: [279, 239],
  nfsservctl: [180, 42],
  open_by_handle_at: [304, 265],
  perf_event_open: [298, 241],
  pidfd_getfd: [438, 438],
  pivot_root: [155, 41],
  process_madvise: [440, 440],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  ptrace: [101, 117],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  reboot: [169, 142],
  request_key: [249, 218],
  setdomainname: [171, 162],
  sethostname: [170, 161],
  setns: [308, 268],
  settimeofday: [164, 170],
  swapoff: [168, 225],
  swapon: [167, 224],
  syslog: [103, 116],
  umount2: [166, 39],
  uselib: [134, undefined],
  userfaultfd: [323, 282],
  vhangup: [153, 58],
};

/** These fail as on a kernel without them, so that programs fall back to calls whose arguments the filter can check. */
export const ABSENT_CALLS: Readonly<Record<string, Numbers>> = {
  clone3: [435, 435],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fsopen: [430, 430],
  fspick: [433, 433],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  io_uring_setup: [425, 425],
  listmount: [458, 458],
  memfd_secret: [447, 447],
  mount_setattr: [442, 442],
  move_mount: [429, 429],
  open_tree: [428, 428],
  open_tree_attr: [467, 467],
  statmount: [457, 457],
};

/** Refused only with certain arguments. */
export const JUDGED_CALLS = {
  clone: [56, 220],
  ioctl: [16, 29],
  personality: [135, 92],
  socket: [41, 198],
  unshare: [272, 97],
} as const satisfies Readonly<Record<string, Numbers>>;

/** The newest call considered (file_setattr, Linux 6.17). Later ones fail as if the kernel had no such call. */
export const LAST_KNOWN_CALL = 469;

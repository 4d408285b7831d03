// Hostile code that runs at the end of a command, inside the sandbox of a node. In Perl, because a shell needs a minute
// for a tree of 9,000 folders, and the views of most nodes contain no other interpreter.

export const FORMS = [
  'link-to-file',
  'link-to-folder',
  'dangling-link',
  'pipe',
  'link-to-zero',
  'hard-link',
  'other-type',
  'deep-tree',
] as const;
export type Form = (typeof FORMS)[number];

/** What it prints if it could not plant the thing. */
export const NOT_PLANTED = 'pyflow-test: not planted: ';

/**
 * Arguments: the folder with the effects of the real command (empty: run the command itself), its exit status, the
 * path, the form, the victim's folder, the mount that contains the path, and the real command.
 */
const PROGRAM = String.raw`
use strict; use warnings; use POSIX (); use File::Path qw(make_path); use File::Basename qw(dirname);
my ($replay, $status, $path, $form, $victim, $root, @command) = @ARGV;
$| = 1;
sub replay {
  my $copy = sub {
    my ($name, $to) = @_;
    return unless -d "$replay/$name";
    system('cp', '-a', '--', "$replay/$name/.", $to) == 0 or exit 97;
  };
  if (open(my $gone, '<', "$replay/deleted")) {
    local $/ = "\0";
    while (my $line = <$gone>) { chomp $line; system('rm', '-rf', '--', $line); }
  }
  $copy->('app', '/app'); $copy->('scratch', '/tmp'); $copy->('cache', '/var/cache/pyflow'); $copy->('tool', '/opt/pyflow/tools-out');
  system("cat $replay/stdout; cat $replay/stderr >&2");
}
sub plant {
  my $was_folder = -d $path && !-l $path;
  my $parent = dirname($path);
  for (my $at = $parent; length($at) > length($root); $at = dirname($at)) { unlink $at if lstat($at) && !-d $at; }
  make_path($parent) unless -d $parent;
  system('rm', '-rf', '--', $path) if lstat($path);
  if ($form eq 'link-to-file') { return symlink("$victim/file", $path); }
  if ($form eq 'link-to-folder') { return symlink("$victim/folder", $path); }
  if ($form eq 'dangling-link') { return symlink("$victim/absent", $path); }
  if ($form eq 'pipe') { return POSIX::mkfifo($path, 0666); }
  if ($form eq 'link-to-zero') { return symlink('/dev/zero', $path); }
  if ($form eq 'hard-link') {
    open(my $file, ">", "$parent/pyflow-test-other") or return 0;
    print $file "the other name\n"; close $file;
    return link("$parent/pyflow-test-other", $path);
  }
  if ($form eq 'other-type') {
    if ($was_folder) { open(my $file, '>', $path) or return 0; print $file "a file\n"; return close $file; }
    mkdir $path or return 0;
    open(my $file, '>', "$path/inner") or return 0; return close $file;
  }
  mkdir $path or return 0;
  chdir $path or return 0;
  for (1..9000) { mkdir 'd' or return 0; chdir 'd' or return 0; }
  return 1;
}
if ($replay eq '') { my $ended = system(@command); $status = $ended & 127 ? 128 + ($ended & 127) : $ended >> 8; } else { replay(); }
if ($path ne '') { $! = 0; plant() or print "${NOT_PLANTED}$!\n"; }
exit $status;
`;

export interface Planting {
  /** Paths as the command sees them. */
  readonly path: string;
  readonly root: string;
  readonly form: Form;
  readonly victim: string;
}

/** A command line that repeats what the real command did, and then plants. */
export function plantingCommand(
  planting: Planting | undefined,
  replay: { readonly folder: string; readonly status: number } | undefined,
  command: readonly string[],
): readonly string[] {
  const { path, form, victim, root } = planting ?? { path: '', form: '', victim: '', root: '' };
  return [
    'perl',
    '-e',
    PROGRAM,
    replay?.folder ?? '',
    String(replay?.status ?? 0),
    path,
    form,
    victim,
    root,
    ...command,
  ];
}

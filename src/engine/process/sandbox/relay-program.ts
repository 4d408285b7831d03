// The program that connects a port on the loopback of a sandbox without a network to the socket of the gateway, then becomes the
// command. In Perl, which every sandbox has; it ends with the sandbox.

/** Of the proxy on the loopback of the sandbox. */
export const RELAY_PORT = 3128;
/** Where the sandbox has the socket of the gateway. */
export const RELAY_SOCKET = '/run/pyflow-packages';

/** Arguments: path of the socket, port, then the command. */
export const RELAY_PROGRAM = String.raw`
use strict;
use Errno;
use IO::Handle;
use Socket qw(AF_INET AF_UNIX SOCK_STREAM SOL_SOCKET SO_REUSEADDR inet_aton pack_sockaddr_in pack_sockaddr_un);
my ($path, $port) = splice @ARGV, 0, 2;
my $server;
socket($server, AF_INET, SOCK_STREAM, 0) && setsockopt($server, SOL_SOCKET, SO_REUSEADDR, 1)
  && bind($server, pack_sockaddr_in($port, inet_aton('127.0.0.1'))) && listen($server, 1024)
  or die "bwrap: the relay to the package gateway can't listen: $!\n";
my $relay = fork;
defined $relay or die "bwrap: the relay to the package gateway can't start: $!\n";
if ($relay) {
  close $server;
  exec { $ARGV[0] } @ARGV or do { print STDERR "bwrap: execvp $ARGV[0]: $!\n"; exit 127 };
}
open STDIN, '<', '/dev/null';
open STDOUT, '>', '/dev/null';
open STDERR, '>', '/dev/null';
$SIG{PIPE} = 'IGNORE';
$SIG{INT} = $SIG{TERM} = $SIG{HUP} = 'IGNORE';
setpgrp;
my (%handle, %peer, %waiting, %ended, %readers, $readable, $writable);
$readable = $writable = '';
my $number = fileno $server;
$server->blocking(0);
vec($readable, $number, 1) = 1;
sub drop {
  for my $one (@_) {
    next unless $handle{$one};
    vec($readable, $one, 1) = 0;
    vec($writable, $one, 1) = 0;
    close $handle{$one};
    delete $_->{$one} for \%handle, \%peer, \%waiting, \%ended;
  }
}
sub flush_to {
  my ($one) = @_;
  while (length $waiting{$one}) {
    my $written = syswrite $handle{$one}, $waiting{$one};
    if (!defined $written) {
      last if $!{EAGAIN} || $!{EINTR};
      return drop($one, $peer{$one});
    }
    substr($waiting{$one}, 0, $written) = '';
  }
  my $other = $peer{$one};
  vec($writable, $one, 1) = length $waiting{$one} ? 1 : 0;
  vec($readable, $other, 1) = 1 if $handle{$other} && !$ended{$other} && length $waiting{$one} < 262144;
  if ($ended{$other} && !length $waiting{$one}) {
    return drop($one, $other) if $ended{$one};
    shutdown $handle{$one}, 1;
  }
}
for (;;) {
  my ($can_read, $can_write);
  my $found = select($can_read = $readable, $can_write = $writable, undef, undef);
  next if $found < 0;
  if (vec($can_read, $number, 1)) {
    my ($client, $gateway);
    if (!accept $client, $server) {
      # Without free descriptors, the next try fails as well.
      select undef, undef, undef, 0.05;
    } else {
      if (socket($gateway, AF_UNIX, SOCK_STREAM, 0) && connect($gateway, pack_sockaddr_un($path))) {
        my ($one, $other) = (fileno $client, fileno $gateway);
        @handle{$one, $other} = ($client, $gateway);
        @peer{$one, $other} = ($other, $one);
        @waiting{$one, $other} = ('', '');
        $_->blocking(0) for $client, $gateway;
        vec($readable, $_, 1) = 1 for $one, $other;
      }
    }
  }
  for my $one (keys %handle) {
    if ($handle{$one} && vec($can_write, $one, 1)) { flush_to($one) }
    next unless $handle{$one} && vec($can_read, $one, 1);
    my $other = $peer{$one};
    my $count = sysread $handle{$one}, my $bytes, 65536;
    if (!defined $count) {
      next if $!{EAGAIN} || $!{EINTR};
      drop($one, $other);
      next;
    }
    if ($count == 0) {
      $ended{$one} = 1;
      vec($readable, $one, 1) = 0;
    } else {
      $waiting{$other} .= $bytes;
      vec($readable, $one, 1) = 0 if length $waiting{$other} >= 262144;
    }
    flush_to($other) if $handle{$other};
  }
}
`;

# Reads `group PGID` and `folder PATH`, one a line, until its input ends. Then kills the groups and removes the folders, except those
# that a later line `gone group PGID` or `gone folder PATH` took back.
groups=' '
folders=' '
while read -r what which more; do
  case $what in
    group) groups=" $which$groups" ;;
    folder) folders=" $which$folders" ;;
    gone)
      case $which in
        group) groups="${groups%% $more *} ${groups#* $more }" ;;
        folder) folders="${folders%% $more *} ${folders#* $more }" ;;
      esac
      ;;
  esac
done
# dash wants no `--` here.
for group in $groups; do kill -KILL "-$group"; done
# Programs that use FUSE mount below their folders.
for folder in $folders; do
  while read -r _ path _; do
    case $path in "$folder"/*) umount --lazy "$path" ;; esac
  done < /proc/mounts
  rm -rf "$folder"
done

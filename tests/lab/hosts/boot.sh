#!/bin/sh
#! boot.sh FOLDER WORDS...: boots a host, and boots it again when it asked for that, until it is switched off.
# With --keep-unit nspawn ends with 133 at a reboot and leaves the rest to us.
# FOLDER/away: seconds that the host stays away at a reboot. LAB_V1: its folders in the trees of cgroup v1.
folder=$1; shift
while :; do
  systemd-nspawn "$@"
  status=$?
  echo "lab: nspawn ended with $status"
  [ $status = 133 ] || exit $status
  # A machine that boots has no groups left of its former life. Not those in unified and name=systemd: nspawn makes its payload's
  # folder in both or, where it finds the first, in neither.
  for group in $LAB_V1; do find "$group" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null; done
  [ ! -s "$folder/away" ] || sleep "$(cat "$folder/away")"
done

# New things are made where nobody else gets, then put into place at once. Until then nothing is there: 70 says so.
trap 'exit 60' HUP INT TERM PIPE
# Nothing of the content may stand in the arguments of a process.
PATH=/nonexistent command -v printf >/dev/null || exit 70
folder() { [ -d "$1" ] && [ -x "$1" ] && sweep "$1" || exit 70; }
# Is what is open as $1 what was made at $2, and not what somebody put there since?
ours() { cd -P "/proc/self/fd/$1" && [ -O . ] && [ "${PWD##*/}" = "${2##*/}" ] && cd / || exit 70; }
none() { for p do [ ! -e "$p" ] && [ ! -L "$p" ] || exit 70; done; }
put() { printf %s "$1"; }
gone() { for p do [ ! -e "$p" ] || return 1; done; }
# What was put into place at $2 is taken back to $1.
undo() { [ -e "$1" ] || mv -T -- "$2" "$1"; }

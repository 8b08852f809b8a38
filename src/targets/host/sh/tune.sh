# V is the value. Kernels keep it with other spaces between its words, and may take something else for it.
words() { set -f; set -- $1; printf '%s' "$*"; }
# One write: each is a value of its own.
e=$( { printf '%s\n' "$V" >"$P"; } 2>&1) || { printf '%s\n' "$e" >&2; exit 61; }
now=$(cat -- "$P") || exit 40
[ "$(words "$now")" = "$(words "$V")" ] || { words "$now" >&2; exit 62; }

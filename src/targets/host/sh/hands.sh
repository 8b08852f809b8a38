# What every step may use. P is the path, D its folder; OWNER, GROUP and MODE are empty where nothing is asked for.
# The status says how far it came; what the system said is on standard error.
T=; trap '[ -z "$T" ] || rm -rf "$T"' EXIT; trap 'exit 60' HUP INT TERM PIPE
D=${P%/*}; D=${D:-/}

# Into k, as the digest goes into s: what says it on standard output is one process more, and processes are what a step costs.
kind() {
  if [ -L "$1" ]; then k=link; elif [ -d "$1" ]; then k=directory; elif [ -f "$1" ]; then k=file
  elif [ -e "$1" ]; then k=other; else k=absent; fi
}
digest() { s=$(sha256sum <"$1") && s=${s%% *}; }
# The x keeps newlines at the end of a target.
points() { readlink -n -- "$1" && printf x; }

# Is what is at P what was expected? $1 is its kind, $2 the digest of a file or the target of a link.
expect() {
  kind "$P"
  # In a folder that can be searched, what cannot be seen is not there.
  if [ "$k" = absent ] && ! { [ -d "$D" ] && [ -x "$D" ]; }; then
    e=$(stat -- "$P" 2>&1 >/dev/null)
    case $e in *': No such file or directory' | *': Not a directory') ;; *) printf '%s\n' "$e" >&2; exit 40 ;; esac
  fi
  [ "$k" = "$1" ] || { printf '%s\n' "$k" >&2; exit 48; }
  case $k in
    file) digest "$P" || exit 40; [ "$s" = "$2" ] || { echo content >&2; exit 48; } ;;
    link) c=$(points "$P") || exit 40; [ "$c" = "$2x" ] || { echo target >&2; exit 48; } ;;
  esac
}

# Owner and group before the mode: a change of owner takes setuid away.
dress_up() {
  m=$MODE
  if [ -n "$OWNER$GROUP" ]; then
    [ -n "$m" ] || m=$(stat -L -c %a -- "$1") || return
    chown -- "$OWNER${GROUP:+:$GROUP}" "$1" || return
  fi
  [ -z "$m" ] || chmod -- "$m" "$1"
}

parent() { [ -d "$D" ] || { [ -e "$D" ] && exit 52; exit 51; }; sweep "$D"; }

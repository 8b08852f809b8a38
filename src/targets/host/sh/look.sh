# What a batch of questions may use. Each answer is: data, a mark, its status, a newline, what else is to be said, a mark;
# and on the other stream what it complained of, a mark. A program is called plainly, then the shell need not copy itself.
mark() { printf '\036%s/' "$N"; }
over() { mark; mark >&2; }
look() { "$@"; r=$?; mark; printf '%s\n' "$r"; over; }
none() { mark; printf '0\n'; over; }

# As whom one works: I, where the check of the tools has said it already.
identity() {
  [ -n "$I" ] || { look stat -c %U:%G /proc/self/; return; }
  printf '%s\n' "$I"; none
}

stats() {
  look stat --printf '%a\0%U\0%u\0%G\0%g\0%s\0%F\0%d\0%i\0%n\0' -- "$@"
  links "$@"; sums "$@"
}
links() {
  n=$#
  for p do if [ -L "$p" ]; then set -- "$@" "$p"; fi; done
  shift $n
  if [ $# -gt 0 ]; then look find "$@" -maxdepth 0 -printf '%p\0%l\0'; else none; fi
}
sums() {
  n=$#
  for p do if [ -f "$p" ] && [ ! -L "$p" ]; then set -- "$@" "$p"; fi; done
  shift $n
  if [ $# -gt 0 ]; then look sha256sum -z -- "$@"; else none; fi
}

# At most $1 bytes of the file at $2: one more says that there is more.
content() {
  if [ -e "$2" ] && [ ! -f "$2" ]; then mark; printf '90\n'; over; return; fi
  look head -c "$1" -- "$2"
}

tree() { look find "$1" -mindepth 1 -printf '%m\0%u\0%g\0%s\0%y\0%l\0%D\0%i\0%p\0'; }

# run LIMIT INPUT SECONDS WORDS: a command with INPUT bytes of the payload as its input.
run() {
  m=$1; input "$2"; shift 2
  guard "$@" <"$d/in" >"$d/out" 2>"$d/err"; r=$?
  head -c "$m" "$d/out"; mark; printf '%s %s\n' "$r" "${late:-0}"; head -c "$m" "$d/err"; over
  rm -f "$d/in" "$d/out" "$d/err"
}
input() {
  if [ "$1" -gt 0 ]; then dd bs=65536 iflag=fullblock,count_bytes count="$1" 2>/dev/null; fi >"$d/in"
}
nowhere() { input "$1"; mark; printf 'chdir\n%s' "$2"; over; }

# The first line is the architecture of packages that do not say theirs; empty when there is only one.
packages() {
  a=; [ ! -r /var/lib/dpkg/arch ] || read -r a </var/lib/dpkg/arch
  printf '%s\n' "$a"
  look dpkg-query -W -f '${binary:Package}\t${db:Status-Abbrev}\t${Version}\n' -- "$@"
}
# In seconds, by the clock of the host; nothing when there are no lists.
lists() {
  set -- /var/lib/apt/lists/*_Packages*
  [ -e "$1" ] || { none; return; }
  date +%s
  set -- /var/lib/apt/lists
  [ ! -e /var/lib/apt/periodic/update-success-stamp ] || set -- "$@" /var/lib/apt/periodic/update-success-stamp
  look stat -c %Y -- "$@"
}
units() {
  look systemctl show --no-pager \
    -p Id,LoadState,LoadError,ActiveState,SubState,UnitFileState,NeedDaemonReload,FragmentPath,CanReload,Type,RemainAfterExit \
    -- "$@"
}

# Keeps what is there in a folder of its own, and starts what puts it back after SECONDS. The input is the script that
# does that. Calls of `keep`, `follow`, `value` and `unit` follow, with a number and a name each.
[ "$(id -u)" = 0 ] || exit 77
umask 077
G=/var/lib/lions/guard
mkdir -p -m 755 /var/lib/lions && mkdir -p -m 700 "$G" || exit 43
for o in "$G"/*/over; do [ ! -e "$o" ] || rm -rf "${o%/over}"; done
g=$(mktemp -d "$G/XXXXXXXXXX") && mkdir "$g/kept" "$g/armed" || exit 43
u=/etc/systemd/system/lions-guard-boot-${g##*/}.service w=/etc/systemd/system/multi-user.target.wants
trap 'rm -rf "$g" "$u" "$w/${u##*/}"' EXIT; trap 'exit 60' HUP INT TERM PIPE
cat >"$g/undo" || exit 44
# For others that want the host meanwhile: which run, who, and in which boot.
[ ! -e /run/lions/lock ] || { read -r r; read -r who; printf '%s\n' "$r" "$who" "${B%.*}" >"$g/holder"; } </run/lions/lock || exit 44

keep() {
  if [ -L "$2" ] || [ -e "$2" ]; then cp -aT -- "$2" "$g/kept/$1" || exit 44
  else
    e=$(stat -- "$2" 2>&1 >/dev/null)
    case $e in *': No such file or directory' | *': Not a directory') : >"$g/kept/$1.absent" ;; *) printf '%s\n' "$e" >&2; exit 40 ;; esac
  fi
}
follow() { f=$(readlink -f -- "$2") && printf '%s' "$f" >"$g/kept/$1.path" && keep "$1" "$f"; }
value() { cat -- "$2" >"$g/kept/$1" || exit 44; }
unit() {
  systemctl show -p ActiveState --value -- "$2" >"$g/kept/$1.active" && \
    systemctl show -p UnitFileState --value -- "$2" >"$g/kept/$1.enabled" || exit 40
}
table() {
  t=$(nft list tables) || exit 40
  case "
$t
" in *"
table inet lions
"*) nft -s list table inet lions >"$g/kept/table" || exit 40 ;; esac
}

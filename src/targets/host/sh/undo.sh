# Puts back what was kept in the folder $1. Each part is tried, whatever becomes of the others; what went wrong is said.
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL
g=$1; umask 077
back() {
  k=$g/kept/$1
  if [ -e "$k.absent" ]; then
    if [ -d "$2" ] && [ ! -L "$2" ]; then rmdir -- "$2"; else rm -f -- "$2"; fi
  elif [ -d "$k" ] && [ ! -L "$k" ]; then
    if [ -d "$2" ]; then chown --reference="$k" -- "$2" && chmod --reference="$k" -- "$2"; else cp -aT -- "$k" "$2"; fi
  else
    t=${2%/*}/.lions-undo.$1
    cp -aT -- "$k" "$t" && mv -fT -- "$t" "$2" || { rm -f -- "$t"; false; }
  fi || echo "could not put back $2"
}
followed() { back "$1" "$(cat "$g/kept/$1.path")"; }
value() { cat "$g/kept/$1" >"$2" || echo "could not put back $2"; }
unit() {
  read -r enabled <"$g/kept/$1.enabled"; read -r active <"$g/kept/$1.active"
  case $enabled in
    enabled | disabled) systemctl "${enabled%d}" --no-reload -- "$2" ;;
    masked) systemctl mask -- "$2" ;;
  esac >/dev/null 2>&1
  case $active in
    active | activating | reloading) systemctl restart -- "$2" ;;
    *) systemctl stop -- "$2" ;;
  esac || echo "could not put back $2"
}
again() { timeout -k 2 60 "$@" || echo "a command of a handler failed (status $?)"; }
table() {
  nft delete table inet lions 2>/dev/null
  [ ! -e "$g/kept/table" ] || nft -f "$g/kept/table" || echo "could not put back the rules of nftables"
}

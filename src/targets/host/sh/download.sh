# The input is the URL, then one header a line. NAME begins the names of what was fetched so far, PART is this one's.
# SUM is the digest, MOVES whether another address may be followed, NEXT which one.
parent
expect "$KIND" "$WAS"
for f in "$D/$NAME".*; do [ "$f" = "$D/$PART" ] || rm -f -- "$f"; done
PART=$D/$PART
umask 077
size() { stat -c %s -- "$PART"; }
# What lies there may be a trap in a folder that others write to.
mine() {
  [ ! -L "$PART" ] || return 1
  case $(stat -c '%F %u %h %a' -- "$PART" 2>/dev/null) in
    "regular file $(id -u) 1 600" | "regular empty file $(id -u) 1 600") ;;
    *) return 1 ;;
  esac
}
fresh() { rm -rf -- "$PART"; (set -C; : >"$PART") || exit 43; }

IFS= read -r URL
HEADERS=$(cat)
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }
config() {
  printf 'url = "%s"\n' "$(quoted "$URL")"
  printf '%s\n' "$HEADERS" | while IFS= read -r l; do
    [ -z "$l" ] || printf 'header = "%s"\n' "$(quoted "$l")"
  done
}
with_curl() {
  code=$(config | curl -q --config - --fail --silent --show-error --location --max-redirs "$MOVES" --globoff \
    --proto '=http,https' --proto-redir "=$NEXT" --connect-timeout 30 --speed-limit 1 --speed-time 60 \
    --continue-at - --output "$PART" --write-out '%{http_code}')
  r=$?
  case $r.$code in 33.* | *.416) return 2 ;; 0.*) return 0 ;; 47.*) exit 63 ;; 22.*) exit 64 ;; *) exit 61 ;; esac
}
with_wget() {
  # It reads nothing but a regular file; in memory where there is some.
  C=$(mktemp "/dev/shm/$B.XXXXXX" 2>/dev/null || mktemp) || exit 43
  printf '%s\n' "$HEADERS" | sed '/./s/^/header = /' >"$C" || exit 43
  printf '%s\n' "$URL" | wget --config="$C" --no-verbose --no-hsts --max-redirect="$MOVES" --timeout=60 --tries=1 \
    --continue --output-document="$PART" --input-file=-
  r=$?
  rm -f "$C"
  case $r in 0) return 0 ;; 8) [ "$1" = 0 ] || return 2; exit 64 ;; *) exit 61 ;; esac
}
if command -v curl >/dev/null; then get=with_curl
elif command -v wget >/dev/null; then get=with_wget
else exit 65; fi

mine || fresh
had=$(size) C=
( while sleep 5; do echo "$(($(size) / 1024)) KiB so far"; done ) 2>/dev/null & watch=$!
trap 'kill $watch 2>/dev/null; [ -z "$C" ] || rm -f "$C"; [ -s "$PART" ] || rm -f -- "$PART"' EXIT
is=
now() { digest "$PART" && is=$s; }
[ "$had" = 0 ] || now
if [ "$is" != "$SUM" ]; then
  $get "$had"; r=$?
  now
  # What lay there was the beginning of something else.
  if [ "$had" != 0 ] && { [ $r = 2 ] || [ "$is" != "$SUM" ]; }; then fresh; $get 0; now; fi
fi
if [ "$is" != "$SUM" ]; then rm -f -- "$PART"; printf '%s\n' "$is" >&2; exit 62; fi

# From here on it is right: what fails has another cause, and nothing is worth keeping.
trap 'kill $watch 2>/dev/null; rm -f -- "$PART"' EXIT
KEPT=644
if [ "$KIND" = file ]; then
  if [ -z "$OWNER" ]; then [ "$(stat -c %u -- "$P")" = "$(id -u)" ] || OWNER=$(stat -c %u -- "$P"); fi
  if [ -z "$GROUP" ]; then GROUP=$(stat -c %g -- "$P"); fi
  KEPT=$(stat -c %a -- "$P") || exit 46
fi
MODE=${MODE:-$KEPT}
dress_up "$PART" || exit 46
sync "$PART" || exit 47
expect "$KIND" "$WAS"
mv -fT -- "$PART" "$P" || exit 49
trap 'kill $watch 2>/dev/null' EXIT; sync "$D" || exit 57

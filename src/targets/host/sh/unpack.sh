# SRC is the archive, SUM its digest, STRIP how many leading folders go, SEEN the digest of what the look said, ASIDE where
# the old folder lies for a moment, OPTIONS what is noted beside the digest. The input is what others keep, a line each.
parent
unchanged() { s=$(look "$P" "$ASIDE" | sha256sum) && [ "${s%% *}" = "$SEEN" ] || { echo content >&2; exit 48; }; }
O=$D/$ASIDE X=$(cat)
kept() { [ -z "$X" ] || printf '%s\n' "$X"; }
# From the folder that was replaced.
carry() {
  kept | while IFS= read -r e; do
    if [ -e "$O/$e" ] || [ -L "$O/$e" ]; then
      case $e in */*) mkdir -p -- "$P/${e%/*}" || exit ;; esac
      [ -e "$P/$e" ] || mv -T -- "$O/$e" "$P/$e" || exit
    fi
  done || exit 49
  rm -rf --one-file-system -- "$O" || exit 50
}
unchanged
s=$(sha256sum <"$SRC") || exit 61
[ "${s%% *}" = "$SUM" ] || { printf '%s\n' "${s%% *}" >&2; exit 62; }
T=$(mktemp -d "$D/.lions.XXXXXX") && mkdir "$T/x" || exit 43
outside() { grep -qE '(^|/)\.\.(/|$)|^/' "$T/list" && exit 67; }
case $(head -c 4 -- "$SRC" | od -An -tx1 | tr -d ' ') in
  504b0304 | 504b0506)
    command -v unzip >/dev/null || exit 66
    unzip -Z1 "$SRC" >"$T/list" || exit 68
    outside
    unzip -q "$SRC" -d "$T/x" >&2 </dev/null || exit 68
    ;;
  *)
    tar -tf "$SRC" >"$T/list" </dev/null || exit 68
    outside
    tar -xf "$SRC" -C "$T/x" --no-same-owner --no-same-permissions </dev/null >&2 || exit 68
    ;;
esac
while [ "$STRIP" -gt 0 ]; do
  mkdir "$T/y" && find "$T/x" -mindepth 2 -maxdepth 2 -exec mv -n -t "$T/y" -- {} + || exit 44
  [ -z "$(find "$T/x" -mindepth 2 -maxdepth 2 | head -n 1)" ] || exit 69
  rm -rf "$T/x" && mv -T "$T/y" "$T/x" || exit 44
  STRIP=$((STRIP - 1))
done
[ -z "$(find "$T/x" -mindepth 1 ! -type f ! -type d ! -type l | head -n 1)" ] || exit 64
kept | while IFS= read -r e; do rm -rf -- "$T/x/$e" || exit; done || exit 44
[ -n "$(ls -A "$T/x")" ] || exit 65
find "$T/x" -type f -perm /6000 -exec chmod ug-s -- {} + || exit 46
[ -z "$OWNER$GROUP" ] || chown -hR -- "$OWNER${GROUP:+:$GROUP}" "$T/x" || exit 46
chmod 755 "$T/x" || exit 46
if [ -d "$P" ]; then
  chmod --reference="$P" -- "$T/x" || exit 46
  [ -n "$OWNER$GROUP" ] || chown --reference="$P" -- "$T/x" || exit 46
fi
(cd "$T/x" && { printf '%s %s\n' "$SUM" "$OPTIONS"; listing; } >"$T/record") && mv -T "$T/record" "$T/x/.lions-archive" || exit 44
sync -f "$T/x" || exit 47
unchanged
# From here on it is not interrupted: each half is a rename.
trap '' HUP INT TERM
if [ -e "$O" ]; then
  if [ -e "$P" ]; then carry; else mv -T -- "$O" "$P" || exit 49; fi
fi
if [ -d "$P" ]; then mv -T -- "$P" "$O" || exit 49; fi
mv -T -- "$T/x" "$P" || { [ ! -e "$O" ] || mv -T -- "$O" "$P"; exit 49; }
[ ! -e "$O" ] || carry
sync "$D" || exit 57

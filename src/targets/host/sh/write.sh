# The payload is the content, SUM its digest, VALIDATE a command with "$1" for the file.
parent
kind "$P"; [ "$k" = "$KIND" ] || expect "$KIND" "$WAS"
T=$(mktemp "$D/$B.XXXXXX") || exit 43
if [ "$KIND" = file ]; then
  cp -a --attributes-only -- "$P" "$T" && s=$(stat -c '%u %g %a' -- "$P" "$T") || exit 46
  set -- $s
  # As another owner than before only when that is asked for.
  [ -n "$OWNER" ] || [ "$1" = "$4" ] || exit 53
  [ -n "$GROUP" ] || [ "$2" = "$5" ] || exit 53
  # Not readable to more than it will be, while its content comes in. A write takes setuid away.
  if [ -n "$OWNER$GROUP$MODE" ] || [ ${#3} -gt 3 ] || [ ! -w "$T" ]; then MODE=${MODE:-$3}; chmod 600 "$T" || exit 46; fi
else
  MODE=${MODE:-644}
fi
cat >"$T" || exit 44
digest "$T" && [ "$s" = "$SUM" ] || exit 45
dress_up "$T" || exit 46
if [ -n "$VALIDATE" ]; then
  (
    if [ -n "$O" ]; then LC_ALL=$O; else unset LC_ALL; fi
    exec timeout -k 2 120 sh -c "$VALIDATE" sh "$T"
  ) </dev/null >&2
  r=$?; [ $r != 124 ] || exit 55; [ $r = 0 ] || exit 54
  digest "$T" && [ "$s" = "$SUM" ] || exit 56
fi
sync "$T" || exit 47
expect "$KIND" "$WAS"
mv -fT -- "$T" "$P" || exit 49
T=; sync "$D" || exit 57

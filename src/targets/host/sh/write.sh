# The payload is the content, SUM its digest, VALIDATE a command with "$1" for the file.
parent
[ "$(kind "$P")" = "$KIND" ] || expect "$KIND" "$WAS"
T=$(mktemp "$D/$B.XXXXXX") || exit 43
if [ "$KIND" = file ]; then
  cp -a --attributes-only -- "$P" "$T" || exit 46
  # Not readable to more than it will be, while its content comes in.
  KEPT=$(stat -c %a -- "$P") && chmod 600 "$T" || exit 46
  # As another owner than before only when that is asked for.
  if [ -z "$OWNER" ]; then [ "$(stat -c %u -- "$P")" = "$(stat -c %u "$T")" ] || exit 53; fi
  if [ -z "$GROUP" ]; then [ "$(stat -c %g -- "$P")" = "$(stat -c %g "$T")" ] || exit 53; fi
else
  KEPT=644
fi
MODE=${MODE:-$KEPT}
cat >"$T" || exit 44
[ "$(digest "$T")" = "$SUM" ] || exit 45
dress_up "$T" || exit 46
if [ -n "$VALIDATE" ]; then
  (
    if [ -n "$O" ]; then LC_ALL=$O; else unset LC_ALL; fi
    exec timeout -k 2 120 sh -c "$VALIDATE" sh "$T"
  ) </dev/null >&2
  r=$?; [ $r != 124 ] || exit 55; [ $r = 0 ] || exit 54
  [ "$(digest "$T")" = "$SUM" ] || exit 56
fi
sync "$T" || exit 47
expect "$KIND" "$WAS"
mv -fT -- "$T" "$P" || exit 49
T=; sync "$D" || exit 57

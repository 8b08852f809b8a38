# ACTION, WAY (--no-block or nothing) and NAME. When it fails, what the unit said of itself in that very start is told as well.
# Who does not wait judges by what it does from now on: what failed before does not count.
[ -z "$WAY" ] || systemctl --no-ask-password reset-failed -- "$NAME" >/dev/null 2>&1
guard '' systemctl --no-pager --no-ask-password $WAY "$ACTION" -- "$NAME"; r=$?
case $WAY$ACTION in
  start | restart | reload)
    # One that ends at once was started all the same, as far as systemctl is concerned.
    [ $r != 0 ] || [ "$(systemctl show -p ActiveState --value -- "$NAME")" != failed ] || r=91 ;;
esac
case $r,$ACTION in
  0,* | *,enable | *,disable | *,mask | *,unmask) ;;
  *)
    i=$(systemctl show -p InvocationID --value -- "$NAME" 2>/dev/null)
    [ -z "$i" ] || timeout 5 journalctl -q --no-pager -o cat -n 15 _SYSTEMD_INVOCATION_ID="$i" + INVOCATION_ID="$i" 2>/dev/null ;;
esac
exit $r

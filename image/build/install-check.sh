#!/bin/sh
# Carried by each bundle and run by RAUC on the box before anything is written: is this bundle for this box?
# Exit status 10 and more refuses it with the last line written to standard error: CODE: sentence.
set -eu
[ "${1:-}" = install-check ] || exit 0

refuse() {
    echo "$1: $2" >&2
    exit 10
}

value() { sed -n "s/^$1=//p" /usr/lib/zongji/release; }

here=$(value VERSION)
product=$(value PRODUCT)
hardware=$(value HARDWARE)
new=$RAUC_MF_VERSION
case $RAUC_MF_COMPATIBLE in
    "$product-$hardware") ;;
    "$product"-*) refuse wrong_hardware "this bundle is for ${RAUC_MF_COMPATIBLE#"$product"-}, this box is $hardware" ;;
    *) refuse wrong_product "this bundle is for $RAUC_MF_COMPATIBLE, not for $product" ;;
esac

# 0.2.0-rc1 comes before 0.2.0: sort -V wants a tilde for that.
oldest=$(printf '%s\n%s\n' "$here" "$new" | sed 's/-/~/' | sort -V | head -n 1 | sed 's/~/-/')
if [ "$new" != "$here" ] && [ "$oldest" = "$new" ]; then
    consent=$(cat /run/zongji/downgrade-consent 2>/dev/null || true)
    [ "$consent" = "$new" ] ||
        refuse downgrade "version $new is older than $here; going back needs the administrator's consent"
fi

need=@SIZE_BYTES@
for part in a b; do
    device=/dev/zongji/rootfs-$part
    room=$(blockdev --getsize64 "$device") || refuse no_slot "$device is missing"
    [ "$room" -ge "$need" ] || refuse too_large "version $new needs $need bytes, rootfs-$part has $room"
done
exit 0

#!/bin/busybox sh
# First program after the kernel: finds the partition that GRUB named, mounts it read-only, gives it
# tmpfs where programs write, tells udev which disk is ours, and hands over to systemd.
export PATH=/bin

busybox mkdir -p /proc /sys /dev /run /root /config
busybox mount -t proc -o nosuid,nodev,noexec proc /proc
busybox mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
busybox mount -t devtmpfs -o nosuid,mode=0755 dev /dev
busybox mount -t tmpfs -o nosuid,nodev,mode=0755,size=25% run /run
busybox --install -s /bin

say() {
    echo "Zongji: $*" > /dev/kmsg
    echo "Zongji: $*" > /dev/console
}

# Whatever fails here fails again on a second look: the next try, or the other system, is GRUB's matter.
give_up() {
    say "$*; starting again"
    sleep 5
    echo b > /proc/sysrq-trigger
    sleep 60
}

root=
for word in $(cat /proc/cmdline); do
    case $word in
        root=*) root=${word#root=} ;;
    esac
done
[ -n "$root" ] || give_up "no root= was given"

# Drivers of the devices whose modalias has this in it.
load_drivers() {
    # shellcheck disable=SC2046 -- one word for each device
    modprobe -a -q -b $(find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u | grep -E "$1") 2>/dev/null
}

modprobe -a -q squashfs crc32c_generic ext4
device=
tries=0
while [ $tries -lt 300 ]; do
    # First what PCI calls storage and what appears behind it (and checksums by the processor); then all.
    case $tries in
        0 | 1) load_drivers 'bc01|^virtio:|^cpu:' ;;
        *) load_drivers . ; usleep 100000 ;;
    esac
    device=$(/bin/findfs "$root" 2>/dev/null) && break
    tries=$((tries + 1))
done
[ -n "$device" ] || give_up "the disk with $root is not there"

name=${device#/dev/}
number=$(cat "/sys/class/block/$name/partition")
disk=$(basename "$(dirname "$(readlink -f "/sys/class/block/$name")")")
mkdir -p /run/zongji /run/udev/rules.d
numbers=$(cat "/sys/class/block/$disk/dev")
printf 'DISK=%s\nROOT=%s\nNUMBER=%s\n' "$disk" "$name" "$number" > /run/zongji/boot.env
# /dev/zongji/NAME are the partitions of the disk that was started from, also with a second box's disk beside it.
echo "SUBSYSTEM==\"block\", ENV{ID_PART_ENTRY_DISK}==\"$numbers\", ENV{ID_PART_ENTRY_NAME}==\"?*\"," \
    "SYMLINK+=\"zongji/\$env{ID_PART_ENTRY_NAME}\"" > /run/udev/rules.d/61-zongji.rules

mount -t squashfs -o ro "$device" /root || give_up "$device cannot be mounted"
[ -x /root/lib/systemd/systemd ] || give_up "$device holds no system"

# The box's own machine-id, before systemd asks for it. image.box.disk keeps a new one.
for part in "/sys/class/block/$disk/"*; do
    if [ -e "$part/partition" ] && grep -qx 'PARTNAME=config' "$part/uevent"; then
        if mount -t ext4 -o ro,noload "/dev/$(basename "$part")" /config 2>/dev/null; then
            [ -s /config/machine-id ] && cp /config/machine-id /run/zongji/machine-id
            umount /config
        fi
    fi
done
if ! grep -Eqx '[0-9a-f]{32}' /run/zongji/machine-id 2>/dev/null; then
    tr -d - < /proc/sys/kernel/random/uuid > /run/zongji/machine-id
fi
mount -o bind /run/zongji/machine-id /root/etc/machine-id

mount -t tmpfs -o nosuid,nodev,mode=0755,size=64m var /root/var
mount -t tmpfs -o nosuid,nodev,mode=1777,size=25% tmp /root/tmp
for folder in dev proc sys run; do
    mount -o move "/$folder" "/root/$folder"
done
exec switch_root /root /lib/systemd/systemd

#!/bin/busybox sh
# First program of the guest: mounts the files of the machine that runs it, read-only, with tmpfs
# where something must be written, and starts the agent there.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module"; done

for word in $(cat /proc/cmdline); do
    case $word in
        zongji.repository=*) repository=${word#*=} ;;
        zongji.python=*) python=${word#*=} ;;
        zongji.tree=*) tree=${word#*=} ;;
    esac
done

options=trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro
mount -t 9p -o $options root /host
for folder in tmp run mnt; do mount -t tmpfs tmpfs /host/$folder; done
for folder in proc sys dev; do mount -o bind /$folder /host/$folder; done
mkdir -p /host/dev/shm /host/dev/pts
mount -t tmpfs tmpfs /host/dev/shm
mount -t devpts devpts /host/dev/pts
mount -t configfs configfs /host/sys/kernel/config 2>/dev/null
mkdir -p "/host$repository"
mount -t 9p -o $options repository "/host$repository"
ip link set lo up

cd "/host$repository"
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1 ZONGJI_GUEST_TREE="$tree" \
    chroot /host /bin/sh -c "cd '$repository' && exec '$python' -m tests.guest.agent"
echo "agent ended with $?"
poweroff -f

#!/busybox sh
# First program of the guest: everything is in memory already (see guest_files.py); starts the agent.
/busybox mkdir -p /applets /proc /sys /dev /tmp /run
/busybox --install -s /applets
export PATH=/applets
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
ip link set lo up

for word in $(cat /proc/cmdline); do
    case $word in
        zongji.repository=*) repository=${word#*=} ;;
        zongji.python=*) python=${word#*=} ;;
    esac
done
cd "$repository" || poweroff -f
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin:/applets HOME=/tmp LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 OPENBLAS_NUM_THREADS=1 "$python" -m tests.guest.agent
echo "agent ended with $?"
poweroff -f

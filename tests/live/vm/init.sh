#!/bin/busybox sh
# Process 1 of the machine: makes the host's files visible below an overlay, so that nothing of them is changed, runs
# one command among them, and tells its exit code twice: in a file, and by the port that ends qemu. A kernel that
# panics does neither.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
  insmod "$module" || echo "init: $module cannot be loaded"
done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 root /lower
mount -t tmpfs -o size=70% upper /upper
mkdir /upper/over /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/over,workdir=/upper/work over /new
mount -t proc proc /new/proc
mount -t sysfs sys /new/sys
mount -t devtmpfs dev /new/dev
mkdir -p /new/dev/shm
mount -t tmpfs shm /new/dev/shm
mount -t tmpfs run /new/run
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 results /new/mnt
ip link set lo up
chroot /new /bin/sh /mnt/command
code=$?
echo "$code" >/new/mnt/code
sync
# isa-debug-exit: qemu ends with twice this, plus 1
printf "\\$(printf %o $((code + 32)))" | dd of=/dev/port bs=1 count=1 seek=244 conv=notrunc 2>/dev/null
echo "init: the machine did not end"

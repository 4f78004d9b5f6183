#!/bin/busybox sh
# Runs as the first process of the machine of tests/support/hosts/virtual.py, from its initramfs: makes a root of the files of the
# machine outside, which are never written, and of memory, and becomes systemd there. $share is on the kernel's line.
set -e
b=/bin/busybox
$b mkdir -p /proc /host /own /new
$b mount -t proc proc /proc
while read -r module; do $b insmod "/modules/$module"; done < /modules/order

$b mount -t hostfs -o ro none /host
$b mount -t tmpfs -o mode=755,size=80% tmpfs /own
$b mkdir /own/upper /own/work
$b mount -t overlay -o lowerdir=/host,upperdir=/own/upper,workdir=/own/work overlay /new

$b mount -t tmpfs -o mode=755 tmpfs /new/run
$b mkdir /new/run/e2e
$b mount -t hostfs -o "$share" none /new/run/e2e
$b cp /new/run/e2e/e2e.service /new/etc/systemd/system
# Files of a container, by which systemd would take itself for being in one.
$b rm -f /new/.dockerenv /new/run/.containerenv
$b umount /proc
exec $b switch_root /new /lib/systemd/systemd --unit=e2e.service --show-status=no

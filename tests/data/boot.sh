#!/bin/bash
# Runs as the first process of new namespaces: turns into systemd, on an overlay of / whose writes vanish with it.
# Arguments: a directory to mount on, and a file with one line for each cgroup hierarchy (mount point, type, options).
set -e
read -r _ || true  # ends when our parent is in no cgroup of ours any more
exec < /dev/null
top=$1 hierarchies=$2
root=$top/root
mount -t tmpfs -o size=1g,mode=755 tmpfs "$top"
mkdir "$top/upper" "$top/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" overlay "$root"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
for each in run tmp; do mount -t tmpfs tmpfs "$root/$each"; done
chmod 755 "$root/run"
chmod 1777 "$root/tmp"

mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for each in null zero full random urandom tty; do
    touch "$root/dev/$each"
    mount --bind "/dev/$each" "$root/dev/$each"
done
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# The same hierarchies at the same places; each begins, for this cgroup namespace, at the cgroup that we are in.
[ "$(head -n1 "$hierarchies" | cut -f1)" = /sys/fs/cgroup ] || mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
while IFS=$'\t' read -r point type options; do
    mkdir -p "$root$point"
    mount -t "$type" -o "$options" "$type" "$root$point"
done < "$hierarchies"

# An installation of this machine's own, or what commands of root's left, is none of a test's business either.
rm -rf "$root"/var/lib/runnerctl "$root"/etc/runnerctl "$root"/opt/runnerctl \
    "$root"/etc/systemd/system/*runnerctl* "$root"/etc/systemd/system/*/*runnerctl* \
    "$root"/etc/polkit-1/rules.d/*runnerctl*

# Binds that the test asks for: a source and a place in the new root.
while IFS=$'\t' read -r source place; do
    mkdir -p "$root$place"
    mount --bind "$source" "$root$place"
done < "$hierarchies.binds"

# An interpreter that was built to find its library where it came from finds it where it is now.
if [ -d "$root/opt/python/lib" ]; then
    echo /opt/python/lib > "$root/etc/ld.so.conf.d/000-python.conf"
    ldconfig -r "$root" -X
fi

# Other services of this machine are none of a test's business.
find "$root"/etc/systemd/system "$root"/lib/systemd/system -name '*.wants' -path '*multi-user*' -prune -exec rm -rf {} +
ip link set lo up
cd "$root"
mkdir .old
pivot_root . .old
umount -l /.old
rmdir /.old
mount --make-rshared /
exec env -i container=runnerctl-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --unit=basic.target

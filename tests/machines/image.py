"""Builds the disk that the machine test boots: Debian 12 as an installer leaves it.

The gateway is not on it: it is installed in the running guest, from its package. So this disk
changes with this file only, and is kept between runs.

The kernel is unpacked, not installed, and has an initramfs of ours with four modules: what Debian's
own tools build takes twenty minutes under qemu-user. It is unpacked beside the root and copied,
because its archive has a folder ``/lib`` that would replace the root's link.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Arch = Literal["arm64", "amd64"]
ARCHES: tuple[Arch, ...] = get_args(Arch)

CACHE = Path.home() / ".cache" / "camera-gateway" / "machines"
RELEASE = "bookworm"
PACKAGES = (
    "systemd,systemd-sysv,dbus,udev,kmod,iproute2,procps,e2fsprogs,util-linux,adduser,xz-utils,"
    "ca-certificates,openssl,systemd-timesyncd,python3,mosquitto,mosquitto-clients,busybox-static"
)
"""What a site's machine has, and a broker for the guest's own use."""

BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")
DISK_BYTES = 4 << 30
BUILD_S = 1500
"""The longest step, debootstrap under qemu-user, takes 4 minutes on two cores."""

_HERE = Path(__file__).resolve().parent
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}

_INIT = """\
#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc; $B mount -t sysfs sysfs /sys; $B mount -t devtmpfs dev /dev
for module in $($B cat /order); do $B insmod "/lib/modules/$module" 2>/dev/null; done
for try in $($B seq 100); do [ -b /dev/vda ] && break; $B sleep 0.1; done
$B mount -t ext4 -o rw /dev/vda /new
$B umount /proc /sys; $B mount --move /dev /new/dev
exec $B switch_root /new /sbin/init
"""

_SHELL_UNIT = """\
[Unit]
Description=Root's shell for the machine test, on hvc0
After=dev-hvc0.device systemd-remount-fs.service
DefaultDependencies=no
[Service]
ExecStart=/bin/sh -c 'stty raw -echo isig; exec bash --noprofile --norc 2>/dev/null'
StandardInput=tty-force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/hvc0
TTYReset=yes
Environment=HOME=/root PS1= TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin
Restart=always
RestartSec=1
[Install]
WantedBy=sysinit.target
"""

_FILES = {
    "etc/hostname": "gateway-test\n",
    "etc/hosts": "127.0.0.1 localhost gateway-test mqtt.test\n::1 localhost\n",
    "etc/fstab": "/dev/vda / ext4 defaults,errors=remount-ro 0 1\n",
    "etc/modules-load.d/machine-test.conf": "virtio_console\n9p\n9pnet_virtio\n",
    "etc/systemd/network/20-wired.network": "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n",
    "etc/systemd/system/machine-test-shell.service": _SHELL_UNIT,
}

_UNITS = {
    "sysinit.target.wants/machine-test-shell.service": "../machine-test-shell.service",
    "multi-user.target.wants/systemd-networkd.service": (
        "/lib/systemd/system/systemd-networkd.service"
    ),
    "network-online.target.wants/systemd-networkd-wait-online.service": (
        "/lib/systemd/system/systemd-networkd-wait-online.service"
    ),
    # Else the login on hvc0 takes what is meant for the shell.
    "serial-getty@hvc0.service": "/dev/null",
}


class ImageFailed(Exception):
    """A step of the build did not end well; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Image:
    """What QEMU boots. The disk is only ever read: each machine writes to an overlay."""

    arch: Arch
    disk: Path
    kernel: Path
    initrd: Path

    @classmethod
    def within(cls, arch: Arch, folder: Path) -> Image:
        """Return the image whose parts are in *folder*, whether they are there or not."""
        return cls(arch, folder / "disk.raw", folder / "vmlinuz", folder / "initrd")


def build_image(arch: Arch, cache: Path = CACHE) -> Image:
    """Return the image for *arch*, built if it is not in *cache* yet. Needs root.

    Raises:
        ImageFailed: With the step and the end of what it said.
    """
    print_of_this = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = cache / f"{arch}-{print_of_this}"
    image = Image.within(arch, folder)
    if image.initrd.exists():
        return image
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="machine-root-", dir=cache) as scratch:
        root = Path(scratch) / "root"
        _debootstrap(arch, root, cache)
        version = _unpack_kernel(arch, root, Path(scratch))
        _prepare(root)
        shutil.copy(root / "boot" / f"vmlinuz-{version}", image.kernel)
        _make_disk(root, image.disk)
        initrd = _make_initrd(root, version, Path(scratch) / "initrd")
    # Last, whole and by rename: its presence says that the others are whole.
    partial = image.initrd.with_suffix(".part")
    partial.write_bytes(initrd)
    partial.rename(image.initrd)
    _forget_others(arch, folder, cache)
    return image


def allow_foreign_programs(arch: Arch) -> None:
    """Register qemu-user with the kernel, where programs of *arch* are not its own."""
    if arch != "arm64" or os.uname().machine == "aarch64" or (_BINFMT / "qemu-aarch64").exists():
        return
    if not (_BINFMT / "register").exists():
        _run("binfmt_misc", "mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT))
    entry = Path("/usr/lib/binfmt.d/qemu-aarch64.conf").read_text().strip()
    (_BINFMT / "register").write_text(entry)


def _debootstrap(arch: Arch, root: Path, cache: Path) -> None:
    allow_foreign_programs(arch)
    archives = cache / f"archives-{arch}"
    archives.mkdir(parents=True, exist_ok=True)
    _run(
        "debootstrap",
        "debootstrap",
        f"--arch={arch}",
        "--variant=minbase",
        f"--cache-dir={archives}",
        f"--include={PACKAGES}",
        RELEASE,
        str(root),
        _mirror(),
    )


def _mirror() -> str:
    """Return where this machine gets Debian's packages from."""
    wanted = ("indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    for line in _run("mirror", "apt-get", *wanted, "Origin: Debian").splitlines():
        if "security" not in line:
            return line
    raise ImageFailed("mirror: apt knows no repository of Debian's")


def _unpack_kernel(arch: Arch, root: Path, scratch: Path) -> str:
    """Put the kernel and its modules into *root*; return its version."""
    _chroot(root, "apt-get", "-qq", "update")
    said = _chroot(root, "apt-cache", "depends", f"linux-image-{arch}")
    package = next(line.split()[-1] for line in said.splitlines() if "Depends: linux-image" in line)
    _chroot(root, "sh", "-c", f"cd /tmp && apt-get -qq download {package}")
    (archive,) = (root / "tmp").glob("linux-image-*.deb")
    beside = scratch / "kernel"
    _run("kernel", "dpkg-deb", "-x", str(archive), str(beside))
    archive.unlink()
    modules = root / "usr" / "lib" / "modules"
    shutil.copytree(beside / "lib" / "modules", modules, symlinks=True, dirs_exist_ok=True)
    (kernel,) = (beside / "boot").glob("vmlinuz-*")
    shutil.copy(kernel, root / "boot")
    version = kernel.name.removeprefix("vmlinuz-")
    _run("depmod", "depmod", "-b", str(root), version)
    return version


def _prepare(root: Path) -> None:
    """Make *root* start under `tests.machines.machine`: a name, a network, root's shell."""
    for name, text in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, target in _UNITS.items():
        link = root / "etc" / "systemd" / "system" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    # The broker is started by the test, with certificates.
    wants = root / "etc" / "systemd" / "system" / "multi-user.target.wants"
    (wants / "mosquitto.service").unlink(missing_ok=True)
    (root / "mnt" / "host").mkdir(parents=True, exist_ok=True)
    for name in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name / "partial").mkdir(parents=True)


def _make_initrd(root: Path, version: str, folder: Path) -> bytes:
    """Return an initramfs that loads `BOOT_MODULES` and goes on to the disk."""
    for name in ("bin", "lib/modules", "proc", "sys", "dev", "new"):
        (folder / name).mkdir(parents=True)
    shutil.copy(root / "bin" / "busybox", folder / "bin")
    order: dict[str, Path] = {}
    for module in BOOT_MODULES:
        said = _run("modules", "modprobe", "-d", str(root), "-S", version, "--show-depends", module)
        for line in said.splitlines():
            verb, *where = line.split()
            if verb == "insmod":
                order[Path(where[0]).name] = Path(where[0])
    for path in order.values():
        shutil.copy(path, folder / "lib" / "modules")
    (folder / "order").write_text("\n".join(order))
    (folder / "init").write_text(_INIT)
    (folder / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))
    done = subprocess.run(
        ("cpio", "-o", "-H", "newc", "--quiet"),
        cwd=folder,
        input=names.encode(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    return gzip.compress(done.stdout, 1)


def _make_disk(root: Path, disk: Path) -> None:
    disk.unlink(missing_ok=True)
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    _run("disk", "mkfs.ext4", "-q", "-F", "-L", "root", "-d", str(root), str(disk))


def _forget_others(arch: Arch, keep: Path, cache: Path) -> None:
    """Remove the images of earlier versions of this file."""
    for old in cache.glob(f"{arch}-*"):
        if old != keep:
            shutil.rmtree(old, ignore_errors=True)


def _chroot(root: Path, *command: str) -> str:
    return _run(command[0], "chroot", str(root), *command, environment=_ENVIRONMENT)


def _run(step: str, *command: str, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            ("nice", "-n", "5", *command),
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BUILD_S,
        )
    except subprocess.TimeoutExpired:
        raise ImageFailed(f"{step}: not done after {BUILD_S} s") from None
    if done.returncode:
        raise ImageFailed(f"{step}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout

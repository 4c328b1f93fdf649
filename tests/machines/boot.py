"""What must hold on a booted machine, in the order in which it is looked at.

The installation, what runs, what befalls it, a restart by the centre, and the start after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial

from tests.machines.box import STATE, UNIT, Box
from tests.machines.facts import Look
from tests.machines.site import CAMERAS, CODECS, OWN

RELEASE = "/opt/camera-gateway/current"
WORST_SCORE = 1.4
PROGRAM_S = 300.0
"""How long a command of the program may take to start; on a board it takes a second or two."""

UP_S = 600
"""The unit restarts the machine not earlier than this after its start."""

NEVER_S = 10**6

_UP_S = "cut -d' ' -f1 /proc/uptime"

# Again and again, since the journal makes room by itself.
_FILL = """
for ((n = 0; ; n++)); do
  free=$(( $(stat -f -c "%a * %S" /) ))
  [ $free = 0 ] || fallocate -l $free /var/full.$n
  sleep 1
done
"""

_ENDED = re.compile(r"\[ *([\d.]+)\] .* (Starting|Main process exited.* status=2)")

_NO_CAPABILITY = "CapEff:\t0000000000000000"


def boot_facts(box: Box, *, fuzz_s: int = 0) -> Iterator[Look]:
    """Yield what looks at the facts, in order; the fast path is fuzzed for *fuzz_s* seconds."""
    look = _Looks(box)
    yield Look("installation", look.installation, always=True)
    yield Look("ready", look.ready, always=True)
    yield Look("cameras", look.cameras)
    yield Look("status line", look.status_line)
    yield Look("fast path", look.fast_path)
    yield Look("confinement", look.confinement)
    yield Look("decoder", look.decoder)
    yield Look("watchdog", look.watchdog)
    yield Look("check by anybody", look.check_by_anybody)
    yield Look("codecs", look.codecs)
    yield Look("killed", look.killed)
    yield Look("wrong settings", look.wrong_settings)
    yield Look("full disk", look.full_disk)
    yield Look("read-only disk", look.read_only_disk)
    yield Look("stopped", look.stopped)
    yield Look("no secrets", look.no_secrets)
    yield Look("remote reboot", look.remote_reboot)
    if fuzz_s:
        yield Look("fuzz", partial(look.fuzz, fuzz_s))


class _Looks:
    def __init__(self, box: Box) -> None:
        self._box = box
        self._fact = box.facts.fact

    def installation(self) -> None:
        """One package; nothing is compiled, and every module has its bytecode."""
        box = self._box
        box.install()
        version = box.ask("dpkg-query -W -f '${Version}' camera-gateway")
        self._fact("installed", version, version=version)
        self._fact("no compiler", box.machine.run("command -v gcc cc pip").status)
        missing = box.ask(
            f"find {RELEASE}/ -name '*.py' -path '*site-packages/gateway/*' -printf '%h %f\\n' |"
            " while read -r at name; do [ -e $at/__pycache__/${name%.py}.cpython-311.pyc ]"
            " || echo $at/$name; done | wc -l"
        )
        self._fact("bytecode is there", missing == "0", modules_without=missing)
        score = box.ask(f"systemd-analyze security {UNIT} --no-pager | tail -n 1")
        found = re.search(r"[\d.]+(?= )", score)
        self._fact("security score", found and float(found[0]) <= WORST_SCORE, said=score[-40:])

    def ready(self) -> None:
        """The gateway tells systemd that it is ready, and the broker who it is."""
        box = self._box
        box.start()
        ready = box.until_active()
        seconds = (box.moment_us("ActiveEnter") - box.moment_us("InactiveExit")) / 1e6
        self._fact("READY", ready, start_s=round(seconds, 1), restarts=box.show("NRestarts"))
        birth = box.until_heard("up/birth", bool, 120)
        self._fact("connected with a certificate", birth is not None)
        sync = box.ask("networkctl --no-legend 2>/dev/null | grep -v lo | tr -s ' '")
        self._fact("no DHCP server answers", "configured" not in sync, links=sync)

    def cameras(self) -> None:
        live = self._box.live_cameras()
        self._fact("cameras are live", live == len(CAMERAS), live=live)

    def status_line(self) -> None:
        """``systemctl status`` says how the cameras and the connection are."""
        wanted = f"{len(CAMERAS)} live"
        said = self._box.until(lambda: self._box.show("StatusText"), lambda got: wanted in got, 60)
        self._fact("systemctl status tells", wanted in said and "connected" in said, said=said)

    def fast_path(self) -> None:
        """The compiled module is loaded, and its own thread does what the cameras send."""
        box = self._box
        version = box.ask("camera-gateway --version", within_s=PROGRAM_S)
        pid = box.show("MainPID")
        loaded = box.ask(f"grep -c _fastpath /proc/{pid}/maps")
        self._fact("fast path", "fast path: compiled" in version and loaded != "0", said=version)
        threads = box.ask(f"cat /proc/{pid}/task/*/comm | sort | uniq -c | tr -s ' '")
        self._fact("threads", True, seen=threads)

    def confinement(self) -> None:
        box = self._box
        pid = box.show("MainPID")
        status = box.ask(f"cat /proc/{pid}/status")
        confined = all(each in status for each in (_NO_CAPABILITY, "NoNewPrivs:\t1", "Seccomp:\t2"))
        self._fact("confined", confined)
        users = box.ask(f"cat /proc/{pid}/uid_map").splitlines()
        self._fact("user namespace of its own", len(users) == 2)
        secrets = box.ask(f"ls /run/credentials/{UNIT}.service")
        self._fact("secrets by credential", "secrets" in secrets, names=secrets)

    def decoder(self) -> None:
        """The child that decodes is locked in, dies first and goes behind."""
        box = self._box
        find = "pgrep -u camera-gateway -f gateway.vision.worker | head -n 1"
        child = box.until(lambda: box.ask(find), str.isdigit, 180)
        if not child.isdigit():
            self._fact("decoder runs", False)
            return
        status = box.until(
            lambda: box.ask(f"cat /proc/{child}/status"), lambda got: "Seccomp:\t2" in got, 90
        )
        filters = re.search(r"Seccomp_filters:\t(\d+)", status)
        self._fact(
            "decoder is locked in",
            "Seccomp:\t2" in status and filters and int(filters[1]) >= 2,
            filters=filters[1] if filters else None,
        )
        score = box.ask(f"cat /proc/{child}/oom_score_adj")
        self._fact("decoder dies first", int(score or 0) >= 500, oom_score_adj=score)
        nice = box.ask(f"ps -o ni= -p {child}").strip()
        self._fact("decoder goes behind", int(nice or 0) >= 5, nice=nice)

    def watchdog(self) -> None:
        box = self._box
        first = box.moment_us("Watchdog")
        last = box.until(lambda: box.moment_us("Watchdog"), lambda got: got > first > 0, 60)
        self._fact("watchdog is fed", last > first > 0, after_s=round((last - first) / 1e6, 1))

    def check_by_anybody(self) -> None:
        said = self._box.ask(
            "setpriv --reuid nobody --regid nogroup --clear-groups"
            " camera-gateway check /etc/camera-gateway/gateway.toml 2>&1",
            within_s=PROGRAM_S,
        )
        self._fact("check by anybody", said and "Traceback" not in said, said=said[-200:])

    def codecs(self) -> None:
        """Each codec in the guest's real sandbox: qemu-user knows no seccomp."""
        said = self._box.ask(
            "cd /etc/machine-test && setpriv --reuid camera-gateway --regid camera-gateway"
            f" --clear-groups {RELEASE}/bin/python -B -m tests.machines.guest.codecs 2>&1",
            within_s=600,
        )
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        self._fact("codecs were tried", len(lines) == 2 * len(CODECS), said=said[-300:])
        for line in lines:
            done = line.get("jpeg_bytes") or line.get("encoded")
            name = f"{line['act']} {line['codec']}"
            self._fact(name, done and line.get("seccomp") == "2", **_shown(line))

    def killed(self) -> None:
        """After kill -9 systemd starts it again after a second."""
        box = self._box
        pid = box.show("MainPID")
        box.ask(f"kill -9 {pid}")
        box.until(lambda: box.show("MainPID"), lambda got: got not in ("0", pid), 60)
        pause_s = (box.moment_us("ExecMainStart") - box.moment_us("InactiveEnter")) / 1e6
        self._fact("started again after kill -9", 0 < pause_s <= 3, pause_s=round(pause_s, 2))
        active = box.until_active()
        took_s = (box.moment_us("ActiveEnter") - box.moment_us("ExecMainStart")) / 1e6
        self._fact("READY after kill -9", active, start_s=round(took_s, 1))
        live = box.live_cameras()
        self._fact("cameras are back after kill -9", live == len(CAMERAS), live=live)

    def wrong_settings(self) -> None:
        """A wrong configuration is read again after ten seconds, not ten times a second."""
        box = self._box
        settings = "/etc/camera-gateway/gateway.toml"
        box.must(f"cp {settings} /run/kept.toml && sed -i 's/^id = .*/id = \"\"/' {settings}")
        since_s = float(box.ask(_UP_S))
        box.ask(f"systemctl restart --no-block {UNIT}")
        lasted_s = box.until(lambda: self._ended_after_s(since_s), bool, PROGRAM_S)
        said = box.ask(f"journalctl -u {UNIT} -o cat -n 30 | grep -o '/gateway/id.*' | tail -n 1")
        self._fact("wrong settings wait 10 s", lasted_s >= 10, s=round(lasted_s, 1))
        self._fact("wrong settings are told", said, said=said[:120])
        box.must(f"cp /run/kept.toml {settings}")
        box.ask(f"systemctl restart --no-block {UNIT}")
        self._fact("READY with right settings", box.until_active())

    def _ended_after_s(self, since_s: float) -> float:
        """Return how long the first start after *since_s* took to end with exit code 2; 0: none."""
        said = self._box.ask(f"journalctl -u {UNIT} -o short-monotonic -n 200 --no-pager")
        started_s = 0.0
        for at, what in _ENDED.findall(said):
            if what == "Starting" and float(at) >= since_s:
                started_s = started_s or float(at)
            elif started_s and what != "Starting":
                return float(at) - started_s
        return 0.0

    def full_disk(self) -> None:
        """The alarm says that the disk is full, and the health report by which error."""
        box = self._box
        since = box.heard_bytes()
        box.must(
            f"cat > /run/machine-test-fill <<'END'\n{_FILL}END\n"
            "systemd-run -q --unit machine-test-full bash /run/machine-test-fill"
        )
        self._disk_fact("full disk", "DISK_FULL", "ENOSPC", since)
        since = box.heard_bytes()
        box.must("systemctl stop machine-test-full; rm /var/full.* && sync")
        cleared = box.until_heard("up/alarm/host.disk", lambda each: not _raised(each), 120, since)
        self._fact("full disk is over", cleared is not None)

    def read_only_disk(self) -> None:
        """The gateway runs on a read-only root, and says so."""
        box = self._box
        since = box.heard_bytes()
        box.ask("sync; echo u > /proc/sysrq-trigger")
        self._disk_fact("read-only disk", "DISK_READONLY", "EROFS", since)
        active = box.show("ActiveState")
        self._fact("runs on a read-only disk", active == "active", state=active)
        since = box.heard_bytes()
        box.must("mount -o remount,rw /")
        cleared = box.until_heard("up/alarm/host.disk", lambda each: not _raised(each), 120, since)
        self._fact("read-only disk is over", cleared is not None)

    def _disk_fact(self, name: str, reason: str, error: str, since: int) -> None:
        box = self._box
        alarm = box.until_heard(
            "up/alarm/host.disk", lambda each: reason in json.dumps(each), 120, since
        )
        self._fact(f"{name}: alarm", alarm is not None, said=json.dumps(alarm)[:200])
        health = box.until_heard(
            "up/health/site", lambda each: (each.get("disk") or {}).get("err") == error, 120, since
        )
        disk = json.dumps((health or {}).get("disk"))
        self._fact(f"{name}: disk.err", health is not None, disk=disk)

    def stopped(self) -> None:
        box = self._box
        box.ask(f"systemctl stop {UNIT}")
        took_s = (box.moment_us("InactiveEnter") - box.moment_us("ActiveExit")) / 1e6
        result = box.show("Result")
        self._fact("stops by itself", result == "success", s=round(took_s, 1), result=result)

    def no_secrets(self) -> None:
        """What an installer forgets: the folder of secrets."""
        box = self._box
        box.must("mv /etc/camera-gateway/secrets /etc/camera-gateway/kept")
        box.ask(f"systemctl start --no-block {UNIT}")
        ready = box.until_active()
        self._fact("starts without secrets", ready, status=box.show("ExecMainStatus"))
        box.must(
            "rm -rf /etc/camera-gateway/secrets;"
            f" mv /etc/camera-gateway/kept /etc/camera-gateway/secrets; systemctl stop {UNIT}"
        )
        box.ask(f"systemctl start --no-block {UNIT}")
        live = box.live_cameras(within_s=300)
        self._fact("cameras are live again", live == len(CAMERAS), live=live)

    def remote_reboot(self) -> None:
        """A signed command restarts the machine, but not soon after its start."""
        box = self._box
        up_s = float(box.ask(_UP_S))
        # The unit's own limit, where it has not gone by; and then it is not waited for.
        self._set_limit(UP_S if up_s < UP_S - 60 else NEVER_S)
        self._refused_reboot(up_s)
        self._set_limit(1)
        since = box.heard_bytes()
        reboot_id, publish = box.site.command("reboot", {"delay_s": 1}, ttl_s=60)
        restarted = box.restarted(publish)
        said = box.ask(f"tail -c +{since + 1} /run/machine-test-heard | grep {reboot_id}")
        self._fact("restarted by the centre", restarted, said="" if restarted else said[-400:])
        self._started_by_itself(reboot_id)

    def fuzz(self, seconds: int) -> None:
        """Random streams through the compiled fast path beside the Python way, byte by byte."""
        done = self._box.machine.run(
            f"cd /mnt/host && {RELEASE}/bin/python -B -m tests.fuzz.fastpath {seconds} 1 2>&1",
            within_s=seconds + PROGRAM_S,
        )
        self._fact("fast path fuzzed", done.status == 0, s=seconds, said=done.output[-200:])

    def _refused_reboot(self, up_s: float) -> None:
        box = self._box
        _, publish = box.site.command("reboot", {"delay_s": 0}, ttl_s=60)
        box.must(publish)
        unit = "camera-gateway-reboot.service"
        box.until(lambda: box.show("Result", unit), lambda got: got != "success", 60)
        said = box.ask(f"journalctl -u {unit} -o cat | grep 'not restarted'")
        self._fact("no restart soon after a start", said, up_s=round(up_s), said=said[:80])
        # The command waits for the machine to go down; a fresh gateway takes the next one.
        box.ask(f"systemctl reset-failed {unit}; systemctl restart --no-block {UNIT}")
        box.until_active()
        box.until_heard("up/presence", lambda each: bool(each.get("on")), 60, 0)

    def _set_limit(self, seconds: int) -> None:
        self._box.must(
            "unit=camera-gateway-reboot.service;"
            f" sed 's/-ge {UP_S}/-ge {seconds}/' /usr/lib/systemd/system/$unit"
            " > /run/systemd/system/$unit; systemctl daemon-reload;"
            f" systemctl cat $unit | grep -q 'ge {seconds} '"
        )

    def _started_by_itself(self, reboot_id: str) -> None:
        """The start after it waits for no network, and says what became of the command."""
        box = self._box
        box.after_restart()
        active = box.until_active()
        at_s = box.moment_us("ActiveEnter") / 1e6
        online_s = box.moment_us("ActiveEnter", "network-online.target") / 1e6
        self._fact(
            "starts without a network",
            active and (not online_s or at_s < online_s),
            ready_s=round(at_s, 1),
            online_s=round(online_s, 1),
        )
        live = box.live_cameras()
        self._fact("cameras are live after a restart", live == len(CAMERAS), live=live)
        reply = box.until_heard(
            f"{OWN.replies}op-17/machine", lambda each: each.get("id") == reboot_id, 60
        )
        state = (reply or {}).get("st")
        self._fact("the command is answered", state == "succeeded", state=state)
        failed = box.ask("systemctl --failed --no-legend --plain | cut -d' ' -f1 | tr '\\n' ' '")
        ours = [unit for unit in failed.split() if "camera-gateway" in unit]
        self._fact("no unit of ours has failed", not ours, failed=failed)
        kept = box.ask(f"ls -A {STATE} | tr '\\n' ' '")
        self._fact("state", True, files=kept)


def _raised(alarm: dict[str, object]) -> bool:
    """Return whether *alarm* is raised, as it says itself."""
    return alarm.get("st") != "cleared"


def _shown(line: dict[str, object]) -> dict[str, str | int | float | bool | None]:
    """Return what a line of the guest tells beside its name."""
    return {
        key: value
        for key, value in line.items()
        if key not in ("act", "codec") and isinstance(value, (str, int, float))
    }

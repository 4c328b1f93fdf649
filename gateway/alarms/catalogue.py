"""The catalogue of alarms: every alarm the gateway can raise, one row each.

A rule takes its alarm's key and severity from the row; the table in docs/mqtt.md is written from
the rows. ISA-18.2 calls such a table the master alarm database. The severity follows from what is
at stake and how soon somebody must act, in the words of ITU-T X.733:

- critical: service is gone and must be restored at once.
- major: service suffers badly or is about to go; urgent.
- minor: service goes on; to be mended before it gets worse.
- warning: somebody should look, when there is time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.model.alarm import Argument, Finding, Severity
from gateway.model.reasons import Reason


@dataclass(frozen=True, slots=True)
class AlarmType:
    """One row.

    Attributes:
        pattern: Of the key; a name in braces stands for what the alarm is about.
        severity: How bad, unless `by_cause` or `by_days_left` says otherwise.
        meaning: For whoever reads the contract.
        causes: Every reason it may carry.
        by_cause: The severity of causes that are more or less urgent than the others.
        by_days_left: The severity with at most so many days left, fewest days first.
    """

    pattern: str
    severity: Severity
    meaning: str
    causes: tuple[Reason, ...]
    by_cause: Mapping[Reason, Severity] = field(default_factory=dict)
    by_days_left: tuple[tuple[float, Severity], ...] = ()

    def key(self, **names: str) -> str:
        """Return the key with *names* in their places."""
        return self.pattern.format(**names)

    def severity_of(self, cause: Reason, days_left: float | None = None) -> Severity:
        """Return how bad *cause* is. *days_left*: until it comes true; None: it has no date."""
        if days_left is not None:
            for days, severity in self.by_days_left:
                if days_left <= days:
                    return severity
        return self.by_cause.get(cause, self.severity)

    def finding(
        self,
        bad: bool | None,
        cause: Reason,
        arguments: Mapping[str, Argument] | None = None,
        *,
        parents: tuple[str, ...] = (),
        days_left: float | None = None,
        **names: str,
    ) -> Finding:
        """Return what one check has found: see `Finding`.

        Args:
            bad: Whether the check failed; None: it could not be made.
            cause: Why; one of `causes` if it is bad.
            arguments: What the sentence needs.
            parents: Keys of what would explain it, the nearest first.
            days_left: Until it comes true.
            **names: What the key is about.
        """
        severity = self.severity_of(cause, days_left)
        return Finding(self.key(**names), bad, cause, severity, arguments or {}, parents)


# One camera that is gone is urgent. `BUSY_SESSIONS` passes when others stop watching at the camera.
CAMERA_DOWN = AlarmType(
    "cam.{cam}.down",
    "major",
    "the camera cannot be watched",
    (
        Reason.CONNECTING,
        Reason.AUTH_FAILED,
        Reason.LOGIN_MISSING,
        Reason.LOGIN_FORBIDDEN,
        Reason.NOT_FOUND,
        Reason.BUSY_SESSIONS,
        Reason.REFUSED,
        Reason.UNREACHABLE,
        Reason.DNS_FAILED,
        Reason.TIMEOUT,
        Reason.STALLED,
        Reason.CORRUPT,
        Reason.ABUSIVE,
        Reason.UNSUPPORTED_CODEC,
        Reason.UNSUPPORTED_TRANSPORT,
        Reason.UNSUPPORTED_LOGIN,
        Reason.SRTP_REQUIRED,
        Reason.ENCRYPTED,
        Reason.INTERLEAVED_MODE,
        Reason.DECODING_ORDER,
        Reason.CLOCK_RATE,
        Reason.SOURCE_ENDED,
        Reason.DEVICE_MISSING,
        Reason.DEVICE_BUSY,
        Reason.DEVICE_DENIED,
        Reason.NO_SIGNAL,
        Reason.TRANSCODING_FULL,
        Reason.CAPTURE_FORMAT,
        Reason.REDIRECT_REFUSED,
        Reason.POLICY_DENIED,
        Reason.TLS_FAILED,
        Reason.DESCRIPTORS_LOW,
        Reason.INTERNAL_ERROR,
    ),
    by_cause={Reason.BUSY_SESSIONS: "minor"},
)

# The picture comes, and a check may be wrong about it: somebody looks, nobody drives out.
CAMERA_PICTURE = AlarmType(
    "cam.{cam}.picture",
    "warning",
    "the picture comes, but is black, frozen, blurred, covered, moved, repeated, damaged or out of "
    "order",
    (
        Reason.CORRUPT,
        Reason.KEYFRAME_STARVED,
        Reason.CLOCK_JUMP,
        Reason.B_FRAMES,
        Reason.PICTURE_BLACK,
        Reason.PICTURE_FROZEN,
        Reason.PICTURE_BLURRED,
        Reason.PICTURE_COVERED,
        Reason.PICTURE_MOVED,
        Reason.PICTURE_LOOP,
    ),
)

# The picture is right, and what is recorded has the wrong time on it: no evidence, but no hurry.
CAMERA_CLOCK = AlarmType(
    "cam.{cam}.clock",
    "minor",
    "the camera's clock is wrong, or in a wrong time zone",
    (Reason.CAMERA_TIME_ZONE, Reason.CAMERA_CLOCK_OFF),
)

# All its cameras are gone at once, and with a dead recorder their recordings: nothing is worse
# here. For whoever watches it is the same when the recorder lives and lets nobody in.
RECORDER_DOWN = AlarmType(
    "nvr.{nvr}.down",
    "critical",
    "the recorder is down or lets nobody in: one alarm for all its cameras",
    (
        Reason.RECORDER_DOWN,
        Reason.AUTH_FAILED,
        Reason.LOGIN_MISSING,
        Reason.LOGIN_FORBIDDEN,
        Reason.BUSY_SESSIONS,
    ),
)

# Likewise: everything behind it is gone at once.
NODE_DOWN = AlarmType(
    "net.{node}.down",
    "critical",
    "a switch or the like is down: one alarm for all cameras behind it",
    (Reason.PARENT_DOWN,),
)

# Not critical: the will has set the presence to `offline` long before, and that is what the centre
# acts on; this alarm reaches it when the line is back. Not less than major: for whoever reads the
# gateway's own figures (Prometheus, log) while it lasts, nobody can watch the site.
UPLINK_DOWN = AlarmType(
    "uplink.down",
    "major",
    "the centre could not be reached; arrives when the line is back",
    (Reason.UPLINK_DOWN,),
)

HOST_TEMPERATURE = AlarmType("host.temp", "major", "the processor is too hot", (Reason.OVERHEATED,))
HOST_POWER = AlarmType(
    "host.power", "major", "the supply voltage is too low", (Reason.UNDERVOLTAGE,)
)
HOST_THROTTLED = AlarmType(
    "host.throttled", "major", "the processor slows itself down", (Reason.THROTTLED,)
)
# A busy processor delays pictures and ends nothing.
HOST_CPU = AlarmType("host.cpu", "minor", "the processor is busy", (Reason.CPU_BUSY,))
# Without memory or descriptors the gateway is about to fail as a whole.
HOST_MEMORY = AlarmType("host.mem", "major", "memory runs out", (Reason.MEMORY_LOW,))
HOST_DESCRIPTORS = AlarmType(
    "host.fds", "major", "files and sockets run out", (Reason.DESCRIPTORS_LOW,)
)
# A disk that takes nothing loses events, journal and configuration with the next power cut.
HOST_DISK = AlarmType(
    "host.disk",
    "critical",
    "the state folder's disk is nearly full, full, or takes no writes",
    (Reason.DISK_NEARLY_FULL, Reason.DISK_FULL, Reason.DISK_READONLY),
    by_cause={Reason.DISK_NEARLY_FULL: "minor"},
)
STORE_REASONS = (
    Reason.DISK_FULL,
    Reason.DISK_READONLY,
    Reason.DISK_CORRUPT,
    Reason.DESCRIPTORS_LOW,
)
"""Why a file of ours cannot be written (`gateway.runtime.sqlite.sqlite_error`)."""

# Events go on to the centre and wait in memory; a power cut loses the gateway's own copy of them.
AUDIT_NOT_STORED = AlarmType(
    "store.audit",
    "major",
    "the audit cannot be written: viewings go on, their events are in memory and sent",
    STORE_REASONS,
)
# Nobody is let in, since a token could be used twice; who watches goes on.
TOKENS_NOT_STORED = AlarmType(
    "store.tokens",
    "critical",
    "it cannot be written which view tokens are used: nobody can begin to watch",
    STORE_REASONS,
)
# Events are sent from memory; those that wait for a connection are lost with the power.
OUTBOX_NOT_STORED = AlarmType(
    "store.outbox",
    "major",
    "events cannot be written: they are sent from memory, and a power cut loses those that wait",
    STORE_REASONS,
)
# A command that cannot be noted could be executed twice, so none is.
JOURNAL_NOT_STORED = AlarmType(
    "store.journal",
    "major",
    "accepted commands cannot be written: none is executed",
    STORE_REASONS,
)
# A clock that is off makes certificates and signatures fail; one that nothing sets may be right.
HOST_CLOCK = AlarmType(
    "host.clock",
    "major",
    "the wall clock is wrong, or nothing sets it",
    (Reason.CLOCK_OFF, Reason.CLOCK_BEHIND, Reason.CLOCK_UNSYNCED),
    by_cause={Reason.CLOCK_UNSYNCED: "warning"},
)

# There is time; the less is left of it, the more urgent. After its end the centre refuses us.
CERTIFICATE_ENDS = AlarmType(
    "cert.ends",
    "warning",
    "the gateway's own certificate ends soon, could not be renewed, or has ended",
    (Reason.CERT_ENDS_SOON, Reason.TLS_EXPIRED),
    by_days_left=((1, "critical"), (7, "major"), (14, "minor")),
)

# The last good configuration runs and cameras are watched: the new one is to be corrected and sent
# again, at leisure.
CONFIG_UNDONE = AlarmType(
    "config.undone", "minor", "the last configuration was rolled back", (Reason.ROLLED_BACK,)
)

# What it concerned has ended; everything else goes on. To be mended in the program, at leisure.
PROGRAM_BUG = AlarmType(
    "program.bug",
    "minor",
    "the program has contained a fault of its own; the log has the traceback",
    (Reason.INTERNAL_ERROR,),
)

# Cameras and viewers go on without transcodes, slates or picture checks.
PROGRAM_CHILD = AlarmType(
    "program.child",
    "minor",
    "a child process dies again and again; its transcodes, slates or picture checks are missing",
    (Reason.INTERNAL_ERROR,),
)

# Told from the first day of the next month on, while there is time; once it is due the province
# owes it to the Government Office. No camera suffers.
DOCUMENT_MISSING = AlarmType(
    "doc.{kind}.missing",
    "warning",
    "the monthly document is not there yet, or the centre has not acknowledged it in time",
    (Reason.DOCUMENT_MISSING, Reason.DOCUMENT_SOURCE, Reason.DOCUMENT_UNCONFIRMED),
    by_days_left=((0, "minor"),),
)
# Somebody has to correct the file before it counts as delivered.
DOCUMENT_WRONG = AlarmType(
    "doc.{kind}.wrong",
    "warning",
    "the monthly document is not as its template says, or the centre has refused it",
    (Reason.DOCUMENT_INVALID, Reason.DOCUMENT_REFUSED),
    by_days_left=((0, "minor"),),
)

CATALOGUE = (
    CAMERA_DOWN,
    CAMERA_PICTURE,
    CAMERA_CLOCK,
    RECORDER_DOWN,
    NODE_DOWN,
    UPLINK_DOWN,
    HOST_TEMPERATURE,
    HOST_POWER,
    HOST_THROTTLED,
    HOST_CPU,
    HOST_MEMORY,
    HOST_DISK,
    AUDIT_NOT_STORED,
    TOKENS_NOT_STORED,
    OUTBOX_NOT_STORED,
    JOURNAL_NOT_STORED,
    HOST_DESCRIPTORS,
    HOST_CLOCK,
    CERTIFICATE_ENDS,
    CONFIG_UNDONE,
    PROGRAM_BUG,
    PROGRAM_CHILD,
    DOCUMENT_MISSING,
    DOCUMENT_WRONG,
)
"""Every alarm, in the order of the contract's table."""

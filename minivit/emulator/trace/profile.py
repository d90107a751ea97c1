"""What a launch asks of memory, line by line: how many requests, and what each costs.

A request is one warp's one execution of a load or store. Global memory answers in sectors of 32 bytes: 32 lanes that
read 32 floats in a row need 4 of them, 32 lanes that read a float each from far apart need 32. Shared memory has 32
banks, each 4 bytes wide: lanes that want different words of the same bank take turns, a bank conflict.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import LaunchError
from .findings import ATOMIC, READ, SHARED, WRITE, Place
from .launch import SECONDS, Launched, TracedKernel, launch_traced
from .traced import PROFILE, SiteCount

SECTOR = 32
SHOWN = 80  # letters of each line of source
OPERATIONS = ("load", "store", "atomic")


@dataclass(frozen=True)
class ProfileLine:
    """What one line of the source does with one kind of memory."""

    file: str
    line: int
    called_in: Place  # the kernel's own line, where this is one of a function that it calls
    called_source: str
    source: str
    space: str  # global or shared
    operation: str  # load, store or atomic
    array: str
    size: int  # bytes a lane asks for at once
    requests: int
    lanes: int  # all requests' together
    moved: int  # global: sectors; shared: turns of the banks
    ideal: int  # as few as would do for these bytes
    most: int  # sectors, or turns, of the worst request

    @property
    def bytes(self) -> int:
        """What the lanes asked for."""
        return self.lanes * self.size

    @property
    def conflicts(self) -> int:
        """Turns that bank conflicts cost; 0 for global memory."""
        return self.moved - self.ideal if self.space == "shared" else 0

    def note(self) -> str:
        if self.space == "shared":
            what = "lanes on one word take turns" if self.operation == "atomic" else "bank conflict"
            return f"{self.most}-way {what}" if self.conflicts else ""
        return f"{self.moved / self.ideal:.1f}x the sectors it needs" if self.moved > 1.25 * self.ideal else ""


@dataclass(frozen=True)
class ProfileTotal:
    """The whole launch. A sector that many requests touch is moved many times, but is one distinct sector: distinct
    sectors are what must travel to and from the chip's memory at least, if the cache holds on to the rest."""

    threads: int
    barriers: int  # of all blocks
    warp_operations: int  # shuffles, votes and __syncwarp of all warps
    requests: int
    bytes_read: int  # asked for, in global memory
    bytes_written: int
    sectors: int  # moved, both ways
    distinct_read: int  # sectors
    distinct_written: int
    shared_requests: int
    shared_turns: int
    conflicts: int

    @property
    def distinct_bytes(self) -> int:
        return (self.distinct_read + self.distinct_written) * SECTOR


@dataclass(frozen=True)
class Addresses:
    """Where the lanes of one request go: byte offsets in `array`, -1 for lanes that take no part."""

    array: str
    space: str
    operation: str
    size: int
    offsets: np.ndarray  # (32,)


class ProfileReport:
    """`lines` (a ProfileLine each), `total`, `arrays` (name -> distinct sectors read, written), addresses(line)."""

    def __init__(
        self,
        launch: str,
        lines: list[ProfileLine],
        total: ProfileTotal,
        arrays: dict[str, tuple[int, int]],
        requests: list[tuple[Place, Addresses]],
    ) -> None:
        self.launch, self.lines, self.total, self.arrays = launch, lines, total, arrays
        self._requests = requests

    def addresses(self, line: int, file: str | None = None) -> list[Addresses]:
        """The first few requests of a line, with every lane's address: what a picture of the access shows."""
        return [addresses for (f, n), addresses in self._requests if n == line and file in (None, f)]

    def __str__(self) -> str:
        heads = ("line", "memory", "", "array", "bytes", "requests", "lanes", "moved", "ideal", "")
        rows, sources = [heads], [""]
        for line in self.lines:
            each = max(line.requests, 1)
            rows.append(
                (
                    f"{line.file}:{line.line}"
                    + (f" in {line.called_in[0]}:{line.called_in[1]}" if line.called_in[0] else ""),
                    line.space,
                    line.operation,
                    line.array,
                    f"{line.size}",
                    f"{line.requests:,}",
                    f"{line.lanes / each:.1f}",
                    f"{line.moved / each:.2f}",
                    f"{line.ideal / each:.2f}",
                    line.note(),
                )
            )
            sources.append((line.called_source or line.source).strip())
        widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
        text = [
            f"{self.launch}: requests to memory; moved and ideal are a request's sectors (global) or turns (shared)"
        ]
        for row, source in zip(rows, sources, strict=True):
            cells = [
                c.rjust(w) if 4 <= i <= 8 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            text.append("  ".join(cells).rstrip() + (f"  | {source[:SHOWN]}" if source else ""))
        return "\n".join([*text, "", self._totals()])

    def _totals(self) -> str:
        t = self.total
        lines = [
            f"global memory: {t.requests:,} requests read {t.bytes_read:,} bytes and write {t.bytes_written:,}; "
            f"{t.sectors:,} sectors of {SECTOR} bytes move",
            f"  distinct sectors: {t.distinct_read:,} read, {t.distinct_written:,} written: {t.distinct_bytes:,} bytes",
            *(
                f"    {name}: {read:,} read, {written:,} written"
                for name, (read, written) in self.arrays.items()
                if read or written
            ),
        ]
        if t.shared_requests:
            lines.append(
                f"shared memory: {t.shared_requests:,} requests take {t.shared_turns:,} turns, "
                f"{t.conflicts:,} of them for bank conflicts"
            )
        lines.append(f"{t.threads:,} threads, {t.barriers:,} barriers, {t.warp_operations:,} warp operations")
        return "\n".join(lines)


def profile(
    kernel: TracedKernel, grid: int | tuple, block: int | tuple, *args: object, shared: int = 0, seconds: int = SECONDS
) -> ProfileReport:
    """Run a kernel in a process of its own and count what it asks of the memory. The arrays stay as they are.

    Raises LaunchError where it goes wrong: kernel.check tells more.
    """
    launched = launch_traced(kernel, grid, block, args, shared, PROFILE, (), seconds)
    findings = launched.findings()
    if findings:
        raise LaunchError(str(findings[0]))
    return profile_report(launched)


def profile_report(launched: Launched) -> ProfileReport:
    """The report of a launch that was profiled."""
    groups: dict[tuple, list[SiteCount]] = {}
    for site in launched.reply.sites:  # one line may have become several instructions
        groups.setdefault((site.place, site.caller, site.act, site.buffer, site.size), []).append(site)
    lines = [_line(launched, sites) for sites in sorted(groups.values(), key=_in_the_kernel)]
    requests = [
        (site.place, _addresses(launched, site, lanes, offsets))
        for site in launched.reply.sites
        for lanes, offsets in site.kept
    ]
    sectors = launched.reply.sectors
    arrays = {name: counts for (name, _, _), counts in zip(launched.arrays, sectors, strict=True)}
    return ProfileReport(launched.title, lines, _total(launched), arrays, requests)


def _in_the_kernel(sites: list[SiteCount]) -> tuple:
    """What sorts the lines: by the kernel's own, then by those of the functions that it calls."""
    first = sites[0]
    return (first.caller if first.caller[0] else first.place), first.place, first.act, first.buffer, first.size


def _line(launched: Launched, sites: list[SiteCount]) -> ProfileLine:
    first = sites[0]
    file, line = first.place
    return ProfileLine(
        file=file,
        line=line,
        called_in=first.caller,
        called_source=launched.source_line(*first.caller),
        source=launched.source_line(file, line),
        space="shared" if first.buffer == SHARED else "global",
        operation=OPERATIONS[first.act],
        array=_array_name(launched, first),
        size=first.size,
        requests=sum(site.requests for site in sites),
        lanes=sum(site.lanes for site in sites),
        moved=sum(site.moved for site in sites),
        ideal=sum(site.ideal for site in sites),
        most=max(site.most for site in sites),
    )


def _array_name(launched: Launched, site: SiteCount) -> str:
    if site.buffer != SHARED:
        return launched.arrays[site.buffer][0]
    offset, start = int(site.kept[0][1][_lanes(site.kept[0][0])[0]]), launched.reply.dynamic_offset
    if start <= offset < start + launched.shared:
        return "dynamic"
    arrays = [array for array in launched.reply.shared_arrays if array.offset <= offset < array.offset + array.size]
    return arrays[0].name if arrays else ""


def _addresses(launched: Launched, site: SiteCount, lanes: int, offsets: np.ndarray) -> Addresses:
    there = np.isin(np.arange(32), _lanes(lanes))
    space = "shared" if site.buffer == SHARED else "global"
    return Addresses(_array_name(launched, site), space, OPERATIONS[site.act], site.size, np.where(there, offsets, -1))


def _lanes(mask: int) -> list[int]:
    return [lane for lane in range(32) if mask >> lane & 1]


def _total(launched: Launched) -> ProfileTotal:
    sites, reply = launched.reply.sites, launched.reply
    in_global = [site for site in sites if site.buffer != SHARED]
    in_shared = [site for site in sites if site.buffer == SHARED]

    def asked(acts: Iterable[int]) -> int:
        return sum(site.lanes * site.size for site in in_global if site.act in acts)

    return ProfileTotal(
        threads=int(np.prod(launched.grid)) * int(np.prod(launched.block)),
        barriers=reply.barriers,
        warp_operations=reply.warp_operations,
        requests=sum(site.requests for site in in_global),
        bytes_read=asked((READ, ATOMIC)),
        bytes_written=asked((WRITE, ATOMIC)),
        sectors=sum(site.moved for site in in_global),
        distinct_read=sum(read for read, _ in reply.sectors),
        distinct_written=sum(written for _, written in reply.sectors),
        shared_requests=sum(site.requests for site in in_shared),
        shared_turns=sum(site.moved for site in in_shared),
        conflicts=sum(site.moved - site.ideal for site in in_shared),
    )

"""Checks of files as other programs read them: JUnit's XML, SARIF 2.1.0, and the notes of GitHub's actions."""

import datetime
import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from .checked import Checked, status_of
from .trace.findings import Finding

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(results: Sequence[Checked]) -> str:
    """For people: each report, and where there are several, how many were well. The command tells failures itself."""
    told = [result for result in results if not result.failure]
    if len(results) == 1:
        return "".join(result.text for result in told)
    lines = [f"{result.path}: {result.text}" for result in told]
    counts = [sum(result.status == status for result in results) for status in (0, 1, 2)]
    return "\n".join([*lines, "{} without a mistake, {} with mistakes, {} not checked".format(*counts)])


def junit(results: Sequence[Checked]) -> str:
    """A test case for each launch: a failure is a finding, an error is what was not checked."""
    counts = {
        "tests": str(len(results)),
        "failures": str(sum(result.status == 1 for result in results)),
        "errors": str(sum(result.status == 2 for result in results)),
        "skipped": "0",
        "time": f"{sum(result.seconds for result in results):.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "minivit kernel", **counts})
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": "minivit kernel", **counts, "timestamp": now, "hostname": platform.node()}
    )
    for result in results:
        path, seconds = _clean(_relative(result.path)), f"{result.seconds:.3f}"
        about = {"classname": path, "name": _clean(result.name), "file": path, "line": str(result.line)}
        case = ElementTree.SubElement(suite, "testcase", {**about, "time": seconds})
        if result.failure:
            wrong = ElementTree.SubElement(case, "error", {"type": "not checked", "message": _clean(result.failure)})
            wrong.text = _clean(str(result))
        elif result.findings:
            first, more = result.findings[0], len(result.findings) - 1
            message = f"{_head(result, first)}{f' (and {more} more)' * bool(more)}"
            wrong = ElementTree.SubElement(case, "failure", {"type": first.kind, "message": _clean(message)})
            wrong.text = _clean(str(result))
        if result.remarks:
            ElementTree.SubElement(case, "system-out").text = _clean("\n".join(map(str, result.remarks)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True).decode()


def sarif(results: Sequence[Checked]) -> str:
    """A log of one run. A finding is a result of level error, a remark one of level note; what was not checked is a
    notification of an invocation that was not successful."""
    found = [(result, finding, "error") for result in results for finding in result.findings]
    found += [(result, finding, "note") for result in results for finding in result.remarks]
    kinds = list(dict.fromkeys(finding.kind for _, finding, _ in found))
    driver = {
        "name": "minivit kernel",
        "version": sys.modules["minivit"].__version__,
        "informationUri": "https://github.com/minivit/minivit",
        "rules": [{"id": _rule(kind), "shortDescription": {"text": kind}} for kind in kinds],
    }
    failed = [
        {"level": "error", "message": {"text": str(r)}, "locations": [_location(*_failed_at(r))]}
        for r in results
        if r.failure
    ]
    if not results:
        failed = [{"level": "error", "message": {"text": "nothing was checked"}}]
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {"%SRCROOT%": {"uri": _uri(Path.cwd()) + "/"}},
        "invocations": [
            {"executionSuccessful": not failed, "exitCode": status_of(results), "toolExecutionNotifications": failed}
        ],
        "results": [_result(*entry, kinds.index(entry[1].kind)) for entry in found],
        "columnKind": "utf16CodeUnits",
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _result(checked: Checked, finding: Finding, level: str, rule: int) -> dict:
    path, line = _where(checked, finding)
    message = f"{finding.message}. {finding.mend}".rstrip()
    result = {
        "ruleId": _rule(finding.kind),
        "ruleIndex": rule,
        "level": level,
        "message": {"text": f"{checked.name}: {message}"},
        "locations": [_location(path, line)],
    }
    if finding.other_line:
        other = _location(checked.path.parent / finding.other_file, finding.other_line)
        result["relatedLocations"] = [{**other, "id": 1, "message": {"text": "the other side of the race"}}]
    return result


def github(results: Sequence[Checked]) -> str:
    """The text, and then workflow commands: each finding becomes a note beside its line."""
    lines = [text(results)] if results else ["::error title=not checked::nothing was checked"]
    for result in results:
        notes = [("error", finding) for finding in result.findings] + [("warning", note) for note in result.remarks]
        for level, finding in notes:
            path, line = _where(result, finding)
            lines.append(_command(level, path, line, finding.kind, f"{finding.message}. {finding.mend}".rstrip()))
        if result.failure:
            lines.append(_command("error", *_failed_at(result), "not checked", str(result)))
    return "\n".join(filter(None, lines))


def _command(level: str, path: Path, line: int, title: str, message: str) -> str:
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    name, title = (
        word.replace("%", "%25").replace(":", "%3A").replace(",", "%2C") for word in (_relative(path), title)
    )
    return f"::{level} file={name},line={line},title={title}::{escaped}"


def _where(checked: Checked, finding: Finding) -> tuple[Path, int]:
    """The file and line of a finding; of one that no line shows, those of the launch."""
    return (checked.path.parent / finding.file, finding.line) if finding.line else (checked.path, checked.line)


def _failed_at(checked: Checked) -> tuple[Path, int]:
    """The file and line that a compiler's message begins with; without one, those of the launch."""
    place = re.match(rf"{re.escape(checked.path.name)}:(\d+): ", checked.failure)
    return checked.path, int(place[1]) if place else checked.line


def _head(checked: Checked, finding: Finding) -> str:
    path, line = _where(checked, finding)
    return f"{_relative(path)}:{line}: {finding.kind}: {finding.message}"


def _rule(kind: str) -> str:
    return kind.replace(" ", "-")


def _relative(path: Path) -> str:
    """Seen from the current folder, if it lies there."""
    path = Path(os.path.abspath(path))
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.as_posix()


def _location(path: Path, line: int) -> dict:
    name = _relative(path)
    inside = not name.startswith("/")
    place = {"uri": quote(name), "uriBaseId": "%SRCROOT%"} if inside else {"uri": _uri(Path(name))}
    return {"physicalLocation": {"artifactLocation": place, "region": {"startLine": max(line, 1)}}}


def _uri(path: Path) -> str:
    return "file://" + quote(path.as_posix())


def _clean(words: str) -> str:
    return _NO_XML.sub("?", words)


FORMATS = {"text": text, "junit": junit, "sarif": sarif, "github": github}

"""What jobs on a real HTCondor pool do is known, and no job runs twice at once."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml

from analysis.batch.submit import submit
from analysis.workflow.run import Run
from tests.analysis.batch.conftest import Inputs, MakeInputs
from tests.analysis.batch.submissions import IMAGING, folder_of, states, with_batch
from tests.conftest import REPOSITORY, WriteEvents
from tests.daemons import wait_for
from tests.htcondor import HELD, IDLE, Pool

pytestmark = pytest.mark.slow

ON_HOLD = "hold = True"  # in a submit file: the job starts once it is released


def analyse(pool: Pool, folder: Inputs, *options: object) -> str:
    """What run_analysis.py prints."""
    done = pool.analyse(*folder.options, *options, cwd=folder.path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(pool: Pool, folder: Inputs, *options: object) -> tuple[dict[str, int], str]:
    """The numbers of the status that are not 0, and its text."""
    text = analyse(pool, folder, "--status", *options)
    return {name: number for name, number in states(text).items() if number}, text


def submissions(folder: Inputs) -> list[int]:
    record = json.loads((folder.output / "submit" / "imaging" / "submission.json").read_text())
    return [cluster["number"] for cluster in record["clusters"]]


def test_jobs_that_have_not_ended_are_seen_and_left_out(
    htcondor: Pool, inputs: MakeInputs, expected: bytes
) -> None:
    """Of two jobs, both held at first, one is removed."""
    folder = inputs(directives=[ON_HOLD])
    analyse(htcondor, folder, "--submit", "condor", "--jobs", 2)
    (cluster,) = submissions(folder)
    htcondor.run("condor_rm", f"{cluster}.1")
    wait_for(lambda: htcondor.jobs() == {f"{cluster}.0": HELD})
    found, text = table(htcondor, folder)
    assert found == {"tasks": 12, "held": 6, "failed": 6}
    assert "submitted on hold at user's request: fix the cause, then condor_release" in text
    assert f"failed: job {cluster}.1: removed: via condor_rm" in text
    said = analyse(htcondor, folder, "--resubmit-failed")
    assert "not resubmitted: 1 held jobs" in said
    assert "1 jobs: 1 job(s) submitted to cluster" in said
    assert htcondor.jobs() == {f"{cluster}.0": HELD, f"{submissions(folder)[1]}.0": HELD}
    htcondor.run("condor_release", "-all")
    wait_for(lambda: not htcondor.jobs())
    analyse(htcondor, folder, "--gather")
    assert folder.images == expected


def test_an_evicted_job_loses_no_part(htcondor: Pool, inputs: MakeInputs, expected: bytes) -> None:
    """Though HTCondor sends its parts elsewhere, at its end."""
    folder = inputs(output_destination="root://eos.example.org//evicted")
    analyse(htcondor, folder, "--submit", "condor", "--jobs", 1)
    execute = htcondor.directory / "execute"
    wait_for(lambda: len(list(execute.glob("*/Znunu.*.h5"))) > 1)
    htcondor.run("condor_vacate_job", "-all")
    htcondor.wait()
    store = htcondor.store / "evicted"
    assert {path.suffix for path in store.rglob("*") if path.is_file()} == {".h5"}
    (cluster,) = submissions(folder)
    log = (folder.output / "submit" / "imaging" / "logs" / f"{cluster}.0.err").read_text()
    to_do = re.findall(r"imaging: (\d+) of (\d+) tasks to do", log)[-1]
    assert 0 < int(to_do[0]) < int(to_do[1]) - 1, log
    analyse(htcondor, folder, "--gather", "--clean-parts", "--parts", store)
    assert folder.images == expected
    assert not list(store.rglob("*.h5"))


def test_jobs_whose_files_the_schedd_keeps(htcondor: Pool, inputs: MakeInputs) -> None:
    """Event logs, too: the queue alone tells. No machine takes these jobs."""
    folder = inputs(submit_options=["-spool"], directives=["requirements = False"])
    analyse(htcondor, folder, "--submit", "condor", "--jobs", 3)
    (cluster,) = submissions(folder)
    wait_for(lambda: set(htcondor.jobs().values()) == {IDLE})  # once their files are there
    htcondor.run("condor_hold", "-reason", "wait", f"{cluster}.0")
    htcondor.run("condor_rm", f"{cluster}.1")
    assert not list(folder.output.glob("submit/imaging/logs/*.log"))
    found, text = table(htcondor, folder)
    assert found == {"tasks": 12, "queued": 4, "held": 4, "failed": 4}
    assert f"failed: job {cluster}.1: no longer in the queue" in text
    htcondor.run("condor_rm", "-all")


def test_condor_takes_the_lines_of_the_documentation(
    htcondor: Pool, write_events: WriteEvents, run_of: Callable[..., Run]
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a proxy with")
    text = (REPOSITORY / "docs" / "lxplus.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    (lines,) = (b["batch"]["directives"] for b in blocks if "directives" in b.get("batch", {}))
    run = replace(run_of(Znunu=[write_events()]), output=htcondor.folder() / "run")
    run = with_batch(run, directives=tuple(lines), job_flavour="longlunch")
    submit(IMAGING, run, "condor", None, dry_run=True)
    proxy = htcondor.folder() / "proxy"
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(proxy), "-subj", "/CN=me"]
    made = subprocess.run([openssl, "req", "-x509", *key], capture_output=True, check=True)
    proxy.write_bytes(made.stdout + proxy.read_bytes())
    proxy.chmod(0o644)

    def parsed(*settings: str) -> str:
        script = f"cd {folder_of(run)} && condor_submit -dry-run - job.sub"
        return htcondor.run("env", f"X509_USER_PROXY={proxy}", *settings, "sh", "-c", script)

    said = parsed()
    assert f'x509userproxy="{proxy}"' in said
    assert "MaxRuntime=7200" in said
    assert 'SingularityImage="/cvmfs/' in said
    assert 'AccountingGroup="group_u_ATLAS.u_zp"' in said
    assert 'JobFlavour="longlunch"' in said
    assert "SendCredential" not in said
    stored = "_CONDOR_SEC_CREDENTIAL_PRODUCER=CREDENTIAL_ALREADY_STORED"  # a site with Kerberos
    assert "SendCredential=true" in parsed(stored)

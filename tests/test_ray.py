"""Runs on a cluster of several nodes, all on this machine: the bits of runs done here, whatever is lost on the way."""

import os
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from test_execute import HERE, Silent, command, scores, until
from test_execute import job as bare
from test_resume import assert_same, left

from genbench import provenance
from genbench.errors import BadInput
from genbench.execute import local
from genbench.record import PARTIAL, Wanted, read_run

pytest.importorskip("ray")

from ray.cluster_utils import Cluster

from genbench.execute import ray as there

ROOM = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


def job(model, **more):
    found = bare(model, **more)
    code = provenance.code(*provenance.HARNESS, found.asked.model_ref, found.asked.task_ref)
    return replace(found, asked=replace(found.asked, code=code, torch=provenance.versions()["torch"]))


@pytest.fixture(scope="module")
def cluster():
    """One of three nodes: that which we speak to has no CPU, the others have one each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("RAY_worker_niceness", "0")  # 15 by default, which may be for ever where others are at work
        found = Cluster(initialize_head=True, head_node_args={**ROOM, "num_cpus": 0, "include_dashboard": False})
        for address in ("127.0.0.2", "127.0.0.3"):
            found.add_node(**ROOM, node_ip_address=address)
        yield found
        found.shutdown()


def called(name, parent=None):
    """Processes by what they are called, and who started them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_text().startswith(name):
                started_by = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                found += [int(process.name)] if parent in (None, started_by) else []
        except OSError:
            continue
    return found


def slow(seeds):
    return [job("things:Slow", seed=seed, examples=20_000) for seed in range(seeds)]


@pytest.mark.slow
def test_each_outcome_is_as_on_this_machine_and_scores_are_made_anew(cluster, tmp_path):
    jobs = [job(f"things:{name}") for name in ("Good", "NaN", "Raises", "Declines", "Exits", "Killed")]
    here = local.execute(jobs, tmp_path / "here", Silent(), 1)
    done = there.execute(jobs, tmp_path / "there", Silent(), address=cluster.address)
    assert sorted(map(str, done)) == sorted(map(str, here))
    for root in (tmp_path / "here", tmp_path / "there"):
        for place in root.glob(f"*{PARTIAL}"):
            place.rename(place.with_suffix(""))
    for j in jobs:
        assert_same(left(tmp_path / "there", j.asked), left(tmp_path / "here", j.asked))

    anew = replace(jobs[0], wanted=(*jobs[0].wanted, Wanted("energy")), versions={"frechet": "1", "energy": "1"})
    for root, execute, more in (
        (tmp_path / "here", local.execute, {}),
        (tmp_path / "there", there.execute, {"address": cluster.address}),
    ):
        told = execute([replace(anew, folder=root / anew.asked.id)], root, Silent(), **more)
        assert [word[1:] for word in told] == [("ok", "scored anew")]
    scored = left(tmp_path / "there", anew.asked)
    assert "energy" in scored[Path("scores.jsonl")]
    assert_same(scored, left(tmp_path / "here", anew.asked))


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["node", "process"])
def test_a_run_whose_node_or_process_is_lost_midway_is_done_elsewhere(lost, cluster, tmp_path):
    third = cluster.add_node(**ROOM, node_ip_address="127.0.0.4", env_vars={"TMPDIR": str(tmp_path)})
    (raylet,) = third.all_processes["raylet"]
    jobs, killed = slow(6), []

    def kill():
        until(lambda: list(tmp_path.glob("genbench-*/*/checkpoint.safetensors")), 600)
        if lost == "node":
            cluster.remove_node(third, allow_graceful=False)
        else:
            (process,) = called("ray::carry_out", raylet.process.pid)
            os.kill(process, signal.SIGKILL)
        killed.append(lost)

    killer = threading.Thread(target=kill)
    killer.start()
    done = there.execute(jobs, tmp_path / "there", Silent(), address=cluster.address)
    killer.join()
    if lost == "process":
        cluster.remove_node(third)
    assert killed
    assert [status for _, status, _ in done] == ["ok"] * 6
    local.execute(jobs, tmp_path / "here", Silent(), 2)
    for j in jobs:
        assert_same(left(tmp_path / "there", j.asked), left(tmp_path / "here", j.asked))


@pytest.mark.slow
def test_a_run_that_takes_its_ray_process_with_it_is_given_up_and_its_neighbour_is_not(cluster, tmp_path):
    jobs = [job("things:Bereaved"), job("things:Good")]
    done = there.execute(jobs, tmp_path, Silent(), address=cluster.address)
    told = {j.asked.model: (status, why) for j, status, why in done}
    assert told["things:Good"] == ("ok", "")
    assert told["things:Bereaved"][0] == "stopped"
    assert read_run(tmp_path / f"{jobs[0].asked.id}{PARTIAL}").why == told["things:Bereaved"][1]


@pytest.mark.slow
def test_ctrl_c_ends_all_and_the_same_command_finishes_the_rest(cluster, tmp_path):
    words = command(tmp_path, "--executor", "ray", "--address", cluster.address)
    root = tmp_path / "runs" / "ring8"
    first = subprocess.Popen(words, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: list(root.glob("*/run.json")))
    first.send_signal(signal.SIGINT)
    _, complaint = first.communicate(timeout=60)
    assert first.returncode == 130
    assert complaint.splitlines()[-1] == "genbench: interrupted; the same command goes on from here"
    until(lambda: not called("ray::carry_out"), 20)
    assert len(list(root.glob("*/run.json"))) < 4
    subprocess.run(words, cwd=HERE, check=True, timeout=300, capture_output=True)
    subprocess.run(command(tmp_path / "here"), cwd=HERE, check=True, timeout=300, capture_output=True)
    assert scores(root) == scores(tmp_path / "here" / "runs" / "ring8")


@pytest.mark.slow
def test_what_no_node_can_do_is_refused(cluster, tmp_path):
    for memory, device, lacks in ((10**15, "cpu", "1e+15 memory"), (None, "cuda", "1 GPU")):
        with pytest.raises(BadInput, match="no node of the Ray cluster has .*" + lacks.replace("+", "\\+")):
            there.execute(
                [job("things:Good", device=device)], tmp_path, Silent(), memory=memory, address=cluster.address
            )
    stranger = replace(job("things:Good"), asked=replace(job("things:Good").asked, code="another"))
    ((_, status, why),) = there.execute([stranger], tmp_path, Silent(), address=cluster.address)
    assert status == "stopped"
    assert "other code" in why


def test_what_comes_back_takes_the_place_of_what_was_there(tmp_path):
    node, root, j = tmp_path / "node", tmp_path / "root", bare("things:Good")
    partial, finished = root / f"{j.asked.id}{PARTIAL}", root / j.asked.id
    (node / "evidence/1.00").mkdir(parents=True)
    (node / "empty").mkdir()
    (node / "evidence/1.00/a").write_bytes(b"1")
    partial.mkdir(parents=True)
    (partial / "checkpoint.safetensors").write_bytes(b"old")
    with local.locked(partial):
        there.settle(j, "ok", there.packed(node), root)
    assert not finished.exists()  # for another command is at it
    there.settle(j, "ok", there.packed(node), root)
    assert not partial.exists()
    assert (
        there.packed(finished)
        == there.packed(node)
        == {"evidence": None, "empty": None, "evidence/1.00": None, "evidence/1.00/a": b"1"}
    )


def test_an_address_where_no_cluster_is(genbench):
    said = genbench("run", "ring8", "--executor", "ray", "--address", "127.0.0.1:1")
    assert said.returncode == 2
    assert "no Ray cluster to use at 127.0.0.1:1: " in said.stderr

"""A role that is registered is studied like those that ship, and nothing in the study knows of it."""

import itertools

import numpy as np
import polars
import pytest

from equipoise import cli, roles
from equipoise.errors import InvalidFile
from equipoise.study.description import decode

STUDY = """
title = "Halves"
seeds = [0, 1]
baseline = "toy_study_role:first"

[halver]
methods = ["toy_study_role:alternating", "toy_study_role:first"]
lot = 2

[[halver.instances]]
kind = "generated"
zipf = [0.5, 1.5]
experts = [6]
tokens = 400

[figures]
devices = ["zipf0.5/E6"]

[cluster]
devices = 2
"""


@pytest.fixture(autouse=True)
def _halver(monkeypatch):
    monkeypatch.setattr(roles, "_HOMES", dict(roles._HOMES))
    assert roles.register("toy_study_role").name == "halver"


def rows_of(folder, *options):
    (folder / "halves.toml").write_text(STUDY)
    assert cli.run(["study", str(folder / "halves.toml"), "--out", str(folder / "out"), *options]) == 0
    return polars.read_parquet(folder / "out" / "rows.parquet")


def test_it_is_studied_end_to_end_and_the_same_rows_come_from_one_worker_and_from_two(tmp_path, capsys):
    folders = [tmp_path / name for name in ("alone", "spread")]
    for folder in folders:
        folder.mkdir()
    alone, spread = rows_of(folders[0]), rows_of(folders[1], "--workers", "2")
    assert alone.equals(spread)
    assert len(alone) == 2 * 2 * 2
    assert "beyond" in capsys.readouterr().out
    reports = [(folder / "out" / "report.md").read_text() for folder in folders]
    assert reports[0] == reports[1]
    assert "## Halvers\n\n| method | beyond | MaxVio | est. step (s) |" in reports[0]
    assert "8 of 8 compared with a proved optimum or bound" in reports[0]
    page = (folders[0] / "out" / "report.html").read_text()
    for anchor in ("halver", "devices", "time"):
        assert f'<section id="{anchor}"' in page


def test_its_rows_are_what_its_audit_measures_with_the_options_of_the_description(tmp_path):
    rows = rows_of(tmp_path)
    shares = np.arange(1, 7) ** -0.5
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        load = rng.multinomial(400, rng.permutation(shares / shares.sum())) // 2
        halves = [load[list(half)].sum() for half in itertools.combinations(range(6), 3)]
        of_seed = (polars.col("seed") == seed) & (polars.col("instance") == "zipf0.5/E6")
        for method, gap in rows.filter(of_seed).select("balancer", "beyond").iter_rows():
            half = load[np.argsort(-load)[::2]].sum() if method.endswith("alternating") else load[:3].sum()
            best = min(max(part, load.sum() - part) for part in halves)
            assert gap == pytest.approx(max(half, load.sum() - half) / best - 1)


def test_its_failures_are_rows_and_its_options_are_the_keys_of_its_table(tmp_path, capsys):
    (tmp_path / "halves.toml").write_text(STUDY.replace(":alternating", ":breaks"))
    assert cli.run(["study", str(tmp_path / "halves.toml"), "--out", str(tmp_path / "out")]) == 1
    assert "gives no half" in capsys.readouterr().out
    with pytest.raises(InvalidFile, match="halver has the key 'lots'; allowed: methods, lot, seconds, instances"):
        decode(STUDY.replace("lot =", "lots ="), "x")
    with pytest.raises(InvalidFile, match=r"halver\.lot: expected int >= 1"):
        decode(STUDY.replace("lot = 2", "lot = 0"), "x")


def test_without_being_registered_it_is_refused(monkeypatch):
    monkeypatch.setattr(roles, "_HOMES", {})
    with pytest.raises(InvalidFile, match="the file has the key 'halver'; allowed: title, seeds, placer"):
        decode(STUDY, "x")

"""The report: the same bytes every time, nothing from elsewhere, and readable where it is read."""

import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from equipoise.errors import ExtraMissing, InvalidFile
from equipoise.study.exhibits import make
from equipoise.study.report import page as page_module
from equipoise.study.report.kill_matrix import read_kill_matrix
from equipoise.study.report.markdown import markdown
from equipoise.study.report.page import page
from equipoise.study.report.sections import Extra
from equipoise.study.report.training import read_training
from equipoise.study.run import run_study
from study_cases import small

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VERSIONS = {"equipoise": "test"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    study = run_study(small(), folder)
    exhibits = make(study, folder / "exhibits")
    runs = folder / "runs"
    for seed in (0, 1):
        run = runs / f"E4-none-seed{seed}"
        run.mkdir(parents=True)
        (run / "run.json").write_text(json.dumps({"experts": 4, "method": "none", "seed": seed}))
        loads = np.random.default_rng(seed).integers(1, 50, (20, 2, 4))
        np.savez(run / "metrics.npz", loads=loads, validation_perplexity=np.float64(9.5))
    matrix = {"router": {"checks": ["a", "b"], "miniatures": {"m": {"made_for": "a", "caught_by": ["a"]}}}}
    (folder / "kills.json").write_text(json.dumps(matrix))
    extra = Extra(read_training(str(runs)), read_kill_matrix(str(folder / "kills.json")))
    return study, exhibits, extra, page(study, exhibits, VERSIONS, extra)


def test_page_and_markdown_are_the_same_bytes_every_time(made):
    study, exhibits, extra, document = made
    assert page(study, exhibits, VERSIONS, extra) == document
    assert markdown(study) == markdown(study)


def test_exhibits_are_kept_and_not_made_again(made, tmp_path, monkeypatch):
    study, exhibits, _, _ = made
    first = make(study, tmp_path)
    monkeypatch.setattr("equipoise.study.exhibits._made", lambda exhibit: pytest.fail("nothing is missing"))
    assert make(study, tmp_path) == first == exhibits


def test_page_refers_to_nothing_outside_itself(made):
    document, images = re.subn(r'"data:image/png;base64,[^"]*"', '""', made[3])
    assert images == 2, "a heat map for either theme"
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe|data:image", document)
    targets = set(re.findall(r'(?:href|src)="([^"]+)"', document)) | set(re.findall(r"url\(([^)]*)\)", document))
    assert targets
    assert targets <= {f"#{name}" for name in re.findall(r'id="([^"]+)"', document)}


def test_every_figure_has_a_text_alternative_with_numbers_and_is_well_formed(made):
    figures = re.findall(r"<svg (?:class=\"\w+\" )?role=\"img\".*?</svg>", made[3], re.DOTALL)
    assert len(figures) >= 8
    for figure in figures:
        label = ElementTree.fromstring(figure).attrib["aria-label"]
        assert len(label) > 30
        assert re.search(r"\d", label)


def test_figures_take_their_colours_from_the_page(made):
    assert "#fe0" not in made[3]
    used = set(re.findall(r"var\((--\w+)\)", made[3]))
    defined = re.findall(r"(--\w+): #", made[3])
    assert used <= set(defined)
    assert all(defined.count(name) == 2 for name in used), "once for light, once for dark"


def test_page_shows_every_section_and_every_method_and_row_count(made):
    study, _, _, document = made
    anchors = ["router", "frontier", "skew", "training", "heat", "scheduler", "placer", "devices", "predictor", "time"]
    for anchor in [*anchors, "horizon-error-step", "horizon-error-mean", "kills"]:
        assert f'<section id="{anchor}"' in document
    for part in study.description.parts.values():
        assert all(f">{method}</td>" in document for method in part.methods)
    assert f">{len(study.rows)}<" in document


def test_sections_without_anything_to_show_are_left_out(made, tmp_path):
    study = run_study(small(["topk", "midpoint"], skew="[1.0]"), tmp_path)
    document = page(study, {}, VERSIONS)
    for anchor in ("frontier", "skew", "stream", "training", "heat", "scheduler", "devices", "kills"):
        assert f'<section id="{anchor}"' not in document


def test_words_from_outside_are_escaped(made, tmp_path):
    description = small(["topk", "midpoint"], title='"<script>alert(1)</script>"', skew="[1.0]", seeds="[0]")
    document = page(run_study(description, tmp_path), {}, VERSIONS)
    assert "<script>" not in document
    assert "&lt;script&gt;" in document


def test_markdown_has_one_row_a_line_and_nothing_that_was_timed(made):
    text = markdown(made[0])
    for line in (line for line in text.splitlines() if line.startswith("|")):
        assert line.endswith("|")
    assert "estimate" in text
    assert not re.search(r"\bms\b|seconds of a call", text)


def test_missing_packages_are_named_with_their_extra(monkeypatch):
    monkeypatch.setattr(page_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match=r"equipoise\[study\]"):
        page_module.required()


def test_folders_and_files_that_are_no_runs_and_no_matrix_are_refused(tmp_path):
    with pytest.raises(InvalidFile, match="no finished training run"):
        read_training(str(tmp_path))
    (tmp_path / "k.json").write_text('{"router": 3}')
    with pytest.raises(InvalidFile, match="not a kill matrix"):
        read_kill_matrix(str(tmp_path / "k.json"))


def browsed(tmp_path, body):
    """What Chromium makes of a page in a window as narrow as a phone's: its own width, and its console."""
    outer = tmp_path / "outer.html"
    measure = "document.title = document.querySelector('iframe').contentDocument.documentElement.scrollWidth"
    frame = (
        f'<iframe style="width:390px;height:900px;border:0" srcdoc="{html.escape(body)}" onload="{measure}"></iframe>'
    )
    outer.write_text(f"<!doctype html><body>{frame}</body>")
    quiet = [
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "disable-quic",
    ]
    options = [f"--{name}" for name in ("headless", "no-sandbox", "disable-gpu", *quiet, "enable-logging=stderr")]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [CHROMIUM, *options, profile, "--virtual-time-budget=5000", "--dump-dom", outer.as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    title = re.search(r"<title>(\d+)</title>", run.stdout)
    assert title is not None, run.stderr[-2000:]
    return int(title[1]), [line for line in run.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")
def test_a_browser_shows_the_page_on_a_phone_without_errors_or_requests(made, tmp_path):
    width, console = browsed(tmp_path, made[3])
    assert width <= 390
    assert console == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")
def test_the_browser_would_tell_of_requests_and_of_pages_that_are_too_wide(made, tmp_path):
    wide = '<img src="https://example.invalid/x.png"><div style="width:900px">wide</div></main>'
    width, console = browsed(tmp_path, made[3].replace("</main>", wide))
    assert width >= 900
    assert any("Content Security Policy" in line for line in console)


def test_the_kill_matrix_is_read_from_the_page_that_is_generated_too(tmp_path):
    page = "# Title\n\n## Routers\n\n| miniature | check made for it | also caught by |\n|---|---|---|\n"
    page += "| `m` | `a` | all that apply |\n| `n` | `b` | none |\n| `o` | `b` | `a`, `c` |\n"
    (tmp_path / "k.md").write_text(page)
    matrix = read_kill_matrix(str(tmp_path / "k.md"))["router"]
    assert matrix.checks == ("a", "b", "c")
    assert {name: one.caught_by for name, one in matrix.miniatures.items()} == {
        "m": ("a", "b", "c"),
        "n": ("b",),
        "o": ("b", "a", "c"),
    }
    (tmp_path / "k.md").write_text("# Title")
    with pytest.raises(InvalidFile, match="no table of miniatures"):
        read_kill_matrix(str(tmp_path / "k.md"))

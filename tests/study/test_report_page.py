"""A whole report: the same bytes, nothing from the network, everything in every form."""

import re
import shutil
import sys
from unittest import mock

import numpy as np
import pytest
from study import example_study
from study import synthetic_runs as made

from mrjax import study
from mrjax.errors import UserError
from mrjax.study.report import curves, images, methods, overview, shares, style, voxels, words
from mrjax.study.report import page as pages
from mrjax.study.report.analysis import analyse

pytest.importorskip("jinja2", reason="needs the extra report")


STYLE = dict(style._SETTINGS)


@pytest.fixture(scope="module", autouse=True)
def drawn_soon():
    """Coarse pictures, and outlines of letters in place of fonts, whose subsets take seconds.

    tests/study/test_compare_page.py draws as users do.
    """
    with (
        mock.patch.object(style, "RESOLUTION", 50),
        mock.patch.dict(style._SETTINGS, {"pdf.fonttype": 3}),
    ):
        yield


@pytest.fixture(scope="module")
def study_dir(tmp_path_factory):
    folder = example_study.make(tmp_path_factory.mktemp("study") / "s", replicates=3)
    example_study.reported(folder)
    return folder


@pytest.fixture(scope="module")
def page(study_dir):
    return (study_dir / "report/index.html").read_text()


def test_the_same_runs_give_the_same_bytes(study_dir, tmp_path):
    other = tmp_path / "elsewhere"
    shutil.copytree(study_dir, other)
    stale = other / "report/loss_gone.png"
    stale.write_bytes(b"")
    example_study.reported(other)
    assert not stale.exists()
    first, second = (
        {p.name: p.read_bytes() for p in (d / "report").iterdir()} for d in (study_dir, other)
    )
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_figures_and_tables_come_in_every_form(study_dir):
    files = {path.name for path in (study_dir / "report").iterdir()}
    figures = {name.removesuffix(".png") for name in files if name.endswith(".png")}
    tables = {name.removesuffix(".csv") for name in files if name.endswith(".csv")}
    assert {"effect_training", "effect_inference", "identity", "voxels"} <= figures
    assert {"sources", "effect_training", "spread_training", "problems", "speed"} <= tables
    assert {f"{name}.pdf" for name in figures} <= files
    assert {f"{name}.tex" for name in tables} <= files
    assert "loss_dtype" in figures and "repetitions_baseline" in figures


def test_the_page_needs_no_network_and_runs_nothing(page):
    assert not re.search(r"https?://|<script|@import|<link|url\(", page)
    targets = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(t.startswith(("data:image/png;base64,", "#")) or "/" not in t for t in targets)


def test_the_page_says_what_it_means(page):
    text = re.sub(r"<[^>]*>", "", page)
    for phrase in (
        "conditional on these two trainings",
        "Identical to the baseline, bit for bit, in every pair of runs: threads_1, same",
        "error: the loss is not finite at step 12",
        "no effect on a cpu",
        "unit of analysis: mean of a run over subjects",
        "2 % of the baseline's mean".replace("'", "&#39;"),
        "jax=0.10.2",
    ):
        assert phrase in text, phrase
    assert "nan" not in re.sub(r"data:image[^\"]*", "", page).lower().split()


def test_names_are_text_and_not_markup(tmp_path):
    arms = [made.arm("a", "dtype", "--x=<script>alert(1)</script>")]
    made.make(tmp_path, made.study(arms, 2), steps=5)
    found = study.load(tmp_path)
    text = study.write_report(tmp_path / "r", found).read_text()
    assert "<script" not in text and "&lt;script&gt;" in text


def test_dollars_in_names_are_no_formula(tmp_path):
    for arm in ("a$x^$", "b$\\x$"):
        for label in ("0$_$", "1$_$"):
            found = made.content(np.linspace(0.4, 0.5, 8), {"params": (arm, label)}, 3)
            curve = made.ledger_text(np.ones(3), (arm, label))
            made.write_run(tmp_path / "runs" / arm / label, found, curve)
    page = study.write_report(tmp_path / "r", study.load_roots([tmp_path / "runs"])).read_text()
    assert "b$\\x$" in page


def test_fonts_stay_text(monkeypatch, tmp_path):
    monkeypatch.setitem(style._SETTINGS, "pdf.fonttype", STYLE["pdf.fonttype"])
    with style.figure(tmp_path, "effect", 2, 2) as drawn:
        drawn.subplots().set_title("Effects")
    pdf = (tmp_path / "effect.pdf").read_bytes()
    assert b"/Type3" not in pdf and b"CreationDate" not in pdf


def test_one_replicate_and_no_ledger_still_make_a_report(tmp_path):
    made.make(tmp_path, made.study([made.arm("a", "dtype")], 1), steps=5)
    for path in tmp_path.glob("runs/*/*/ledger.jsonl"):
        path.unlink()
    text = example_study.reported(tmp_path).read_text()
    assert "too few runs" in text and 'id="curves"' not in text


def test_a_report_without_the_baseline(tmp_path):
    made.make(tmp_path, made.study([made.arm("a", "dtype")], 2), steps=5)
    for path in tmp_path.glob("runs/baseline/*/result.json"):
        path.unlink()
    text = example_study.reported(tmp_path).read_text()
    assert "not finished" in text and 'id="training"' not in text


def test_nothing_is_said_of_runs_without_a_plan_that_is_not_known(study_dir):
    text = " ".join(methods.paragraphs(analyse(study.load_roots([study_dir]))))
    assert "run folders without a plan. Runs were not compared in pairs" in text
    assert "same seeds" not in text and "random (seed" not in text
    planned = " ".join(methods.paragraphs(analyse(study.load(study_dir))))
    assert "same seeds" in planned and "random (seed 0)" in planned


def test_one_image_has_a_mean_and_no_spread(study_dir, tmp_path):
    for arm in ("baseline", "bfloat16"):
        shutil.copytree(study_dir / f"runs/{arm}/000", tmp_path / f"{arm}/000")
    outputs = voxels.compute(study.load_roots([tmp_path]))
    row = voxels.table(outputs, "qsm").rows[1]
    assert row[0] == "bfloat16" and row[3:6] == (None, None, None) and row[6] > 0
    assert voxels.figures(tmp_path, outputs, "qsm") == []


def test_when_runs_leave_the_baseline(study_dir):
    rows = {row[0]: row for row in curves.table(analyse(study.load(study_dir))).rows}
    assert rows["threads_1"][2:5] == (3, 3, None)
    assert rows["bfloat16"][2:] == (3, 0, 1.0, 1, 1, "loss (3)")


def test_sources_show_what_could_not_run(study_dir):
    table = overview.sources(study.load(study_dir))
    rows = {row[1]: row for row in table.rows}
    assert table.bold == (0,) and table.rows[0][1] == "baseline"
    assert rows["autotune_off"][4:] == (0, 0, "no effect on a cpu")
    assert rows["float16"][4:] == (3, 1, "2 runs missing")


def test_mixtures_are_said(study_dir, tmp_path):
    shutil.copytree(study_dir, tmp_path / "s")
    assert overview.mixtures(study.load(tmp_path / "s")) == []
    path = tmp_path / "s/runs/init/001/environment.json"
    path.write_text(path.read_text().replace("b" * 64, "d" * 64))
    path = tmp_path / "s/runs/init/002/result.json"
    path.write_text(path.read_text().replace("brain7", "brain8"))
    first, second = overview.mixtures(study.load(tmp_path / "s"))
    assert "2 versions of the code" in first and "1 runs were judged on other subjects" in second


def test_a_missing_extra_is_one_line(study_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UserError, match=r'pip install "mrjax\[report\]"') as caught:
        pages.publish(study_dir / "page", "t", "s", lambda folder: [])
    assert "\n" not in str(caught.value)


def test_an_unwritable_report_is_one_line(tmp_path):
    made.make(tmp_path, made.study([], 1), steps=5)
    (tmp_path / "report").write_text("")
    with pytest.raises(UserError, match="not writable"):
        example_study.reported(tmp_path)


def test_a_crossed_study_has_shares(tmp_path):
    example_study.make_crossed(tmp_path, levels=3)
    found = study.load(tmp_path)
    computed = shares.compute(found)
    assert [one.name for one in computed.components][:2] == ["initialisation", "order"]
    values = {u.label: u.mean("nrmse") for u in found.units}
    assert computed.mean == pytest.approx(np.mean(list(values.values())))
    text = study.write_report(tmp_path / "report", found).read_text()
    assert "Share of each source" in text
    told = " ".join(words.findings(analyse(found)))
    assert "gave the same network, bit for bit, in 0 of 9 combinations" in told
    assert "initialisation" in told and "Welch" not in " ".join(methods.paragraphs(analyse(found)))
    next(tmp_path.glob("runs/crossed/*/result.json")).unlink()
    assert "lacks 1 of 18 runs" in shares.compute(study.load(tmp_path))


def test_voxels_are_compared_for_the_first_subject(study_dir):
    found = study.load(study_dir)
    outputs = voxels.compute(found)
    by_name = {one.arm: one for one in outputs.arms}
    runs = [images.read(images.find(u, "brain0")) for u in found.of("bfloat16")]
    np.testing.assert_allclose(
        by_name["bfloat16"].spread.sd, np.std(runs, axis=0, ddof=1, dtype=np.float64), rtol=1e-6
    )
    first = images.read(images.find(found.baseline[0], "brain0"))
    assert by_name["bfloat16"].pair.largest == pytest.approx(np.abs(runs[0] - first).max())
    assert by_name["threads_1"].pair.identical and by_name["threads_1"].weights.identical
    assert 0.9 < by_name["bfloat16"].weights.cosine < 1.0
    assert voxels.compute(found, wanted=False).arms == ()


def test_arms_that_differ_most_are_drawn_first(study_dir):
    outputs = voxels.compute(study.load(study_dir))
    drawn = voxels._by_difference(outputs)
    names = [one.arm for one in drawn]
    assert names[0] == "baseline" and not {"same", "threads_1"} & set(names)
    assert {"order", "init"} <= set(names) and names[-1] == "avx2"
    sizes = [one.pair.largest for one in drawn[1:]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_damaged_image_is_left_out_and_said(study_dir, tmp_path):
    shutil.copytree(study_dir, tmp_path / "s")
    path = tmp_path / "s/runs/bfloat16/000/predictions/brain0_network_Chimap.nii.gz"
    path.write_bytes(path.read_bytes()[:200])
    outputs = voxels.compute(study.load(tmp_path / "s"))
    assert "bfloat16" not in {one.arm for one in outputs.arms}
    assert str(path) in outputs.remark and "\n" not in outputs.remark


def test_complex_images_are_found_in_hdf5(tmp_path):
    import h5py

    made.make(tmp_path, made.study([], 2), steps=5)
    for run in ("000", "001"):
        folder = tmp_path / f"runs/baseline/{run}/predictions"
        folder.mkdir()
        with h5py.File(folder / "brain0.h5", "w") as file:
            file["network"] = np.full((4, 4), 3 + 4j, np.complex64)
            file["zero_filled"] = np.zeros((4, 4), np.complex64)
    (one,) = voxels.compute(study.load(tmp_path)).arms
    assert one.spread.identical and (one.spread.mean == 5).all()


def test_the_api_gives_a_data_frame(study_dir):
    pytest.importorskip("pandas", reason="needs the extra report")
    table = study.frame(study.load(study_dir))
    assert len(table) == 8 * len(study.load(study_dir).units)
    assert table.query("arm == 'baseline' and label == '001'").nrmse.notna().all()
    with pytest.raises(AttributeError, match="nonsense"):
        _ = study.nonsense

"""What differs between two sets besides their results, told by their records."""

import shutil

import pytest
from study import two_sets

from mrjax.study import compare
from mrjax.study.compare import surroundings


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    return two_sets.make(tmp_path_factory.mktemp("sets"), replicates=2)


@pytest.fixture
def copies(roots, tmp_path):
    """One of the sets twice, to be changed."""
    return [shutil.copytree(roots[0], tmp_path / name) for name in ("one", "other")]


def change(root, record: str, **changes: object) -> None:
    for run in ("000", "001"):
        two_sets.change(root / run / f"{record}.json", **changes)


def test_frameworks_differ_in_packages_and_switches(roots):
    pairs = compare.load(*roots).pairs
    told = surroundings.sentences(surroundings.differences(pairs))
    assert told == [
        "Framework: framework jax in A, pytorch in B.",
        "Packages: jax 0.10.2 in A only; torch 2.13.0 in B only.",
    ]
    same = surroundings.same(pairs)
    assert "processor Some CPU" in same and "numpy 2.4.6" in same and "sources bbbbbbbbbb" in same


JAX = {"xla_deterministic": False, "xla_autotune": "auto", "conv_form": "auto", "xla_cpu_isa": ""}
TORCH = {"cudnn_benchmark": False, "channels_last": False, "compile": False}
JAX_SAYS = {"matmul_precision": "highest", "x64": True, "compilation_cache": "off"}
PRECISIONS = {"matmul_fp32_precision": "ieee", "conv_fp32_precision": "ieee"}


def frameworks(roots, tmp_path, ours=(), theirs=(), precisions=PRECISIONS):
    """Two sets with the switches and facts that real runs have, and further ones."""
    copies = [shutil.copytree(root, tmp_path / root.name) for root in roots]
    change(copies[0], "config", config=JAX | dict(ours))
    change(copies[0], "environment", backend=JAX_SAYS)
    switches = TORCH | dict(theirs)
    change(copies[1], "config", config=JAX | {"task": "qsm"} | switches)
    facts = {"switches": switches | precisions | {"onednn": True, "mkl": True}}
    change(copies[1], "environment", backend=facts)
    change(copies[1], "environment", variables={"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"})
    return surroundings.differences(compare.load(*copies).pairs)


def test_switches_that_nobody_set_do_not_hide_what_differs(roots, tmp_path):
    found = frameworks(roots, tmp_path / "usual")
    assert [one.entry for one in found] == ["framework", "jax", "torch"]
    found = frameworks(
        roots, tmp_path / "set", {"xla_deterministic": True}, {"cudnn_benchmark": True}
    )
    assert found[:2] == [
        ("settings", "cudnn_benchmark", "", "true"),
        ("settings", "xla_deterministic", "true", ""),
    ]
    assert len(found) == 5


def test_precision_of_products_has_one_name(roots, tmp_path):
    found = frameworks(roots, tmp_path, precisions={"conv_fp32_precision": "tf32"})
    assert ("framework", "TF32", "no", "allowed") in found


def test_threads_are_those_that_computed(copies):
    """Records of PyTorch runs once held XLA's number, too."""
    change(copies[1], "environment", cpu={"threads": 2}, backend={"threads": 1})
    pairs = compare.load(*copies).pairs
    assert surroundings.differences(pairs) == [("processor", "threads", "2", "1")]
    assert not any("threads" in line for line in surroundings.same(pairs))
    change(copies[1], "environment", backend={"threads": 2})
    pairs = compare.load(*copies).pairs
    assert surroundings.differences(pairs) == [] and "threads 2" in surroundings.same(pairs)


def test_seeds_that_vary_alike_are_no_difference(roots, copies):
    assert surroundings.differences(compare.load(*copies).pairs) == []
    two_sets.change(copies[1] / "001" / "config.json", config={"seed_init": 9})
    (found,) = surroundings.differences(compare.load(*copies).pairs)
    assert found == ("settings", "seed_init", "0, 1", "0, 9")


def test_what_varies_in_both_sets_alike_is_neither_a_difference_nor_the_same(copies):
    for root in copies:
        two_sets.change(root / "001" / "environment.json", python="3.12.1")
    pairs = compare.load(*copies).pairs
    assert surroundings.differences(pairs) == []
    same = surroundings.same(pairs)
    assert "threads 2" in same and not any("Python" in line for line in same)


def test_of_lists_only_the_words_that_differ(copies):
    change(copies[1], "environment", cpu={"features": ["avx2", "avx512f"], "threads": 1})
    change(copies[1], "environment", variables={"XLA_FLAGS": "--a"}, backend={"gpu": {"bus": 1}})
    found = surroundings.differences(compare.load(*copies).pairs)
    assert set(found) == {
        ("processor", "features", "fma", "avx512f"),
        ("processor", "threads", "2", "1"),
        ("environment variables", "XLA_FLAGS", "", "--a"),
        ("device", "gpu.bus", "", "1"),
    }
    assert "Environment variables: XLA_FLAGS --a in B only." in surroundings.sentences(found)


def test_another_commit_of_the_same_sources_is_no_difference(copies):
    change(copies[1], "environment", code={"commit": "d" * 40})
    assert surroundings.differences(compare.load(*copies).pairs) == []
    change(copies[1], "environment", code={"sources": "e" * 64})
    (told,) = surroundings.sentences(surroundings.differences(compare.load(*copies).pairs))
    assert told == (
        "Code: commit cccccccccc in A, dddddddddd in B; sources bbbbbbbbbb in A, eeeeeeeeee in B."
    )


def test_long_lists_of_differences_end(copies):
    change(copies[1], "config", config={f"field{i:02d}": i for i in range(20)})
    (told,) = surroundings.sentences(surroundings.differences(compare.load(*copies).pairs))
    assert "--field11 11 in B only; and 8 more, in the table." in told


def test_records_of_foreign_programs_may_say_anything(copies):
    strange = '{"cpu": {"features": null}, "backend": [1, {"a": 2}], "code": "mine", "x": [[3]]}'
    (copies[1] / "000" / "environment.json").write_text(strange)
    (copies[1] / "000" / "config.json").write_text(f'{{"digest": "{"0" * 64}", "config": 3}}')
    pairs = compare.load(*copies).pairs
    assert surroundings.source(pairs) == "other"
    assert any(
        "code mine" in line for line in surroundings.sentences(surroundings.differences(pairs))
    )


@pytest.mark.parametrize(
    "record, changes, source",
    [
        ("config", {"workdir": "elsewhere"}, "repetition"),
        ("config", {"repetition": 1}, "repetition"),
        ("config", {"dtype": "bfloat16"}, "dtype"),
        ("config", {"cpu_threads": 1}, "threads"),
        ("config", {"seed_init": 8}, "init"),
        ("config", {"dtype": "bfloat16", "cpu_threads": 1}, "other"),
        ("environment", {"python": "3.12"}, "other"),
        ("environment", {"system": {"host": "node2"}}, "repetition"),
        ("result", {"framework": "pytorch"}, "framework"),
    ],
)
def test_the_source_is_told_by_the_records(copies, record, changes, source):
    change(copies[1], record, **({"config": changes} if record == "config" else changes))
    assert surroundings.source(compare.load(*copies).pairs) == source

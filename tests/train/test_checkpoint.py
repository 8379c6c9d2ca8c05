import os
import signal
import subprocess
import sys
import time
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import ROOT

from mrjax.train import checkpoint

WRITER = """
import itertools, sys
import numpy as np
from mrjax.train import checkpoint
for step in itertools.count(1):
    state = {"step": step, "w": np.full((200, 200), step, np.float32)}
    checkpoint.save(sys.argv[1], step, state)
"""


def state(step=0.0):
    params = {"kernel": jnp.full((3, 2), step, jnp.bfloat16), "bias": jnp.float32(step)}
    stats = {"mean": np.array([step, np.nan, -0.0]), "seen": np.array([True, False])}
    return {"params": params, "stats": stats, "opt": optax.adam(1e-3).init(params), "n": 3}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_state_comes_back_bit_for_bit(tmp_path):
    saved = state(1 / 3)
    path = checkpoint.save(tmp_path / "new" / "checkpoints", 400, saved)
    assert path.name == "step_00000400.npz"
    step, back = checkpoint.latest(path.parent, state(0.0))
    assert step == 400
    assert jax.tree.structure(back) == jax.tree.structure(saved)
    for a, b in zip(jax.tree.leaves(saved), jax.tree.leaves(back), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def test_jax_arrays_return_to_their_devices_and_others_stay_on_the_host(tmp_path):
    checkpoint.save(tmp_path, 1, state())
    _, back = checkpoint.latest(tmp_path, state())
    assert isinstance(back["params"]["kernel"], jax.Array)
    assert back["params"]["kernel"].sharding == state()["params"]["kernel"].sharding
    assert type(back["stats"]["mean"]) is np.ndarray
    _, host = checkpoint.latest(tmp_path, jax.eval_shape(state))
    assert type(host["params"]["kernel"]) is np.ndarray


def test_numpy_alone_can_read_it(tmp_path):
    path = checkpoint.save(tmp_path, 1, state(2.0))
    with np.load(path) as archive:
        np.testing.assert_array_equal(archive["stats/seen"], [True, False])
        assert archive["params/bias"] == np.float32(2)
        bfloat16 = archive["params/kernel"]
        assert (bfloat16.dtype, bfloat16.shape, bfloat16[0, 0]) == (np.uint16, (3, 2), 0x4000)


def test_equal_states_make_equal_files(tmp_path):
    paths = [checkpoint.save(tmp_path / name, 5, state(0.5)) for name in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_newest_two_stay(tmp_path):
    for step in (1, 3, 99_999_999):
        checkpoint.save(tmp_path, step, state(step))
    (tmp_path / "step_notes.npz").touch()
    checkpoint.save(tmp_path, 100_000_000, state(4))
    left = ["step_100000000.npz", "step_99999999.npz", "step_notes.npz"]
    assert names(tmp_path) == left
    assert checkpoint.latest(tmp_path, state())[0] == 100_000_000
    (tmp_path / "step_99999999.npz").rename(tmp_path / "step_00000002.npz")
    checkpoint.save(tmp_path, 7, state(7), keep=3)
    assert names(tmp_path) == ["step_00000002.npz", "step_00000007.npz", "step_notes.npz"]
    with pytest.raises(ValueError, match="keep is -1"):
        checkpoint.save(tmp_path, 8, state(), keep=-1)


@pytest.mark.parametrize("keep", [0, 9])
def test_more_may_stay(tmp_path, keep):
    for step in range(1, 7):
        checkpoint.save(tmp_path, step, state(step), keep=keep)
    assert names(tmp_path) == [f"step_0000000{step}.npz" for step in range(1, 7)]


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.latest(tmp_path, state()) is None
    assert checkpoint.latest(tmp_path / "absent", state()) is None


def damage(content, kind):
    if kind == "empty":
        return b""
    if kind == "cut":
        return content[: len(content) // 2]
    if kind == "text":
        return b"not an archive"
    place = content.index(b"\xab\xaa\xaa\x3e")  # The float32 1/3 of the bias.
    return content[:place] + b"\xac" + content[place + 1 :]


@pytest.mark.parametrize("kind", ["empty", "cut", "text", "one bit"])
def test_a_damaged_file_is_passed_over(tmp_path, kind):
    checkpoint.save(tmp_path, 1, state(1))
    path = checkpoint.save(tmp_path, 2, state(1 / 3))
    assert checkpoint.latest(tmp_path, state())[0] == 2
    path.write_bytes(damage(path.read_bytes(), kind))
    step, back = checkpoint.latest(tmp_path, state())
    assert (step, float(back["params"]["bias"])) == (1, 1.0)


def test_a_sound_archive_of_other_content_is_passed_over(tmp_path):
    like = {"w": np.zeros(3), "v": np.ones(3)}
    path = checkpoint.save(tmp_path, 1, like)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["w.npy"] = members["v.npy"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert checkpoint.latest(tmp_path, like) is None


def test_every_single_byte_is_guarded(tmp_path):
    """The file is skipped, or the damage lies outside the bytes that are read."""
    wanted = {"w": np.arange(4, dtype=np.float32)}
    path = checkpoint.save(tmp_path, 1, wanted)
    content = path.read_bytes()
    passed_over = 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        found = checkpoint.latest(tmp_path, wanted)
        passed_over += found is None
        if found is not None:
            assert found[0] == 1
            assert found[1]["w"].tobytes() == wanted["w"].tobytes()
    assert passed_over > len(content) / 3


def test_a_sound_file_of_another_network_is_an_error(tmp_path):
    checkpoint.save(tmp_path, 1, {"w": np.zeros(3)})
    with pytest.raises(ValueError, match="leaf w is"):
        checkpoint.latest(tmp_path, {"w": np.zeros(4)})


def newest(folder):
    return max((path.name for path in folder.glob("step_*")), default="")


def test_a_killed_writer_leaves_a_whole_checkpoint(tmp_path):
    like = {"step": 0, "w": np.zeros((200, 200), np.float32)}
    for number, pause in enumerate((0.0, 0.004, 0.009)):
        folder = tmp_path / str(number)
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], cwd=ROOT)
        while newest(folder) < "step_00000005.npz":
            assert child.poll() is None
            time.sleep(0.002)
        time.sleep(pause)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        step, back = checkpoint.latest(folder, like)
        assert step >= 5
        assert newest(folder) == f"step_{step:08d}.npz", "the newest file was not whole"
        assert int(back["step"]) == step
        assert (back["w"] == step).all()
        assert 2 <= len(list(folder.glob("step_*"))) <= 3

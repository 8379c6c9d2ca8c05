"""Training in PyTorch as the loop sees it: steps, evidence, leaves, and the loss scale."""

import dataclasses

import jax
import numpy as np
import pytest
from helpers import jit_quickly

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax.config import RunConfig  # noqa: E402
from mrjax.errors import RunFailed, UserError  # noqa: E402
from mrjax.numerics.trees import named_leaves  # noqa: E402
from mrjax.pytorch import losses, unet, weights  # noqa: E402
from mrjax.pytorch.config import CONFIGS  # noqa: E402
from mrjax.pytorch.engine import Step, Task, TorchEngine  # noqa: E402
from mrjax.pytorch.tasks import common  # noqa: E402
from mrjax.pytorch.trainee import Trainee  # noqa: E402
from mrjax.runs import digests  # noqa: E402
from mrjax.tasks.breast import model  # noqa: E402
from mrjax.train import finite  # noqa: E402
from mrjax.train import step as rule  # noqa: E402

VALUES = {"fold": 0, "steps": 8, "batch_size": 2, "width": 2, "levels": 1, "cooldown": 0.5}


def config(**changes) -> RunConfig:
    return CONFIGS["breast"][0](**(VALUES | changes))


def network(c: RunConfig) -> torch.nn.Module:
    net = unet.UNet2d(3, c.width, c.levels, 0.9)
    net = net.double() if c.dtype == "float64" else net
    weights.load_weights(net, model.build(c, "cpu").initial_params())
    return net


def engine(c: RunConfig, **changes) -> TorchEngine:
    rates = np.full(c.steps, 1e-2)
    task = Task(network(c), True, losses.breast_loss, losses.breast_predict, rates)
    task = dataclasses.replace(task, **changes)
    return TorchEngine(c, "cpu", task, channels_last=c.channels_last)


@pytest.fixture
def batches(rng):
    images = rng.random((8, 2, 8, 8, 3)).astype(np.float32)
    masks = (rng.random((8, 2, 8, 8, 1)) > 0.5).astype(np.float32)
    return lambda step: {"image": images[step], "mask": masks[step]}


def train(made: TorchEngine, c: RunConfig, batches, steps, state=None):
    """The last state and the evidence of every step; `state` holds leaves to begin with."""
    ready = made.begin(c, batches)
    trainee = ready.state if state is None else made.restored(ready.state, state)
    found = []
    for i in steps:
        trainee, evidence = ready.step(trainee, ready.batches(i))
        found.append(evidence)
    return made.kept(trainee), found


def flat(state) -> dict[str, bytes]:
    return {k: np.asarray(v).tobytes() for k, v in named_leaves(state).items()}


MOMENTUM = {"adam": None, "sgd": 0.9, "plain": 0.0}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("rule_of", MOMENTUM)
def test_restored_it_goes_on_bit_for_bit(batches, dtype, rule_of):
    c = config(dtype=dtype)
    changes = {"momentum": MOMENTUM[rule_of]}
    whole, _ = train(engine(c, **changes), c, batches, range(5))
    half, _ = train(engine(c, **changes), c, batches, range(3))
    rest, _ = train(engine(c, **changes), c, batches, range(3, 5), state=half)
    assert flat(rest) == flat(whole) != flat(half)
    less = half._replace(optimizer=jax.tree.map(np.zeros_like, half.optimizer))
    other, _ = train(engine(c, **changes), c, batches, range(3, 5), state=less)
    # Only gradient descent without momentum carries nothing but weights.
    assert (flat(other)["params/out/kernel"] == flat(whole)["params/out/kernel"]) == (
        rule_of == "plain"
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_evidence_is_that_of_the_arrays(batches, dtype):
    """Under float16, digests are of gradients without the loss scale."""
    c = config(dtype=dtype)
    made = engine(c)
    ready = made.begin(c, batches)
    for i in range(2):
        trainee, evidence = ready.step(ready.state, ready.batches(i))
        kept = made.kept(trainee)
        whole = named_leaves({"params": kept.params, "batch_stats": kept.batch_stats})
        assert int(evidence.params) % 2**64 == digests.fingerprint(whole)
        assert int(evidence.batch) % 2**64 == digests.fingerprint(batches(i))
        gradients = {k: v.numpy() for k, v in weights.gradients(trainee.network).items()}
        assert int(evidence.grads) % 2**64 == digests.fingerprint(gradients)
        assert np.abs(gradients["out/kernel"]).max() < 1
        assert not bool(evidence.skipped) and int(evidence.not_finite) == finite.NONE
    assert 0 < float(evidence.loss) < 1


def test_leaves_are_named_and_shaped_as_those_of_jax(batches):
    c = config()
    kept, _ = train(engine(c), c, batches, range(1))
    ours = model.build(c, "cpu").initial_state()
    for kind in ("params", "batch_stats", "scale"):
        mine = {k: (v.shape, v.dtype) for k, v in named_leaves(getattr(kept, kind)).items()}
        theirs = {k: (v.shape, v.dtype) for k, v in named_leaves(getattr(ours, kind)).items()}
        assert mine == theirs
    assert {k.split("/")[0] for k in named_leaves(kept.optimizer)} == {
        "count", "exp_avg", "exp_avg_sq",
    }  # fmt: skip


def test_warming_up_changes_nothing(batches):
    c = config()
    made = engine(c)
    before = flat(made.kept(made.start()))
    ready = made.begin(c, batches)
    assert flat(made.kept(ready.state)) == before
    ready.step(ready.state, ready.batches(0))
    assert flat(made.kept(ready.state)) != before


def test_a_memory_format_is_kept_and_moves_no_leaf(batches):
    plain, last = config(dtype="float64"), config(dtype="float64", channels_last=True)
    made, other = engine(last), engine(plain)
    ready = made.begin(last, batches)
    kernel = ready.state.network.get_parameter("down0_0.conv.weight")
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert flat(made.kept(ready.state)) == flat(other.kept(other.start()))
    ready.step(ready.state, ready.batches(0))
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert all(m.stride() == kernel.stride() for m in moments(ready.state, kernel))
    expected, _ = train(other, plain, batches, range(1))
    for name, value in made.kept(ready.state).params.items():
        if not name.endswith("conv/bias"):  # a bias before a normalisation has no true gradient
            np.testing.assert_allclose(value, expected.params[name], atol=1e-9)


def moments(trainee, parameter):
    return [trainee.optimizer.state[parameter][kind] for kind in ("exp_avg", "exp_avg_sq")]


def test_a_projection_comes_after_each_update(batches):
    c = config()

    def project(net):
        net.out.bias.data.fill_(3.0)

    kept, found = train(engine(c, project=project), c, batches, range(1))
    assert kept.params["out/bias"] == 3.0
    plain, other = train(engine(c), c, batches, range(1))
    assert plain.params["out/bias"] != 3.0 and int(other[0].params) != int(found[0].params)


def test_the_first_tensor_that_is_not_finite_is_named(batches):
    c = config()
    made = engine(c, rates=np.full(8, np.inf))
    ready = made.begin(c, batches)
    _, evidence = ready.step(ready.state, ready.batches(0))
    assert ready.names[int(evidence.not_finite)].startswith("params/")
    _, evidence = ready.step(ready.state, ready.batches(1))
    assert ready.names[int(evidence.not_finite)].startswith("batch_stats/")


def test_a_batch_that_is_not_finite_is_named_as_in_jax(batches):
    c = config()
    ready, built = engine(c).begin(c, batches), model.build(c, "cpu")
    _, evidence = ready.step(ready.state, ready.batches(0))
    assert int(evidence.not_finite) == finite.NONE
    arithmetic = built.arithmetic
    step = jit_quickly(
        rule.make_step(
            built.loss_function(), built.optimizer, arithmetic=arithmetic, dynamic_scale=False
        )
    )
    state = built.initial_state()
    names = finite.names(rule.tensors(batches(0), state.params, state))
    # Apart from counts of updates, both frameworks look at the same tensors in the same order.
    assert ready.names == [name for name in names if not name.endswith("/count")]
    for key, value in (("image", np.nan), ("image", -np.inf), ("mask", np.nan)):
        spoiled = {k: v.copy() for k, v in batches(0).items()}
        spoiled[key][1, 2, 3, 0] = value
        _, theirs = step(state, jax.tree.map(jax.numpy.asarray, spoiled))
        _, ours = ready.step(ready.state, {k: torch.from_numpy(v) for k, v in spoiled.items()})
        found = ready.names[int(ours.not_finite)]
        assert found == names[int(theirs.not_finite)] == f"batch/{key}"


def test_a_moment_that_overflows_is_named(batches):
    c = config()
    ready = engine(c).begin(c, batches)
    moments(ready.state, ready.state.network.get_parameter("out.weight"))[1].fill_(np.inf)
    _, evidence = ready.step(ready.state, ready.batches(0))
    assert ready.names[int(evidence.not_finite)] == "optimizer/0/nu/out/kernel"


def scales(gradients: list[bool], start: float, count: int) -> list[tuple[float, int]]:
    """Loss scale and good steps after each gradient, finite or not, by JAX's rule."""
    scale = rule.LossScale(np.float32(start), np.int32(count))
    state = rule.State({}, {}, {}, jax.tree.map(jax.numpy.asarray, scale))
    found = []
    for finite_ones in gradients:
        state = rule._keep_if_overflown(jax.numpy.asarray(finite_ones), state, state)
        found.append((float(state.scale.value), int(state.scale.finite_steps)))
    return found


@pytest.mark.parametrize(
    "start, count", [(2.0**15, 0), (2.0**15, 198), (2.0**24, 198), (2.0, 5), (1.0, 0)]
)
def test_the_loss_scale_follows_the_rule_of_jax(batches, start, count):
    sequence = [True, True, False, True, False, False, True]
    trainee = Trainee(network(config()), None, half=True)
    leaves = trainee.leaves()
    trainee.restore(leaves._replace(scale=rule.LossScale(np.float32(start), np.int32(count))))
    found = []
    for finite_ones in sequence:
        for p in trainee.network.parameters():
            p.grad = torch.full_like(p, 1.0 if finite_ones else np.inf)
        trainee.scaler.scale(torch.ones(()))
        trainee.scaler.unscale_(trainee.optimizer)
        before = flat(trainee.leaves().params)
        assert trainee.update(1e-3) == finite_ones
        assert (flat(trainee.leaves().params) == before) != finite_ones
        scale = trainee.leaves().scale
        found.append((float(scale.value), int(scale.finite_steps)))
    assert found == scales(sequence, start, count)
    assert trainee.count == sum(sequence)


def test_an_overflow_skips_the_whole_step(batches):
    c = config(dtype="float16")
    made = engine(c, loss=lambda net, batch: losses.breast_loss(net, batch) * 1e36)
    ready = made.begin(c, batches)
    before = made.kept(ready.state)
    _, evidence = ready.step(ready.state, ready.batches(0))
    after = made.kept(ready.state)
    assert bool(evidence.skipped) and int(evidence.not_finite) == finite.NONE
    assert after.scale.value == before.scale.value / 2
    assert flat(after._replace(scale=before.scale)) == flat(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_learning_rates_are_those_of_jax(dtype, share):
    c = config(dtype=dtype, cooldown=share, steps=7, learning_rate=3e-3)
    rates = common.rates(model.build(c, "cpu"))
    expected = [3e-3 * (min((7 - i) / 3.5, 1) if share else 1) for i in range(7)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)
    assert (rates[0] == rates[-1]) == (share == 0)


def test_predictions_use_running_statistics_and_leave_them(batches):
    c = config()
    made = engine(c)
    ready = made.begin(c, batches)
    trainee, _ = ready.step(ready.state, ready.batches(0))
    before, image = flat(made.kept(trainee)), batches(1)["image"]
    one, both = made.predict(trainee, image[:1]), made.predict(trainee, image)
    assert one.shape == (1, 8, 8, 1) and 0 < one.min() < one.max() < 1
    np.testing.assert_allclose(both[:1], one, atol=1e-6)
    assert flat(made.kept(trainee)) == before


# torch's own import of its compiler warns.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_the_first_pass_tells_the_user_is_one_line(batches):
    def missing(net, batch):
        raise RuntimeError("max_pool9d does not have a deterministic implementation, but ...\n2")

    c = config(deterministic_algorithms=True)
    with pytest.raises(UserError, match=r"max_pool9d.*drop it, or use --cudnn_deterministic alone"):
        engine(c, loss=missing).begin(c, batches)

    def broken(net, batch):
        raise RuntimeError("no g++")

    with pytest.raises(UserError, match=r"torch.compile failed \(RuntimeError: no g\+\+\)"):
        engine(config(), loss=broken).begin(config(compile=True), batches)
    with pytest.raises(RuntimeError, match="no g"):
        engine(c, loss=broken).begin(c, batches)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mistakes_and_a_full_gpu_are_no_missing_compiler(batches, compiled):
    def mistaken(net, batch):
        raise UserError("wrong; expected right; mend it")

    def full(net, batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    c = config(compile=compiled)
    with pytest.raises(UserError, match=r"^wrong; expected right; mend it$"):
        engine(c, loss=mistaken).begin(c, batches)
    with pytest.raises(RunFailed, match=r"too little memory.*\(CUDA out.*2 GiB.\); .*--batch_size"):
        engine(c, loss=full).begin(c, batches)


def test_warming_up_ends_before_training_begins(batches, monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    c = config()
    made = engine(c)
    made.begin(c, batches)
    assert not waited
    made._on_device = lambda batch: {k: torch.from_numpy(v) for k, v in batch.items()}
    made._device = torch.device("cuda")
    made.begin(c, batches)
    assert waited == [torch.device("cuda")]


def test_a_step_takes_what_it_was_made_for(batches):
    made = engine(config())
    step = made.begin(config(), batches).step
    assert isinstance(step, Step)
    kinds = [name.split("/")[0] for name in step.names]
    assert kinds.count("params") == kinds.count("gradients") == kinds.count("optimizer") / 2 > 0

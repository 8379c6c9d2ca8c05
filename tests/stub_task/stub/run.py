"""The network in JAX, and what is done with each held-out number."""

import numpy as np
from mrjax.tasks.stub import classical, evaluate, model  # noqa: F401

from mrjax.tasks.engine import JaxEngine, Learning
from mrjax.tasks.frame import Judged
from mrjax.tasks.job import SubjectJob


class Job(SubjectJob):
    constants = property(lambda self: {})

    def shape(self, one):
        return ()

    def output(self, one, apply):
        return apply(np.full((1, 1), one, np.float32))[0]

    def others(self, one):
        return classical.reconstruct(one)

    def judge(self, folder, networks, others):
        table = evaluate.table(networks, others, self.inputs.test)
        names = [str(one) for one in self.inputs.test]
        return Judged(names, table, dict(zip(names, networks, strict=True)))


def engine(devices, built, inputs):
    return JaxEngine(
        devices=devices,
        arithmetic=built.arithmetic,
        state=built.initial_state(inputs.initial),
        learning=Learning(built.loss_function(), built.optimizer),
        predictor=lambda state, x: built.net.apply({"params": state.params}, x),
    )

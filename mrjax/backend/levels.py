"""Levels of reproducibility, and the XLA flags that a level and a study's arm consist of."""

from mrjax.config import RunConfig, sources

NOT_GUARANTEED = "not_guaranteed"
RUN_TO_RUN = "run_to_run"
MACHINE_TO_MACHINE = "machine_to_machine"
LEVELS = (NOT_GUARANTEED, RUN_TO_RUN, MACHINE_TO_MACHINE)
"""Levels of reproducibility, weakest first."""

HOST_DEVICES = "xla_force_host_platform_device_count"

OWNED = {
    "xla_gpu_deterministic_ops": ("false", "--xla_deterministic"),
    "xla_gpu_exclude_nondeterministic_ops": ("false", "--xla_deterministic"),
    "xla_gpu_autotune_level": ("4", "--xla_autotune"),
    "xla_gpu_dump_autotune_results_to": ("", "--xla_autotune=on --xla_autotune_file"),
    "xla_gpu_load_autotune_results_from": ("", "--xla_autotune=frozen --xla_autotune_file"),
    "xla_gpu_require_complete_aot_autotune_results": ("false", "--xla_autotune=frozen"),
    "xla_cpu_max_isa": ("", "--xla_cpu_isa"),
    HOST_DEVICES: ("1", "--devices"),
}
"""XLA flags that a run sets through flags of its own: {name: (XLA's default, our flag)}."""

UNSAFE = ("xla_cpu_enable_fast_math",)
"""XLA flags that let the compiler change results; order-free arithmetic refuses them."""


def level(config: RunConfig) -> str:
    """Return the level of reproducibility that the config asks for, one of `LEVELS`."""
    if config.numerics == "reproducible":
        return MACHINE_TO_MACHINE
    return RUN_TO_RUN if config.xla_deterministic else NOT_GUARANTEED


def xla_flags(config: RunConfig) -> dict[str, str]:
    """Return the XLA flags of the config's level and arm, {name: value}, all of them in `OWNED`."""
    flags = _determinism(config) | _autotune(config)
    if config.xla_cpu_isa:
        flags["xla_cpu_max_isa"] = config.xla_cpu_isa
    if config.devices > 1 and config.platform != "gpu":
        flags[HOST_DEVICES] = str(config.devices)
    return flags


def _determinism(config: RunConfig) -> dict[str, str]:
    """Return the flags of determinism: in jax 0.10.2 only the second stops tuning of fusions."""
    if not config.xla_deterministic:
        return {}
    return {
        "xla_gpu_deterministic_ops": "true",
        "xla_gpu_exclude_nondeterministic_ops": "true",
    }


def _autotune(config: RunConfig) -> dict[str, str]:
    """Return the flags of the autotuner; there are none for auto.

    Under determinism the value off adds no flag: the determinism flags stop tuning themselves, and
    level 0 would skip the pass that gives each convolution a deterministic cuDNN engine.
    """
    mode, file = config.xla_autotune, config.xla_autotune_file
    if mode == "off" and not config.xla_deterministic:
        return {"xla_gpu_autotune_level": "0"}
    if mode == "on":
        store = {"xla_gpu_dump_autotune_results_to": file} if file else {}
        return {"xla_gpu_autotune_level": "4"} | store
    if mode == "frozen":
        return {
            "xla_gpu_load_autotune_results_from": file,
            "xla_gpu_require_complete_aot_autotune_results": "true",
        }
    return {}


def without_effect(config: RunConfig, platform: str) -> list[str]:
    """Return a note for each given flag that has no effect on this kind of device.

    Args:
        config: the configuration of the run.
        platform: "cpu" or "gpu".
    """
    default = RunConfig()
    idle = sources.without_effect(platform, "jax")
    given = [name for name in idle if getattr(config, name) != getattr(default, name)]
    return [
        f"{_shown(name, getattr(config, name))} has no effect on a {platform}" for name in given
    ]


def _shown(name: str, value: object) -> str:
    return f"--{name}" if value is True else f"--{name}={value}"

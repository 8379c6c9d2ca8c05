"""Names for the leaves of parameter and state trees, used in digests and files."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np


def named_leaves(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree by path, such as ``params/conv/kernel`` or ``opt/0/mu/bias``.

    A path holds dictionary keys, attribute names of dataclasses and named tuples, and positions
    in sequences, so a path survives a change of container type that keeps its names.

    Args:
        tree: any JAX tree; a single leaf has the name "".

    Returns:
        Name -> leaf, in JAX's order of leaves.

    Raises:
        ValueError: two leaves have one name, as with the keys "a/b" and "a" -> "b".
    """
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    named = {_name(path): leaf for path, leaf in leaves}
    if len(named) != len(leaves):
        names = [_name(path) for path, _ in leaves]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"tree has several leaves named {', '.join(twice)}")
    return named


def rebuild(like: Any, named: Mapping[str, Any]) -> Any:
    """Put named leaves into a tree's structure: the inverse of `named_leaves`.

    Args:
        like: a tree with the wanted structure, shapes and dtypes; its leaves may be arrays,
            Python numbers or `jax.ShapeDtypeStruct`.
        named: name -> leaf; the names must be exactly those of `like`.

    Returns:
        A tree of the structure of `like`, with the leaves of `named`, not copied.

    Raises:
        ValueError: names are missing or too many, or a shape or dtype differs.
    """
    wanted = named_leaves(like)
    if wanted.keys() != named.keys():
        missing = ", ".join(sorted(wanted.keys() - named.keys())) or "none"
        extra = ", ".join(sorted(named.keys() - wanted.keys())) or "none"
        raise ValueError(f"leaves do not fit the tree: missing {missing}; too many {extra}")
    for name, leaf in wanted.items():
        if _kind(leaf) != _kind(named[name]):
            raise ValueError(f"leaf {name} is {_kind(named[name])}, expected {_kind(leaf)}")
    return jax.tree.unflatten(jax.tree.structure(like), [named[name] for name in wanted])


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _kind(leaf: Any) -> str:
    """Dtype and shape of a leaf, such as ``float32[3,4]``."""
    if not hasattr(leaf, "dtype"):
        leaf = np.asarray(leaf)
    return f"{leaf.dtype}[{','.join(str(length) for length in leaf.shape)}]"

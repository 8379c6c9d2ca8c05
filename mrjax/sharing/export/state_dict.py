"""A state_dict of PyTorch with the module that defines its network."""

from mrjax.sharing.export import about, plain
from mrjax.sharing.export.about import Asked
from mrjax.sharing.export.trained import Trained

WEIGHTS = "weights.pt"


def files(found: Trained, asked: Asked) -> dict[str, bytes]:
    """Return the files of the folder.

    Args:
        found: the network.
        asked: what the user says about it.

    Returns:
        ``weights.pt``, ``network.py``, and a page that shows how both are used.
    """
    made = plain.of(found)
    arguments = ", ".join(f"{name}={value}" for name, value in made.arguments.items())
    use = f"""```python
import torch
from network import {made.name}

network = {made.name}({arguments})
network.load_state_dict(torch.load("{WEIGHTS}", weights_only=True))
network.eval()
```"""
    return {
        WEIGHTS: plain.saved(made.state),
        plain.NETWORK: made.source,
        "README.md": about.readme(found, asked, use),
    }

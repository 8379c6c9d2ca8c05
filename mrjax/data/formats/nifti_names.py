"""Which NIfTI files of a folder are the field, the map, the mask and the regions of one subject.

What a file is, its last word says, as BIDS has it: `localfield` (SEPIA, QSM-CI) or
`fieldmap-local` (qsm-forward), `Chimap`, `mask`; `dseg` or `labels` for regions. A word `mask` of
its own says it too, since SEPIA writes `Sepia_mask_localfield`, the mask of the local field.

Whose it is, the entities of BIDS say (`sub`, `ses`, `acq`, `run`, `echo` and others that stand for
another measurement); `desc` and `space` do not, they say what was made of it. A mask, a map or a
segmentation without an entity serves all fields that differ by it (of several sessions, with a
note); it must lie on the grid of each. Without `sub-` files belong together by folder and by
what stands before the words above: a_localfield.nii.gz and a_mask.nii.gz.

Source: bids-specification.readthedocs.io, "Common principles" and "Entities".
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mrjax.data.formats import found, nifti_file
from mrjax.data.intake import Intake, shown
from mrjax.data.words import text
from mrjax.errors import UserError

_KINDS = re.compile(r"(?P<field>localfield|fieldmap-local)|(?P<chi>chimap)|(?P<mask>mask)", re.I)
_ENTITY = re.compile(r"(?<![^\W_])([A-Za-z]+)-((?:[^\W_]|\+)+)(?![^\W_])")
_MASKS = ("mask", "brainmask")
LABELS = ("dseg", "labels")
"""Last words of segmentations and of the tables that name their labels."""
_OF_MASKS = ("brain", "bet", "head")
"""Words before `mask` that say what it is a mask of, not whose."""
_MEASUREMENTS = ("sub", "ses", "sample", "task", "acq", "ce", "rec", "dir", "run", "echo", "flip",
                 "inv", "mt", "part", "chunk")  # fmt: skip
_OTHER = re.compile(r"std|sd|var|variance|err|error|sigma|noise|weights?|snr|quality", re.I)
"""Last words of maps that say how sure another map is."""
_NOT_SITES = ("derivatives", "rawdata", "sourcedata")


class Named(NamedTuple):
    """What a path says.

    Attributes:
        path: of the file.
        kind: field, chi, mask or labels.
        site: the folders above the subject's, where several studies lie side by side.
        entities: BIDS entity -> label, those of `_MEASUREMENTS`; empty without a `sub`.
        name: of the subject, without the site.
        rank: 0 for a name that ends with its kind; 1 for the local field's mask among several
            masks of SEPIA, 2 for its others.
    """

    path: Path
    kind: str
    site: str
    entities: dict[str, str]
    name: str
    rank: int


def groups(data_dir: Path, intake: Intake) -> dict[str, dict[str, Path]]:
    """The files of every subject that has a field.

    Args:
        data_dir: folder, searched with all its subfolders.
        intake: the run's account; it is told which files are not used.

    Returns:
        Subject -> kind (field, chi, mask, labels) -> file; a kind that is missing has no file.

    Raises:
        UserError: two files for one purpose; of several segmentations none is used.
    """
    paths = found.below(data_dir, nifti_file.SUFFIXES, intake, _is_segmentation)
    read = [parsed(path, data_dir) for path in paths]
    named = [one for one in read if one is not None]
    fields = [one for one in named if one.kind == "field"]
    # Where two sites have a subject of one name, only files of one site belong together.
    several = len({one.name for one in fields}) < len(fields)
    if not several:
        named = [one._replace(site="") for one in named]
        fields = [one._replace(site="") for one in fields]
    result: dict[str, dict[str, Path]] = {}
    sessions: dict[Path, set[str]] = {}
    for field in fields:
        name = "_".join(filter(None, (field.site.replace("/", "_"), field.name)))
        if name in result:
            raise both(result[name]["field"], field.path, "field", name)
        result[name] = {"field": field.path}
        for kind in ("chi", "mask", "labels"):
            path = _chosen(field, [one for one in named if one.kind == kind], intake)
            if path is not None:
                result[name][kind] = path
                sessions.setdefault(path, set()).add(field.entities.get("ses", ""))
    for path, served in sessions.items():
        if len(served) > 1:
            intake.note(
                "maps, masks and segmentations without a session serve several sessions",
                f"{path.name} ({', '.join(sorted(served))})",
            )
    _account(data_dir, paths, named, result, intake)
    return result


def parsed(path: Path, root: Path) -> Named | None:
    """What the name and the folders of a file say; None for a file of no kind."""
    whole = _kind(nifti_file.stem(path))
    if whole is None:
        return None
    kind, before, rank = whole
    parent = path.relative_to(root).parent
    entities = dict(_ENTITY.findall("_".join([*parent.parts, before])))
    if "sub" not in entities:
        name = (parent / before.rstrip("_-.")).as_posix().strip("./").replace("/", "_")
        return Named(path, kind, "", {}, text(name or root.name), rank)
    own = {key: entities[key] for key in _MEASUREMENTS if key in entities}
    name = "_".join(f"{key}-{label}" for key, label in own.items())
    return Named(path, kind, _site(parent), own, name, rank)


def _is_segmentation(path: Path) -> bool:
    kind = _kind(nifti_file.stem(path))
    return kind is not None and kind[0] == "labels"


def _site(parent: Path) -> str:
    """Folders above the subject's and above those that BIDS knows."""
    parts = list(parent.parts)
    ends = [i for i, p in enumerate(parts) if p in _NOT_SITES or p.startswith("sub-")]
    return "/".join(parts[: ends[0]] if ends else parts)


def _kind(stem: str) -> tuple[str, str, int] | None:
    """(kind, what stands before it, rank) of a name; None for no kind."""
    words = stem.split("_")
    for place, word in enumerate(words):
        if word.lower() in _MASKS:
            after = words[place + 1 :]
            rank = 0 if not after else 1 if _KINDS.fullmatch(after[0]) else 2
            return "mask", "_".join(words[:place]), rank
    if words[-1].lower() in LABELS:
        return "labels", "_".join(words[:-1]), 0
    if _OTHER.fullmatch(words[-1]):
        return None
    last_first = [len(words) - 1, *range(len(words) - 1)]
    for place in last_first:
        word = words[place]
        match = _KINDS.search(word)
        if match and (place == len(words) - 1 or not _ENTITY.fullmatch(word) or "local" in word):
            before = "_".join([*words[:place], word[: match.start()]])
            return str(match.lastgroup), before, 0
    return None


def _is_of_object(mask: Named, field: Named) -> bool:
    """Whether a mask is called as its field, and by a word more: of what it is a mask."""
    own, its = (_kind(nifti_file.stem(one.path)) for one in (mask, field))
    if own is None or its is None or mask.path.parent != field.path.parent:
        return False
    *before, last = own[1].rstrip("_-.").split("_")
    says_of_what = last.lower() in _OF_MASKS or bool(_KINDS.fullmatch(last))
    return says_of_what and "_".join(before) == its[1].rstrip("_-.")


def _chosen(field: Named, others: Sequence[Named], intake: Intake) -> Path | None:
    """The file of one kind that belongs to a field; of several segmentations none."""
    try:
        return _belonging(field, others, intake)
    except UserError:
        if others[0].kind != "labels":
            raise
        intake.note("subjects without means of regions, having several segmentations", field.name)
        return None


def _belonging(field: Named, others: Sequence[Named], intake: Intake) -> Path | None:
    """The file among others that belongs to a field: the most specific, then the best named."""
    near = [o for o in others if (o.site, bool(o.entities)) == (field.site, bool(field.entities))]
    if not field.entities:
        fitting = [o for o in near if o.name == field.name]
        fitting = fitting or [o for o in near if o.kind == "mask" and _is_of_object(o, field)]
    else:
        fitting = [o for o in near if o.entities.items() <= field.entities.items()]
        if not fitting:
            fitting = _only(field, near, intake)
    if not fitting:
        return None
    best = min((-len(o.entities), o.rank) for o in fitting)
    chosen = [o for o in fitting if (-len(o.entities), o.rank) == best]
    if len(chosen) > 1:
        raise both(chosen[0].path, chosen[1].path, chosen[0].kind, field.name)
    if chosen[0].rank and len(fitting) > 1:
        intake.note(f"of {len(fitting)} masks of {field.name}, {chosen[0].path.name} is used")
    return chosen[0].path


def _only(field: Named, others: Sequence[Named], intake: Intake) -> list[Named]:
    """The one file that says more than the field does but contradicts it in nothing."""
    keys = ("sub", "ses")
    alike = [o for o in others if all(o.entities.get(k) == field.entities.get(k) for k in keys)]
    agreeing = [
        o
        for o in alike
        if all(field.entities.get(key, label) == label for key, label in o.entities.items())
    ]
    if len(agreeing) != 1:
        return []
    intake.note(f"{agreeing[0].path.name} is used for {field.path.name}, being the only one")
    return agreeing


def both(one: Path, other: Path, kind: str, name: str) -> UserError:
    """The refusal of two files for one purpose."""
    return UserError(
        f"{one} and {other} are both the {kind} of {name}; expected one; "
        "move the other out of --data_dir"
    )


def _account(
    root: Path,
    paths: Sequence[Path],
    named: Sequence[Named],
    result: dict[str, dict[str, Path]],
    intake: Intake,
) -> None:
    """Say which files are used for nothing."""
    used = {path for own in result.values() for path in own.values()}
    with_field = {one.name for one in named if one.kind == "field"}
    unused = [one for one in named if one.path not in used]
    for one in unused:
        if one.kind == "labels":
            what = one.path.relative_to(root).as_posix()
            intake.note("segmentations that are used for no local field", what)
    lonely = {o.name for o in unused if o.kind != "labels" and o.name not in with_field}
    # A mask that serves several fields has a shorter name than theirs.
    served = {o.name for o in named if o.path in used}
    for name in sorted(lonely - served):
        intake.leave_out(name, "a map or mask without a local field")
    kinds = {one.path for one in named}
    rest = [p.relative_to(root).as_posix() for p in paths if p not in kinds]
    if rest:
        intake.note(
            f"{len(rest)} NIfTI files are not used, since no word of their names says field, map, "
            f"mask or labels: {shown(rest)}"
        )

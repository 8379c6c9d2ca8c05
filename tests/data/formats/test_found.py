"""Files of a folder, and which of them make a subject."""

import os

import numpy as np
import pytest

from mrjax.data.formats import found, nifti_names
from mrjax.data.intake import Intake
from mrjax.errors import UserError


def touch(folder, *names) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_dots_are_no_data_links_are_followed_and_case_does_not_matter(tmp_path):
    touch(tmp_path / "data", "a.NII.GZ", "._a.nii.gz", ".git/b.nii", "c/d.nii", "e.txt")
    touch(tmp_path / "elsewhere", "f.nii")
    (tmp_path / "data/link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "data/again").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "data/b").symlink_to(tmp_path / "data/c", target_is_directory=True)
    (tmp_path / "data/c/up").symlink_to(tmp_path / "data", target_is_directory=True)
    paths = [
        p.relative_to(tmp_path / "data").as_posix()
        for p in found.below(tmp_path / "data", (".nii", ".nii.gz"))
    ]
    assert paths == ["a.NII.GZ", "again/f.nii", "c/d.nii"]
    assert [p.name for p in found.inside(tmp_path / "data", (".gz",))] == ["a.NII.GZ"]
    (tmp_path / "data/lost.nii").symlink_to(tmp_path / "gone.nii")
    with pytest.raises(UserError, match=r"lost.nii is a link to .*gone.nii, which is not there"):
        found.below(tmp_path / "data", (".nii",))


def grouped(tmp_path, *names, intake=None):
    touch(tmp_path, *names)
    groups = nifti_names.groups(tmp_path, intake or Intake())
    return {
        name: {kind: path.relative_to(tmp_path).as_posix() for kind, path in files.items()}
        for name, files in groups.items()
    }


def test_the_last_word_says_what_a_file_is(tmp_path):
    assert grouped(
        tmp_path,
        "sub-01_desc-masked_localfield.nii.gz",
        "sub-01_mask.nii.gz",
        "sub-mask02_localfield.nii",
        "sub-mask02_desc-brain_mask.nii",
        "sub-mask02_Chimap.nii",
    ) == {
        "sub-01": {
            "field": "sub-01_desc-masked_localfield.nii.gz",
            "mask": "sub-01_mask.nii.gz",
        },
        "sub-mask02": {
            "field": "sub-mask02_localfield.nii",
            "mask": "sub-mask02_desc-brain_mask.nii",
            "chi": "sub-mask02_Chimap.nii",
        },
    }


def test_the_masks_of_sepia_are_masks(tmp_path):
    intake = Intake()
    files = ("P1_localfield.nii", "P1_mask_QSM.nii", "P1_mask_brain.nii", "P1_mask_localfield.nii")
    groups = grouped(tmp_path, *files, intake=intake)
    assert groups == {"P1": {"field": files[0], "mask": files[3]}}
    assert intake.notes == ["of 3 masks of P1, P1_mask_localfield.nii is used"]
    (tmp_path / files[3]).unlink()
    with pytest.raises(UserError, match="are both the mask of P1; expected one"):
        nifti_names.groups(tmp_path, Intake())


@pytest.mark.parametrize("entity", ["ses", "run", "acq", "echo", "dir"])
def test_entities_distinguish_subjects(entity, tmp_path):
    names = [
        f"sub-1_{entity}-{label}_{word}.nii" for label in "ab" for word in ("localfield", "mask")
    ]
    groups = grouped(tmp_path, *names)
    assert list(groups) == [f"sub-1_{entity}-a", f"sub-1_{entity}-b"]
    assert [files["mask"] for files in groups.values()] == names[1::2]


def test_a_mask_without_an_entity_serves_all_and_one_of_its_own_comes_first(tmp_path):
    groups = grouped(
        tmp_path,
        "sub-1_acq-q_echo-1_localfield.nii",
        "sub-1_acq-q_echo-2_localfield.nii",
        "sub-1_acq-q_mask.nii",
        "sub-1_acq-q_echo-2_mask.nii",
        "sub-1_acq-other_mask.nii",
        "sub-2_acq-q_mask.nii",
    )
    masks = [files.get("mask") for files in groups.values()]
    assert masks == ["sub-1_acq-q_mask.nii", "sub-1_acq-q_echo-2_mask.nii"]


def test_sites_are_kept_apart_and_bids_folders_are_no_sites(tmp_path):
    for site in ("A", "B"):
        touch(tmp_path / "two", *(f"{site}/sub-1/sub-1_{w}.nii" for w in ("localfield", "mask")))
    assert list(nifti_names.groups(tmp_path / "two", Intake())) == ["A_sub-1", "B_sub-1"]
    touch(tmp_path / "three", "fields/sub-1_localfield.nii", "masks/sub-1_mask.nii")
    (files,) = nifti_names.groups(tmp_path / "three", Intake()).values()
    assert files["mask"].name == "sub-1_mask.nii"
    touch(
        tmp_path / "one",
        "derivatives/qsm-forward/sub-1/ses-2/anat/sub-1_ses-2_run-1_fieldmap-local.nii",
        "rawdata/sub-1/ses-2/anat/sub-1_ses-2_mask.nii",
    )
    (files,) = nifti_names.groups(tmp_path / "one", Intake()).values()
    assert files["mask"].name == "sub-1_ses-2_mask.nii"


def test_two_fields_of_one_subject_are_one_line(tmp_path):
    with pytest.raises(UserError, match="are both the field of sub-1"):
        grouped(tmp_path, "sub-1_localfield.nii", "sub-1_desc-masked_localfield.nii")


def test_a_file_that_says_more_is_used_only_if_it_is_the_only_one(tmp_path):
    intake = Intake()
    names = ("sub-1_localfield.nii", "sub-1_run-1_mask.nii")
    assert grouped(tmp_path, *names, intake=intake)["sub-1"]["mask"] == names[1]
    assert "being the only one" in intake.notes[0]
    assert "mask" not in grouped(tmp_path, "sub-1_run-2_mask.nii")["sub-1"]


def test_what_is_not_used_is_said(tmp_path):
    intake = Intake()
    names = [f"sub-{i}_Magnitude.nii" for i in range(5)]
    grouped(
        tmp_path, "sub-1_localfield.nii", "sub-2_mask.nii", "b/c_Chimap.nii", *names, intake=intake
    )
    assert [name for name, _ in intake.left_out] == ["b_c", "sub-2"]
    assert intake.notes[0].startswith("5 NIfTI files are not used")
    assert intake.notes[0].endswith(
        "sub-0_Magnitude.nii, sub-1_Magnitude.nii, sub-2_Magnitude.nii and 2 more"
    )


def test_the_account_counts_and_speaks():
    intake = Intake.insisting("field, voxel")
    intake.use([1, 2], [3], "slices")
    for number in range(5):
        intake.leave_out(f"s{number}", "too dark")
    intake.note("twice")
    intake.note("twice")
    intake.doubt("field", "odd", "mend it")
    assert intake.lines() == [
        "data: 8 slices found; 2 to train on, 1 held out; 5 left out",
        "left out, too dark: s0, s1, s2 and 2 more",
        "note: twice",
        "accepted: odd (--accept=field)",
    ]
    record = intake.record()
    assert record["found"] == 8 and record["left_out"][4] == {"name": "s4", "reason": "too dark"}
    with pytest.raises(UserError, match=r"^odd; mend it, or insist with --accept=times$"):
        intake.doubt("times", "odd", "mend it")
    with pytest.raises(UserError, match="names 'colour', which is no check; expected names among"):
        Intake.insisting("field,colour")
    assert np.array_equal(Intake().lines(), ["data: 0 subjects found; 0 held out"])


def test_names_of_subjects_are_text(tmp_path):
    """A Latin-1 name on a disk, and a line break; what is printable stays as it is."""
    latin = os.fsdecode(b"M\xfcller")
    for name in (latin, "a\nb", "Köln", "a$x_$b"):
        touch(tmp_path, f"{name}_localfield.nii", f"{name}_mask.nii")
    groups = nifti_names.groups(tmp_path, Intake())
    assert sorted(groups) == ["Köln", "M%FCller", "a$x_$b", "a%0Ab"]
    assert all(set(files) == {"field", "mask"} for files in groups.values())
    "".join(groups).encode()


def test_of_two_links_the_first_name_counts_whatever_the_disk_lists_first(tmp_path, monkeypatch):
    touch(tmp_path / "store", "m.nii")
    root = tmp_path / "data"
    root.mkdir()
    for name in ("s2", "s1"):
        (root / name).symlink_to(tmp_path / "store", target_is_directory=True)
    walk = os.walk
    for order in (sorted, lambda names: sorted(names, reverse=True)):

        def listed(top, order=order, **settings):
            for place, folders, names in walk(top, **settings):
                folders[:] = order(folders)
                yield place, folders, names

        monkeypatch.setattr(os, "walk", listed)
        intake = Intake()
        assert found.below(root, (".nii",), intake) == [root / "s1/m.nii"]
        assert intake.notes == ["links to folders that are read by another name: s2"]


def test_folders_that_cannot_be_read_are_refused(tmp_path, monkeypatch):
    """Root reads every folder, so the system's own call is made to fail."""
    touch(tmp_path, "s1/m.nii", "s2/m.nii")
    scan = os.scandir

    def closed(path):
        if str(path).endswith("s2"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UserError, match=r"the folder .*s2 cannot be read .Permission denied.;"):
        found.below(tmp_path, (".nii",))
    monkeypatch.setattr(os, "listdir", closed)
    with pytest.raises(UserError, match=r"the folder .*s2 cannot be read .Permission denied.;"):
        found.inside(tmp_path / "s2", (".nii",))


def test_names_of_any_bytes_become_text_in_the_account():
    """What a JSON file holds must be Unicode, and a name on a disk need not be."""
    name = os.fsdecode(b"J\xf6rg.nii")
    intake = Intake.insisting("frame")
    intake.note(f"{name} is odd")
    intake.note("odd ones", name)
    intake.leave_out(name, f"beside {name}")
    intake.doubt("frame", f"{name} lies nowhere", "move it")
    record = intake.record()
    assert record["notes"] == ["J%F6rg.nii is odd", "odd ones: J%F6rg.nii"]
    assert record["left_out"] == [{"name": "J%F6rg.nii", "reason": "beside J%F6rg.nii"}]
    assert record["accepted"] == ["J%F6rg.nii lies nowhere (--accept=frame)"]
    assert "\n".join(intake.lines()).encode().decode() == "\n".join(intake.lines())


def test_labels_may_have_letters_of_any_language(tmp_path):
    files = [f"sub-{n}_{k}.nii" for n in ("Jörg", "Jülich", "山田") for k in ("localfield", "mask")]
    groups = grouped(tmp_path, *files)
    assert set(groups) == {"sub-Jörg", "sub-Jülich", "sub-山田"}
    assert groups["sub-Jörg"] == {"field": files[0], "mask": files[1]}


@pytest.mark.parametrize(
    ("field", "mask"),
    [
        ("localfield.nii", "brain_mask.nii"),
        ("a_localfield.nii", "a_localfield_mask.nii"),
        ("a_localfield.nii", "a_brain_mask.nii"),
        ("brain_localfield.nii", "brain_mask.nii"),
        ("sub-1_localfield.nii", "sub-1_localfield_mask.nii"),
    ],
)
def test_a_mask_may_say_what_it_is_of(field, mask, tmp_path):
    (files,) = grouped(tmp_path, field, mask).values()
    assert files == {"field": field, "mask": mask}


@pytest.mark.parametrize("entity", ["task", "chunk", "sample", "part"])
def test_other_entities_stand_for_measurements_too(entity, tmp_path):
    files = [f"sub-1_{entity}-{n}_localfield.nii" for n in ("a", "b")]
    groups = grouped(tmp_path, *files, "sub-1_mask.nii")
    assert [group["field"] for group in groups.values()] == files
    assert {group["mask"] for group in groups.values()} == {"sub-1_mask.nii"}


def test_a_map_of_errors_is_no_second_field(tmp_path):
    intake = Intake()
    files = ("sub-1_localfield.nii", "sub-1_mask.nii", "sub-1_localfield_std.nii")
    groups = grouped(tmp_path, *files, intake=intake)
    assert groups == {"sub-1": {"field": files[0], "mask": files[1]}}
    assert files[2] in intake.notes[0]

"""The data samples by name."""

import pytest

from greenkit import samples


def test_every_sample_has_a_path():
    assert samples.names()
    for name in samples.names():
        assert samples.path(name).name.split(".")[0] == name
        assert 0 < samples.path(name).stat().st_size < 500_000


def test_misspelled_name_gets_a_suggestion():
    with pytest.raises(
        FileNotFoundError, match=r"no sample 'epsi'\. Did you mean 'espi'\? List .* greenkit\.samples\.names"
    ):
        samples.path("epsi")
    assert samples.path("espi.xml") == samples.path("espi")


def test_names_are_unique():
    files = [p for p in samples.folder().iterdir() if p.suffix != ".md"]
    assert len(files) == len(samples.names())


def test_readme_lists_every_sample():
    readme = (samples.folder() / "README.md").read_text(encoding="utf-8")
    for name in samples.names():
        assert f"`{samples.path(name).name}`" in readme


def test_missing_folder_raises(monkeypatch, tmp_path):
    monkeypatch.setattr(samples, "__file__", str(tmp_path / "greenkit" / "samples.py"))
    with pytest.raises(FileNotFoundError, match="Reinstall greenkit"):
        samples.names()

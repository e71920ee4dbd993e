"""A checkpoint is data: what someone has put into its place is never run."""

import os

import torch

from explorer.training.checkpoint import Checkpoint


class Program:
    """Unpickling one makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_a_checkpoint_that_would_run_a_program_counts_as_none(tmp_path):
    file, made = tmp_path / "key.pt", tmp_path / "made"
    torch.save({"key": "key", "rungs": Program(made)}, file)
    assert Checkpoint(tmp_path, "key", {}).load([]) is None
    assert not made.exists()
    torch.load(file, weights_only=False)
    assert made.exists()
